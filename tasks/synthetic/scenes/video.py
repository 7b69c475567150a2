"""Videos of generated tyres with the truth about every camera.

``python -m tasks.synthetic.scenes.video --seed S --motion orbit --out X.mp4`` writes ``X.mp4`` and
``X.truth.json`` beside it; with ``--capture stand`` and the like a film as customers make them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from configs.presets import Motion
from tasks.synthetic.scenes.capture_film import make_capture_video
from tasks.synthetic.scenes.captures import CAPTURES
from tasks.synthetic.scenes.encoding import CODECS
from tasks.synthetic.scenes.environments import ENVIRONMENTS, build_environment
from tasks.synthetic.scenes.lighting import Look, sample_look, to_srgb
from tasks.synthetic.scenes.motion import MOTIONS, Shot, plan_shot
from tasks.synthetic.scenes.raycast import Float32Array, RenderableCaster, Wheel
from tasks.synthetic.scenes.scene import Moment, Scene, camera_in_tyre_frame
from tasks.synthetic.scenes.truth import VideoTruth, write_truth
from tasks.synthetic.tyres.imported_wheels import from_file
from tasks.synthetic.tyres.tyre import build_tyre, sample_spec

_CODECS = {".mp4": "mp4v", ".mov": "mp4v", ".avi": "MJPG", ".webm": "VP80", ".mkv": "VP80"}
_SAMPLES = 4
_METERED_GREY = 0.2
"""Linear light that a phone's exposure brings the image's geometric mean to."""


@dataclass(frozen=True)
class Phone:
    """What a phone adds to the light.

    Args:
        shutter: Share of a 72nd of the video during which it is open.
        noise: Standard deviation at middle grey, in levels of 255.
        vignette: Light lost in the corners, 0 to 1.
        drift: Exposure's relative change over the video.
    """

    shutter: float
    noise: float
    vignette: float
    drift: float


def make_orbit_video(
    seed: int,
    path: Path,
    *,
    num_frames: int = 72,
    size: tuple[int, int] = (640, 480),
    motion: Motion = "orbit",
    fps: float = 15.0,
    environment: str | None = None,
    wheel: Wheel | None = None,
    samples: int = _SAMPLES,
) -> VideoTruth:
    """Render and write a video and, beside it, ``<stem>.truth.json``.

    Args:
        seed: Seed of the tyre and of everything else.
        path: ``.mp4``, ``.mov``, ``.avi``, ``.webm`` or ``.mkv``.
        num_frames: Number of frames, at least 2.
        size: Width and height.
        motion: Motion of the camera or the tyre.
        fps: Frames per second.
        environment: One of :data:`tasks.synthetic.scenes.environments.ENVIRONMENTS`; None to
            draw one.
        wheel: Object to film instead of the seed's tyre.
        samples: Instants of a frame, over which the shutter is open; at least 2.

    Returns:
        The truth that was written.
    """
    subject: Wheel = build_tyre(sample_spec(seed)) if wheel is None else wheel
    rng = np.random.default_rng([seed, MOTIONS.index(motion)])
    shot = plan_shot(
        motion,
        rng,
        diameter=subject.diameter,
        width=subject.width,
        size=size,
        num_frames=num_frames,
    )
    environment = environment or str(rng.choice(ENVIRONMENTS, p=[0.3, 0.25, 0.2, 0.15, 0.1]))
    frames = film(subject, shot, environment, rng, num_frames=num_frames, samples=samples)
    write_video(path, frames, fps)
    truth = VideoTruth(
        seed=seed,
        motion=motion,
        environment=environment,
        fps=fps,
        diameter=float(subject.diameter),
        width=float(subject.width),
        cameras=tuple(
            camera_in_tyre_frame(shot.moment_at(k / (num_frames - 1))) for k in range(num_frames)
        ),
    )
    write_truth(path, truth)
    return truth


def film(
    wheel: Wheel,
    shot: Shot,
    environment: str,
    rng: np.random.Generator,
    *,
    num_frames: int,
    samples: int = _SAMPLES,
) -> Iterator[NDArray[np.uint8]]:
    """Frames ``(H, W, 3)`` uint8 sRGB of a planned video, one after the other."""
    look = sample_look(rng)
    background = build_environment(
        environment,
        look,
        seed=int(rng.integers(2**31)),
        clear_radius=shot.clear_radius,
        support=shot.support,
    )
    scene = Scene(RenderableCaster(wheel), background, floor_levels=shot.floor_levels)
    phone = Phone(
        shutter=float(rng.uniform(0.02, 0.15)),
        noise=float(rng.uniform(0.8, 3.5)),
        vignette=float(rng.uniform(0.0, 0.25)),
        drift=float(rng.uniform(-0.12, 0.12)),
    )
    look = replace(look, exposure=_metered(scene, shot.moment_at(0.0)) * rng.uniform(0.8, 1.25))
    step = phone.shutter / max(num_frames - 1, 71)  # fewer frames are no reason to blur more
    still = shot.moment_at(0.0).camera is shot.moment_at(1.0).camera and shot.support.radius == 0
    for index in range(num_frames):
        time = index / (num_frames - 1)
        offsets = (np.arange(samples) / (samples - 1) - 0.5) * step
        moments = [shot.moment_at(time + (0.0 if still else float(o))) for o in offsets]
        now = replace(look, exposure=look.exposure * (1 + phone.drift * (time - 0.5)))
        yield _developed(scene.light(moments), now, phone, rng)


def write_video(path: Path, frames: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write RGB frames of one size to a video; its suffix chooses the codec.

    Raises:
        ValueError: If the suffix is not one of those known, or there are no frames.
        OSError: If the codec cannot be had or the file cannot be written.
    """
    codec = _CODECS.get(path.suffix.lower())
    if codec is None:
        raise ValueError(f"{path.name}: no codec for this suffix; use one of {sorted(_CODECS)}")
    writer: cv2.VideoWriter | None = None
    try:
        for frame in frames:
            if writer is None:
                size = (frame.shape[1], frame.shape[0])
                writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*codec), fps, size)
                if not writer.isOpened():
                    raise OSError(f"{path}: cannot write {codec} video of {size[0]}x{size[1]}")
            writer.write(cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
    finally:
        if writer is not None:
            writer.release()
    if writer is None:
        raise ValueError(f"{path.name}: there are no frames to write")


def _metered(scene: Scene, moment: Moment) -> float:
    """The exposure that an automatic camera would choose, from a small image."""
    camera = moment.camera
    small = camera.resized(96, max(round(camera.height * (96 / camera.width)), 1))
    light = scene.light([replace(moment, camera=small)])
    return float(_METERED_GREY / np.exp(np.log(light.mean(axis=2) + 1e-3).mean()))


def _developed(
    light: Float32Array, look: Look, phone: Phone, rng: np.random.Generator
) -> NDArray[np.uint8]:
    """The frame that a phone makes of linear light ``(H, W, 3)``: dark corners, tone, noise."""
    height, width = light.shape[:2]
    y, x = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    falloff = (1 - phone.vignette * ((x * x + y * y) / 2) ** 1.5).astype(np.float32)
    image = to_srgb(light * falloff[..., None], look).astype(np.float32)
    common = rng.standard_normal((height, width, 1), dtype=np.float32)
    single = rng.standard_normal((height, width, 3), dtype=np.float32)
    strength = phone.noise * (1.3 - 0.6 * image / 255)
    image += strength * (0.8 * common + 0.5 * single)
    return np.asarray(np.clip(np.rint(image), 0, 255), dtype=np.uint8)


def main() -> None:
    """Write the video of a seed: a plain one of a motion, or one as customers make them."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--motion", choices=MOTIONS, default="orbit")
    parser.add_argument("--capture", choices=CAPTURES, help="instead of a plain motion")
    parser.add_argument("--wheel", type=Path, help="a GLB to film instead of the seed's tyre")
    parser.add_argument("--environment", "--place", choices=ENVIRONMENTS, help="of a plain motion")
    parser.add_argument("--codec", choices=CODECS, default="h264", help="of a capture")
    parser.add_argument("--kbit-s", type=float, help="bit rate of a capture; unset: a messenger's")
    parser.add_argument("--frames", type=int, default=72)
    parser.add_argument("--fps", type=float, default=15.0)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 480), metavar=("W", "H"))
    parser.add_argument("--out", type=Path, required=True)
    a = parser.parse_args()
    wheel = from_file(a.wheel) if a.wheel else None
    common = {"num_frames": a.frames, "size": tuple(a.size), "fps": a.fps, "wheel": wheel}
    if a.capture:
        make_capture_video(a.seed, a.out, a.capture, codec=a.codec, kbit_s=a.kbit_s, **common)
    else:
        make_orbit_video(a.seed, a.out, motion=a.motion, environment=a.environment, **common)


if __name__ == "__main__":
    main()
