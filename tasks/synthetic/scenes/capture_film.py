"""Rendering captures (:mod:`tasks.synthetic.scenes.captures`) into compressed films with truth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from tasks.geometry.similarity import Similarity
from tasks.imaging.images import write_image
from tasks.synthetic.scenes.captures import CAPTURES, Capture, Phone, Take, balanced, plan_take
from tasks.synthetic.scenes.encoding import VideoCodec, encode_video
from tasks.synthetic.scenes.film_set import FilmSet, LabelImage, Placed, SetView
from tasks.synthetic.scenes.labels import part_labels
from tasks.synthetic.scenes.layouts import Measures
from tasks.synthetic.scenes.lighting import Look
from tasks.synthetic.scenes.phone import Effects, metered, photographed, sample_effects
from tasks.synthetic.scenes.raycast import RenderableCaster, Wheel
from tasks.synthetic.scenes.render import projected_box
from tasks.synthetic.scenes.scene import Moment, camera_in_tyre_frame
from tasks.synthetic.scenes.truth import VideoTruth, parts_path, write_truth
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec

_OCCLUSION_RAYS = 24
_BRIGHTEST = 1.0
"""What a phone's exposure leaves of the brightest twentieth, linear: more would be white."""

_BITS_PER_PIXEL = 0.065
"""As a messenger compresses: 900 kbit/s for 1280x720 at 15 frames a second."""


@dataclass(frozen=True)
class Filmed:
    """One frame: image ``(H, W, 3)`` uint8 sRGB and its true labels ``(H, W)`` uint8."""

    image: NDArray[np.uint8]
    parts: LabelImage


def make_capture_video(
    seed: int,
    path: Path,
    capture: Capture,
    *,
    num_frames: int = 72,
    size: tuple[int, int] = (1280, 720),
    fps: float = 15.0,
    wheel: Wheel | None = None,
    phone: Phone | None = None,
    codec: VideoCodec = "h264",
    kbit_s: float | None = None,
) -> VideoTruth:
    """Render and write a capture, its truth beside it, and the labels of every frame.

    Args:
        seed: Seed of the tyre and of everything else.
        path: ``.mp4``, ``.mov`` or ``.mkv``.
        capture: What kind of capture.
        num_frames: Number of frames, at least 2.
        size: Width and height, even; portrait where it is higher than wide.
        fps: Frames per second.
        wheel: Object to film instead of the seed's tyre.
        phone: Who films; None to draw one.
        codec: Codec of the film.
        kbit_s: Its bit rate, kilobits per second; None for a messenger's.

    Returns:
        The truth that was written.
    """
    subject: Wheel = build_tyre(sample_spec(seed)) if wheel is None else wheel
    rng = np.random.default_rng([seed, 31, CAPTURES.index(capture)])
    other = build_tyre(sample_spec(seed + 1), detail=0.5)
    centre = Similarity(1.0, np.eye(3), np.zeros(3))
    take = plan_take(
        capture,
        rng,
        Measures.of(subject),
        size=size,
        num_frames=num_frames,
        phone=phone,
        others=(Placed(RenderableCaster(other, 8), centre),),
    )
    rate = kbit_s or _BITS_PER_PIXEL * size[0] * size[1] * fps / 1000
    frames = _kept(film_take(subject, take, rng, num_frames=num_frames), path)
    encode_video(path, frames, fps=fps, codec=codec, kbit_s=rate)
    times = [k / (num_frames - 1) for k in range(num_frames)]
    truth = VideoTruth(
        seed=seed,
        motion=take.motion,
        environment="workshop" if take.items else "studio",
        fps=fps,
        diameter=float(subject.diameter),
        width=float(subject.width),
        cameras=tuple(camera_in_tyre_frame(take.moment_at(time)) for time in times),
        lens=take.phone.lens,
        capture=capture,
    )
    write_truth(path, truth)
    return truth


def film_take(
    wheel: Wheel, take: Take, rng: np.random.Generator, *, num_frames: int
) -> Iterator[Filmed]:
    """The frames of a planned capture, one after the other."""
    target = RenderableCaster(wheel)
    labels = part_labels(wheel)
    first = take.moment_at(0.0).camera
    side = max(first.width, first.height)
    effects = replace(
        sample_effects(rng, side), motion_px=0.0, quality=None, vignette=float(rng.uniform(0, 0.3))
    )
    effects = replace(effects, blur_px=min(effects.blur_px, 0.9), noise=min(effects.noise, 4.0))
    blurred = rng.random(num_frames) < take.phone.blurred
    stage: FilmSet | None = None
    seen: SetView | None = None
    look: Look | None = None
    for index in range(num_frames):
        time = index / (num_frames - 1)
        moment = take.moment_at(time)
        items = (Placed(target, moment.pose, labels), *take.items)
        if stage is None or take.changes:
            stage = FilmSet(
                take.solids_at(time),
                items,
                take.look,
                sky=take.sky,
                ground=take.ground,
                occlusion_rays=_OCCLUSION_RAYS,
            )
        stage.move(items)
        seen = _seen(stage, moment, take, seen, target)
        if look is None:
            look = metered(seen.light, take.look, rng)
            bright = float(np.quantile(seen.light, 0.95))
            look = replace(look, exposure=min(look.exposure, _BRIGHTEST / max(bright, 1e-3)))
        now = balanced(look, take.gain_at(time))
        image = photographed(
            seen.light, now, _blurred(effects, take.phone, side, rng, blurred[index]), rng
        )
        yield Filmed(image, seen.parts)


def _seen(
    stage: FilmSet, moment: Moment, take: Take, before: SetView | None, target: RenderableCaster
) -> SetView:
    """The view at a moment; of a camera that stands still only what turns is rendered again."""
    still = take.moment_at(0.0).camera is take.moment_at(1.0).camera
    if before is None or not still:
        return stage.view(moment.camera, lens=take.phone.lens, shadow_rays=1)
    window = _window(moment, target)
    x0, y0, x1, y1 = window
    part = stage.view(moment.camera, lens=take.phone.lens, shadow_rays=1, window=window)
    light, parts = before.light.copy(), before.parts.copy()
    light[y0:y1, x0:x1], parts[y0:y1, x0:x1] = part.light, part.parts
    return replace(part, light=light, parts=parts)


def _window(moment: Moment, target: RenderableCaster) -> tuple[int, int, int, int]:
    """Pixels about the tyre that may change when it turns: plate, shadows and a lens included."""
    camera = moment.camera
    x0, y0, x1, y1 = projected_box(target, camera_in_tyre_frame(moment))
    margin = round(0.35 * max(x1 - x0, y1 - y0))
    return (
        max(x0 - margin, 0),
        max(y0 - margin, 0),
        min(x1 + margin, camera.width),
        min(y1 + margin, camera.height),
    )


def _blurred(
    effects: Effects, phone: Phone, side: int, rng: np.random.Generator, moves: bool
) -> Effects:
    """The effects on one frame: some are blurred by the hand's motion."""
    length = float(rng.uniform(*phone.blur_px)) * side / 1280
    angle = float(rng.uniform(0, np.pi))
    return replace(effects, motion_px=length if moves else 0.0, motion_rad=angle)


def _kept(frames: Iterator[Filmed], path: Path) -> Iterator[NDArray[np.uint8]]:
    """The images of frames, whose labels are written beside the film on the way."""
    parts_path(path, 0).parent.mkdir(parents=True, exist_ok=True)
    for index, frame in enumerate(frames):
        write_image(parts_path(path, index), frame.parts, [cv2.IMWRITE_PNG_COMPRESSION, 9])
        yield frame.image
