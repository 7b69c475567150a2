"""Bodies of requests: what a job may be asked with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from configs.request import MAX_NAME
from deployments.api.models import CompareBody, ReconstructBody, plain_text

RECONSTRUCT = {"video": "/in/a.mp4", "output_glb_path": "/out/a.glb"}
COMPARE = {"new": "/out/a.glb", "damaged": "/in/b.mp4", "output_dir": "/out", "name": "a"}


@pytest.mark.parametrize("kind", [ReconstructBody, CompareBody])
def test_examples_of_the_schema_are_taken(kind: type[BaseModel]) -> None:
    examples = kind.model_json_schema()["examples"]
    assert examples
    for example in examples:
        assert kind.model_validate(example).model_dump(mode="json").items() >= example.items()


def test_a_reconstruction_has_one_source() -> None:
    film = ReconstructBody.model_validate(RECONSTRUCT)
    frames = ReconstructBody.model_validate(
        {"preprocessing_output_dir": "s3://b/frames", "output_glb_path": "/out/a.glb"}
    )
    assert (film.source, frames.source) == (Path("/in/a.mp4"), "s3://b/frames")
    for other in ({"preprocessing_output_dir": "/in/frames"}, {"video": None}):
        with pytest.raises(ValidationError, match="give either"):
            ReconstructBody.model_validate(RECONSTRUCT | other)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"model": "/srv/models/mine"}, "must be one of tyre-mini"),
        ({"model": "u2net"}, "must be one of tyre-mini"),
        ({"session": "triposr"}, "must be one of tyre-segmenter"),
        ({"reference": "a\0b"}, "control characters"),
        ({"reference": [{"deep": ["\ud800"]}]}, "halves of characters"),
        ({"x": {"a\ud800": 1}}, "halves of characters"),
        ({"parameters": {}}, "Extra inputs"),
        ({"input_roots": ["/"]}, "Extra inputs"),
        ({"x": [{"__prefect_kind": "jinja"}]}, "__prefect_kind is refused"),
    ],
)
def test_no_job_names_weights_in_a_folder_parameters_roots_or_templates(
    change: dict[str, Any], why: str
) -> None:
    for kind, whole in ((ReconstructBody, RECONSTRUCT), (CompareBody, COMPARE)):
        kind.model_validate({**whole, "model": "triposr", "session": "u2net"})
        with pytest.raises(ValidationError, match=why):
            kind.model_validate({**whole, **change})


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("a-stint 1.b_c", True),
        ("7" * MAX_NAME, True),
        ("7" * (MAX_NAME + 1), False),
        (".a", False),
        ("-a", False),
        ("a\n", False),
        ("ä", False),
        ("a/b", False),
    ],
)
def test_a_comparisons_files_have_names_that_every_system_takes(name: str, taken: bool) -> None:
    if taken:
        assert CompareBody.model_validate({**COMPARE, "name": name}).name == name
        return
    with pytest.raises(ValidationError, match="name"):
        CompareBody.model_validate({**COMPARE, "name": name})


def test_a_text_without_control_characters_is_itself() -> None:
    assert (plain_text("Größe 7"), plain_text(None)) == ("Größe 7", None)
