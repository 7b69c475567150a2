"""How sentences are put together."""

from __future__ import annotations

from datetime import UTC, datetime


def counted(number: int, one: str, many: str = "") -> str:
    """A number with what it counts: ``1 frame``, ``3 frames``.

    Args:
        number: How many there are.
        one: What follows the number if there is one.
        many: What follows all other numbers; by default ``one`` with an s.
    """
    return f"{number} {one if number == 1 else many or f'{one}s'}"


def signed(value: float) -> str:
    """A change with its sign and two digits after the point; what rounds to nothing has no sign.

    Args:
        value: The change.
    """
    text = f"{value:+z.2f}"
    return text if float(text) else text[1:]


def bearing(angle_deg: float, *, ends: bool = False) -> str:
    """A direction in whole degrees from 0° to 359°; what rounds to a whole turn is 0°.

    Args:
        angle_deg: The angle, by whole turns off or not.
        ends: Whether an arc ends there: a whole turn is 360° then.
    """
    whole = round(angle_deg) % 360
    return f"{360 if ends and not whole else whole}°"


def percent(share: float) -> str:
    """A share in whole per cent: ``95 %``, on one line.

    Args:
        share: 0 to 1.
    """
    return f"{100 * share:.0f}\N{NO-BREAK SPACE}%"


def in_seconds(seconds: float | None) -> str:
    """A time with two digits after the point, a dash where it is not known.

    Args:
        seconds: The time; None: not known.
    """
    return "\N{EN DASH}" if seconds is None else f"{seconds:.2f}"


def moment(iso: str) -> str:
    """A time as people write it: ``2026-11-30 21:19 UTC``; what is none stays as it is.

    Args:
        iso: As machines write it, with its zone.
    """
    try:
        at = datetime.fromisoformat(iso).astimezone(UTC)
    except ValueError:
        return iso
    return f"{at:%Y-%m-%d %H:%M} UTC"
