"""Parameters by name, as text, from files and variables."""

from __future__ import annotations

import difflib
from pathlib import Path

import pytest

from configs.comparison import ComparisonStage
from configs.parameters import (
    CONFIGS,
    OPTIONS,
    Setting,
    all_names,
    check,
    config_of,
    from_environment,
    from_file,
    from_text,
    gathered,
    names,
    variable_of,
)
from configs.stages import JudgeConfig, MergeConfig, StageName


def test_every_stage_has_its_parameters_and_its_defaults_where_nothing_is_set() -> None:
    assert list(CONFIGS) == [*StageName, *ComparisonStage]
    for kind in CONFIGS.values():
        assert config_of(kind, {}) == kind()


def test_names_go_down_to_single_values() -> None:
    assert "weighted.boundary_weight" in set(names(MergeConfig))
    assert {"silhouette_iou.review", "judged_px"} <= set(names(JudgeConfig))
    assert "weighted" not in set(names(MergeConfig))
    assert set(OPTIONS) <= set(all_names())


def test_variables_of_parameters_are_told_apart_and_name_them() -> None:
    variables = {variable_of(name): name for name in all_names()}
    assert len(variables) == len(all_names())
    assert variables["TYRE3D_REMOVE_BACKGROUNDS__MIN_AREA"] == "remove-backgrounds.min_area"
    assert variables["TYRE3D_MERGE__WEIGHTED__BOUNDARY_WEIGHT"] == "merge.weighted.boundary_weight"
    read = from_environment(dict.fromkeys(variables, "5"))
    assert {setting.name: setting.origin for setting in read} == {
        name: variable for variable, name in variables.items()
    }


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("5", 5),
        ("-1.5e3", -1500.0),
        ("true", True),
        ("null", None),
        ("[1, 2]", [1, 2]),
        ('"5"', "5"),
        ("fp32", "fp32"),
        ("a=b", "a=b"),
        ("", ""),
        ("NaN", "NaN"),  # no number that JSON could give back
        ("Infinity", "Infinity"),
    ],
)
def test_a_value_is_a_number_a_list_or_the_text_itself(text: str, value: object) -> None:
    name = "merge.smoothing_rounds"
    for words in (f"{name}={text}", f" {name} = {text} "):
        assert from_text(words) == Setting(name, value, "--set")
    (read,) = from_environment({"TYRE3D_MERGE__SMOOTHING_ROUNDS": text})
    assert (read.name, read.value) == (name, value)


def test_variables_of_others_and_of_the_installation_are_none_of_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    others = {"PATH": "x", "TYRE3D_HOME": "h", "TYRE3D_S3_REGION": "r", "OTHER__X": "1"}
    assert from_environment(others) == []
    with pytest.raises(ValueError, match="TYRE3D_MERGE__X: there is no such setting"):
        from_environment({"TYRE3D_MERGE__X": "1"})
    # to compare a long one with all would take minutes
    monkeypatch.setattr(difflib, "get_close_matches", None)
    with pytest.raises(ValueError, match=r"there is no such setting$"):
        from_environment({f"TYRE3D_MERGE__{'X' * 5000}": "1"})


def test_a_file_that_an_editor_of_windows_wrote_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_bytes(b"\xef\xbb\xbf[merge]\r\nsmoothing_rounds = 4\r\n")
    assert [(s.name, s.value) for s in from_file(path)] == [("merge.smoothing_rounds", 4)]


def test_the_later_place_counts_field_by_field(tmp_path: Path) -> None:
    path = tmp_path / "c.toml"
    path.write_text(
        "[merge]\nsmoothing_rounds = 4\ncolour_frames = 2\n[merge.weighted]\nboundary_weight = 3\n"
    )
    variables = {"TYRE3D_MERGE__SMOOTHING_ROUNDS": "6", "TYRE3D_MERGE__FACE_BUDGET": "10"}
    places = [
        *from_file(path),
        *from_environment(variables),
        from_text("merge.smoothing_rounds=7"),
    ]
    assert gathered(places) == {
        "merge": {
            "smoothing_rounds": 7,
            "colour_frames": 2,
            "weighted": {"boundary_weight": 3},
            "face_budget": 10,
        }
    }
    assert gathered(places[:-1])["merge"]["smoothing_rounds"] == 6
    assert {setting.origin for setting in from_file(path)} == {str(path)}


def test_of_a_value_and_a_table_of_one_name_the_later_one_counts() -> None:
    table, value = Setting("a.b.c", 1, ""), Setting("a.b", 2, "")
    assert gathered([table, value]) == {"a": {"b": 2}}
    assert gathered([value, table]) == {"a": {"b": {"c": 1}}}


def test_what_options_say_is_kept_and_the_rest_laid_over_it() -> None:
    parameters = {"merge": {"smoothing_rounds": 5, "weighted": {"boundary_weight": 3}}}
    merge = config_of(MergeConfig, parameters, diameter_mm=650.0)
    weighted = MergeConfig().weighted.model_copy(update={"boundary_weight": 3.0})
    assert merge == MergeConfig(diameter_mm=650, smoothing_rounds=5, weighted=weighted)
    judge = config_of(JudgeConfig, {"judge": {"silhouette_iou": {"review": 0.9}}})
    assert judge.silhouette_iou.fail == JudgeConfig().silhouette_iou.fail


@pytest.mark.parametrize(
    ("parameters", "said"),
    [
        ({"merg": {}}, "merg: there is no such stage; the nearest is merge"),
        ({"xyz": {}}, "xyz: there is no such stage; known are extract"),
        (
            {"merge": {"smoothing": 5}},
            "merge.smoothing: there is no such parameter; the nearest is",
        ),
        ({"merge": {"weighted": {"x": 1}}}, "merge.weighted.x: there is no such parameter"),
        ({"merge": {"grid_angles": 50}}, r"merge.grid_angles: .*multiple of 4 \(given: 50\)"),
        ({"judge": {"photo_agreement": {"fail": "x"}}}, "judge.photo_agreement.fail: .*number"),
        ({"merge": {"mc_resolution": 64}}, "is set by the option --mc-resolution"),
        ({"inspect": {"session": "u2net"}}, "is set by the option --session"),
    ],
)
def test_what_cannot_be_set_is_named_with_what_is_near(
    parameters: dict[str, dict[str, object]], said: str
) -> None:
    with pytest.raises(ValueError, match=said):
        check(parameters)


@pytest.mark.parametrize("text", ["merge.smoothing_rounds", "smoothing_rounds=5", "", "="])
def test_a_setting_is_a_stage_a_field_and_a_value(text: str) -> None:
    with pytest.raises(ValueError, match="give a stage, a field and a value"):
        from_text(text)


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"[merge", "c.toml"), (b"\xff", "c.toml"), (b"merge = 5", "merge: give tables")],
)
def test_a_file_of_another_kind_is_named(content: bytes, said: str, tmp_path: Path) -> None:
    (tmp_path / "c.toml").write_bytes(content)
    with pytest.raises(ValueError, match=said):
        from_file(tmp_path / "c.toml")
