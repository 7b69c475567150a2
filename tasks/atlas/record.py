"""The atlas in its artifact: images, layout and figures."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.atlas.layout import Layout
from tasks.imaging.images import Image, read_grey, read_image, write_image
from tasks.storage.artifacts import Artifact

_COLOURS, _VIEWS, _PROVENANCE, _LAYOUT = "colours.png", "views.png", "provenance.png", "layout.npz"


class Provenance(IntEnum):
    """Where the colour of a texel comes from."""

    UNSEEN = 0
    """No face lies there; it has the colour of what is beside it."""
    MEASURED = 1
    """Frames saw it."""
    SYMMETRY = 2
    """Frames saw others at the same point of the profile."""
    NETWORK = 3
    """The merge's colours, which for what no frame saw are the network's."""


@dataclass(frozen=True)
class TyreAtlas:
    """A texture and its layout.

    Args:
        colours: ``(H, W, 3)`` uint8 RGB, sRGB.
        views: ``(H, W)`` uint8, frames that saw the texel.
        provenance: ``(H, W)`` uint8, values of `Provenance`.
        layout: How the mesh lies in it.
        section: ``(P, 2)`` the profile that the atlas unrolls, radius and height, metres, from the
            inner face's bead to the outer face's; empty where nothing turns with the axle.
        figures: For the record.
    """

    colours: Image
    views: NDArray[np.uint8]
    provenance: NDArray[np.uint8]
    layout: Layout
    section: NDArray[np.float64]
    figures: dict[str, float]


def save_atlas(folder: Path, atlas: TyreAtlas) -> None:
    """Write all but what :func:`atlas_record` says."""
    fast = [cv2.IMWRITE_PNG_COMPRESSION, 3]
    write_image(folder / _COLOURS, np.ascontiguousarray(atlas.colours[..., ::-1]), fast)
    write_image(folder / _VIEWS, atlas.views, fast)
    write_image(folder / _PROVENANCE, atlas.provenance, fast)
    layout = atlas.layout
    np.savez(
        folder / _LAYOUT,
        uv=layout.uv,
        source=layout.source,
        faces=layout.faces,
        on_atlas=layout.on_atlas,
        section=atlas.section,
    )


def atlas_record(atlas: TyreAtlas) -> dict[str, Any]:
    """What the artifact's record says, as plain JSON types."""
    layout = atlas.layout
    return {
        "width": layout.width,
        "height": layout.height,
        "rows": list(layout.rows),
        "texel_m": layout.texel_m,
        "figures": atlas.figures,
    }


def texture_record(atlas: TyreAtlas) -> dict[str, Any]:
    """What a GLB and its metadata say of the texture, as plain JSON types."""
    layout = atlas.layout
    return {
        "width_px": layout.width,
        "height_px": layout.height,
        "atlas_rows": list(layout.rows),
        "texel_mm": round(1000.0 * layout.texel_m, 4),
        "degrees_per_px": round(360.0 / layout.width, 6),
        "shares": {k: round(v, 4) for k, v in atlas.figures.items()},
    }


def load_atlas(artifact: Artifact) -> TyreAtlas:
    """The atlas that an artifact holds."""
    record, folder = artifact.record, artifact.folder
    with np.load(folder / _LAYOUT) as arrays:
        layout = Layout(
            **{name: arrays[name] for name in ("uv", "source", "faces", "on_atlas")},
            width=int(record["width"]),
            height=int(record["height"]),
            rows=(int(record["rows"][0]), int(record["rows"][1])),
            texel_m=float(record["texel_m"]),
        )
        section = arrays["section"]
    return TyreAtlas(
        np.ascontiguousarray(read_image(folder / _COLOURS)[..., ::-1]),
        read_grey(folder / _VIEWS),
        read_grey(folder / _PROVENANCE),
        layout,
        section,
        dict(record["figures"]),
    )
