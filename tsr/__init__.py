"""TripoSR: one image of an object in, a field of density and colour out.

Conventions, stated once:

- Images are ``(H, W, 3)`` or ``(B, 3, H, W)``, RGB, float 0..1 (uint8 is divided by 255).
- World: right-handed, z up; the conditioning camera sits on +x and looks along -x, image right
  is +y. The field fills the cube of half side ``radius`` (0.87).
- A scene code is ``(3, C, S, S)``: plane 0 is sampled at (x, y), plane 1 at (x, z), plane 2 at
  (y, z); the first coordinate runs along the width axis; bilinear, zeros outside,
  ``align_corners=False``.
- Density is ``exp(raw + density_bias)``, the published bias being -1; it grows inwards, the
  surface is where it equals :data:`tsr.network.field.SURFACE_DENSITY`. Colour is ``sigmoid(raw)``.
- Grids are ``linspace(-radius, radius, R)`` per axis, both ends included, indexed "ij".

The network is that of TripoSR (arXiv 2403.02151), checkpoint-compatible with
``stabilityai/TripoSR``.

Where things are:

- :mod:`tsr.system`, the whole model; :mod:`tsr.utils`, images and meshes around it: the calls of
  the published implementation.
- :mod:`tsr.config`, :mod:`tsr.weights`, :mod:`tsr.state_dict`, :mod:`tsr.hub`: the checkpoint,
  found, read and checked.
- :mod:`tsr.network`: image encoder, triplane transformer, field and volume rendering.
- :mod:`tsr.surface`: the surface of a scene code, evaluated only near it.
- :mod:`tsr.precision`, :mod:`tsr.memory`: the number format, and running out of memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tsr.system import TSR

__all__ = ["TSR"]


def __getattr__(name: str) -> Any:
    """Load the network on first use, so that importing the package costs nothing."""
    if name == "TSR":
        from tsr.system import TSR

        return TSR
    raise AttributeError(f"module 'tsr' has no attribute {name!r}")
