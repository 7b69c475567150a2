"""The page of settings, written of the code."""

from __future__ import annotations

from pathlib import Path

from configs.parameters import all_names
from configs.settings import Settings
from deployments.api.settings import ApiSettings
from deployments.settings_page import page

ROOT = Path(__file__).parents[2]


def test_the_page_of_settings_is_of_this_code() -> None:
    assert (ROOT / "docs/settings.md").read_text() == page(), "run: make settings"


def test_the_page_of_settings_tells_of_each_one_what_it_means() -> None:
    rows = [line for line in page().splitlines() if line.startswith("| `")]
    assert len(rows) == len(all_names()) + len(Settings.model_fields) + len(
        ApiSettings.model_fields
    )
    assert [row for row in rows if row.endswith("|  |")] == []
    required = [row.split("`")[1] for row in rows if "**required**" in row]
    assert required == ["TYRE3D_API_INPUT_ROOTS", "TYRE3D_API_OUTPUT_ROOTS"]
