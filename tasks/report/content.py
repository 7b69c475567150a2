"""What a report shows beside the metadata: frames as images, cameras, coverage."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from configs.stages import ReportConfig
from tasks.atlas.flattened import FlatPart
from tasks.atlas.record import Provenance
from tasks.core.phrasing import percent
from tasks.geometry.camera import Camera
from tasks.geometry.similarity import Similarity
from tasks.imaging.images import Image, encode_image, read_image, read_mask
from tasks.imaging.masks import foreground
from tasks.imaging.resizing import bounded
from tasks.matting.quality import Masks
from tasks.mesh.palette import PALETTE
from tasks.poses.record import PoseEstimate
from tasks.selection.choose import Selection, Verdict
from tasks.verdict.coverage import goes_clockwise, way_of
from tasks.video.frames import Frames, evenly

_OUTLINE = (106, 200, 40)  # BGR: stands out from rubber, asphalt and skin alike
_GUESSED = tuple(reversed(bytes.fromhex(PALETTE["inferred"][1:])))  # BGR
_HATCH_PX = 12
_THUMBNAIL_PX = 112
_FAR = 0.22
"""Depth of a camera's pyramid in the view, of the tyre's radius."""


@dataclass(frozen=True)
class Shown:
    """One candidate frame as the report tells of it.

    Args:
        index: Index of the candidate.
        kind: ``chosen``, ``held-out`` or ``other``.
        reason: Why it was taken, or why not.
        time_s: Its time in the film, seconds.
        source: Number of the frame in the film, or the name of the image.
        sharpness: As the selection measured it; None where no mask was usable.
        angle_deg: Round the tyre from the first frame; None where its pose is unknown.
        picture: A ``data:`` address; empty where there are too many frames to show all.
    """

    index: int
    kind: str
    reason: str
    time_s: float
    source: str
    sharpness: float | None
    angle_deg: float | None
    picture: str = ""


def gather_content(
    frames: Frames,
    masks: Masks,
    poses: PoseEstimate,
    selection: Selection,
    from_world: Similarity,
    config: ReportConfig,
    gap_deg: float,
) -> dict[str, Any]:
    """What the report shows, in plain JSON types.

    Args:
        frames: The candidate frames, rectified.
        masks: Their masks, likewise.
        poses: The cameras.
        selection: What became of every candidate.
        from_world: World of the cameras to the frame of the mesh.
        config: Sizes of images.
        gap_deg: Arcs without a frame that are wider are shown as gaps.

    Returns:
        ``frames`` (:class:`Shown` each), ``cameras``, ``coverage``, ``is_film``.
    """
    way = way_of(poses)
    alphas = masks.paths()
    shown, others = [], [v.index for v in selection.verdicts if not v.taken]
    thumbnailed = {others[k] for k in evenly(len(others), config.max_thumbnails)}
    for verdict, candidate in zip(selection.verdicts, frames.candidates, strict=True):
        address = ""
        if verdict.taken or verdict.index in thumbnailed:
            longest = config.chosen_px if verdict.taken else config.thumbnail_px
            image = bounded(read_image(frames.path(verdict.index)), longest)
            if verdict.index in alphas:
                image = _outlined(image, bounded(read_mask(alphas[verdict.index]), longest))
            address = data_uri(image, config.jpeg_quality)
        shown.append(
            Shown(
                verdict.index,
                _kind(verdict),
                verdict.reason,
                candidate.time_s,
                candidate.source,
                verdict.scores.sharpness if verdict.scores else None,
                way.angles_deg.get(verdict.index),
                address,
            )
        )
    kinds = {frame.index: frame.kind for frame in shown}
    return {
        "frames": [asdict(frame) for frame in shown],
        "cameras": [
            {"index": index, "kind": kinds[index], **_pyramid(camera, from_world, poses)}
            for index, camera in sorted(poses.cameras.items())
        ],
        "coverage": {
            "gaps_deg": way.gaps(gap_deg),
            "seen_deg": way.seen_deg,
            "parts": [way.faces_at(angle) for angle in range(0, 360, 5)],
            "clockwise": goes_clockwise(poses, way),
            "spins": poses.motion == "spin",
        },
        "is_film": all(candidate.source.isdecimal() for candidate in frames.candidates),
    }


def images_of(views: Image, config: ReportConfig) -> dict[str, str]:
    """The mesh as an image and as a thumbnail.

    Args:
        views: The mesh from three sides, side by side (:func:`tasks.mesh.preview.preview`).
        config: Quality of the JPEGs.

    Returns:
        ``picture`` and ``thumbnail``, ``data:`` addresses.
    """
    side = views.shape[0]
    slanted = views[:, side : 2 * side]
    return {
        "picture": data_uri(views, config.jpeg_quality),
        "thumbnail": data_uri(bounded(slanted, _THUMBNAIL_PX), config.jpeg_quality),
    }


def flattened_of(parts: Sequence[FlatPart], config: ReportConfig) -> list[dict[str, str]]:
    """Sidewalls and tread laid flat, as the page shows them.

    Args:
        parts: The parts; none where the outer surface has no profile.
        config: Size and quality of the JPEGs.

    Returns:
        ``title``, ``caption`` and ``picture``, a ``data:`` address, of each.
    """
    return [
        {
            "title": part.name.replace("-", " ").capitalize(),
            "caption": _caption(part),
            "picture": data_uri(_hatched(part, config.flattened_px), config.jpeg_quality),
        }
        for part in parts
    ]


def _caption(part: FlatPart) -> str:
    """Which way a flattened part runs, and how much of it was seen."""
    way = "clockwise" if part.clockwise else "anticlockwise"
    seen = float(np.mean(part.provenance == Provenance.MEASURED))
    hatched = ", hatched: by none" if seen < 1.0 else ""
    return (
        f"360° from left to right, {way} as the outer face is seen; "
        f"{percent(seen)} seen by frames{hatched}"
    )


def _hatched(part: FlatPart, longest_px: int) -> Image:
    """A flattened part, BGR, with lines over what no frame saw, whose colour is a guess."""
    image = bounded(np.ascontiguousarray(part.colours[..., ::-1]), longest_px)
    height, width = image.shape[:2]
    seen = (part.provenance == Provenance.MEASURED).astype(np.float32)
    guessed = cv2.resize(seen, (width, height), interpolation=cv2.INTER_AREA) < 0.5
    rows, columns = np.indices((height, width))
    line = guessed & ((rows + columns) % _HATCH_PX < _HATCH_PX // 6)
    hatched = image.copy()
    hatched[line] = _GUESSED
    return hatched


def data_uri(image: Image, quality: int) -> str:
    """The image as a ``data:`` address, which a browser shows without asking anyone.

    Args:
        image: ``(H, W, 3)`` BGR.
        quality: The JPEG's quality, 1 to 100.
    """
    content = encode_image(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return "data:image/jpeg;base64," + base64.b64encode(content).decode()


def _kind(verdict: Verdict) -> str:
    return "chosen" if verdict.taken else "held-out" if verdict.held_out else "other"


def _outlined(image: Image, alpha: Image) -> Image:
    """The image with its mask's outline, so that a person sees what was taken for the tyre."""
    drawn = image.copy()
    mask = foreground(alpha).astype(np.uint8)
    contours, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    width = max(1, round(max(image.shape[:2]) / 200))
    cv2.drawContours(drawn, contours, -1, _OUTLINE, width, cv2.LINE_AA)
    return drawn


def _pyramid(camera: Camera, from_world: Similarity, poses: PoseEstimate) -> Mapping[str, Any]:
    """Eye and image corners of a camera in the frame of the mesh, metres."""
    far = _FAR * from_world.scale * poses.tyre.radius
    corners = np.array(
        [[0, 0], [camera.width, 0], [camera.width, camera.height], [0, camera.height]], float
    )
    rays = camera.rays(corners)
    rays = far * rays / (rays @ camera.rotation[2])[:, None]  # all to the same depth
    eye = from_world.apply(camera.centre[None])[0]
    tips = eye + rays @ from_world.rotation.T
    return {"eye": _rounded(eye), "corners": [_rounded(tip) for tip in tips]}


def _rounded(values: Any) -> list[float]:
    return [round(float(v), 4) for v in values]
