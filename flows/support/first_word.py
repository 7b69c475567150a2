"""The first word on a film: where it is seen while the rest runs, and what it adds to an error."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from prefect.artifacts import create_table_artifact

from flows.support.events import emit_first_word, slug
from tasks.core.errors import InputError, ReconstructionError
from tasks.verdict.record import FIRST_WORD, Judgement

_log = logging.getLogger("tyre3d")
_MAY_BE_ALL_DEG = 190.0
"""From here on an arc may be a whole turn, which the outlines take for 190 to 260."""


def lines_of(word: Judgement) -> list[str]:
    """The first word for a terminal: one line, or one for each reason."""
    arc = word.evidence.get("about_arc_deg")
    seen = ""
    if arc is not None:
        more = " or more" if arc >= _MAY_BE_ALL_DEG else ""
        seen = f", seen from about {10 * round(arc / 10)}°{more} round it"
    if not word.reasons:
        return [f"first word: light, sharpness and picture are good{seen}"]
    return [f"first word: [{r.code}] {r.message}. {r.advice}" for r in word.reasons]


def show_first_word(tyre: str, word: Judgement) -> None:
    """Show the first word in the log, in Prefect's UI and to the API; never fails a run.

    Args:
        tyre: Name of the tyre.
        word: The judgement on the film.
    """
    for line in lines_of(word):
        _log.info("%s", line)
    try:
        rows = [asdict(reason) for reason in word.reasons]  # the service reads them as reasons
        create_table_artifact(key=f"first-word-{slug(tyre)}", table=rows, description=FIRST_WORD)
        emit_first_word(tyre, word.verdict, [reason.code for reason in word.reasons])
    except Exception as exc:  # noqa: BLE001  whatever the server says, the run goes on
        _log.debug("the first word could not be published: %s", exc)


@contextlib.contextmanager
def advised_by(word: Judgement, warnings: Sequence[str] = ()) -> Iterator[None]:
    """Within this block errors say what was known of the film before, and advise what helps that.

    What the film lacks is the likelier cause than what the error's own advice is about, and is said
    first.

    Args:
        word: The first word on the film.
        warnings: What earlier stages warned of, which no result will tell.

    Raises:
        InputError: As raised within, with that advice.
        ReconstructionError: Likewise.
    """
    try:
        yield
    except (InputError, ReconstructionError) as exc:
        if not word.reasons and not warnings:
            raise
        found = "; ".join([reason.message for reason in word.reasons] + list(warnings))
        advice = ". ".join(word.retake) or exc.advice
        kind = type(exc)
        raise kind(exc.code, stage=exc.stage, what=f"{found}: {exc.what}", advice=advice) from exc
