"""What the first word and earlier warnings add to an error."""

from __future__ import annotations

import pytest

from deployments.api.models import JobReason
from flows.support import first_word
from flows.support.first_word import advised_by
from tasks.core.errors import ReconstructionError, ResourceError
from tasks.verdict.record import Judgement, Reason

DARK = Judgement(
    (Reason("film-dark", "fail", "the film is dark", "Add light"),), {}, ("Add light",)
)

GOOD = "light, sharpness and picture are good"


@pytest.mark.parametrize(
    ("word", "warnings", "what", "advice"),
    [
        (Judgement(()), (), "none found", "Texture."),
        (DARK, (), "the film is dark: none found", "Add light"),
        (Judgement(()), ("frame 3 is cut off",), "frame 3 is cut off: none found", "Texture."),
        (
            DARK,
            ("frame 3 is cut off",),
            "the film is dark; frame 3 is cut off: none found",
            "Add light",
        ),
    ],
)
def test_an_error_tells_what_was_known_before(
    word: Judgement, warnings: tuple[str, ...], what: str, advice: str
) -> None:
    with pytest.raises(ReconstructionError) as caught, advised_by(word, warnings):
        raise ReconstructionError("poses-failed", stage="x", what="none found", advice="Texture.")
    assert (caught.value.what, caught.value.advice) == (what, advice)


@pytest.mark.parametrize("word", [Judgement((), {"about_arc_deg": 244.0}), DARK])
def test_its_table_holds_reasons_as_the_service_reads_them(
    word: Judgement, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[dict[str, str]]] = []
    monkeypatch.setattr(first_word, "create_table_artifact", lambda table, **_: shown.append(table))
    monkeypatch.setattr(first_word, "emit_first_word", lambda *_: None)
    first_word.show_first_word("tyre", word)
    (rows,) = shown
    assert [JobReason.model_validate(row).code for row in rows] == [r.code for r in word.reasons]


@pytest.mark.parametrize(("arc_deg", "seen"), [(244.0, "240° or more"), (92.0, "90°")])
def test_a_whole_turn_is_not_called_less(arc_deg: float, seen: str) -> None:
    (line,) = first_word.lines_of(Judgement((), {"about_arc_deg": arc_deg}))
    assert line.endswith(f"{GOOD}, seen from about {seen} round it")


def test_what_is_not_the_films_fault_is_left_alone() -> None:
    with pytest.raises(ResourceError) as caught, advised_by(DARK, ("frame 3 is cut off",)):
        raise ResourceError("out-of-memory", stage="x", what="no memory", advice="Buy some.")
    assert caught.value.what == "no memory"
