"""How sentences are put together."""

from __future__ import annotations


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
