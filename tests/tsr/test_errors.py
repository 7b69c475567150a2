"""The tree of errors is the one that is drawn."""

from __future__ import annotations

import re

from tsr import errors
from tsr.errors import TSRError


def test_the_drawn_tree_is_the_tree_of_classes() -> None:
    drawn = re.findall(r"(?m)^([│ ]*)[├└]── (\w+)", errors.__doc__ or "")
    assert drawn
    parents = [TSRError]
    for indent, name in drawn:
        kind = getattr(errors, name)
        depth = len(indent) // 4
        assert kind.__bases__ == (parents[depth],)
        parents[depth + 1 :] = [kind]
    kinds = {name for name, kind in vars(errors).items() if isinstance(kind, type)}
    assert kinds == {"TSRError", *(name for _, name in drawn)}
    assert TSRError.__bases__ == (ValueError,)
