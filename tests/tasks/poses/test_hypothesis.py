"""When no further way to the poses is tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from configs.stages import PoseConfig
from tasks.geometry.camera import Camera
from tasks.poses.hypothesis import Hypothesis, refusal

FIGURES = {"registered_share": 1.0, "outline_agreement": 0.88, "outline_residual_percent": 0.3}


def hypothesis(**figures: float) -> Hypothesis:
    """One that is not refused."""
    return replace(refusal(""), figures={**FIGURES, **figures}, agreements={0: 0.9})


def doubtful(angles_deg: Sequence[float], *, turned: Rotation | None = None) -> Hypothesis:
    """One whose cameras look from these angles about the axle, half of whose masks are doubted.

    Args:
        angles_deg: One of each camera.
        turned: Rotation of its whole world.
    """
    turned = turned or Rotation.identity()
    plain = hypothesis(outline_residual_percent=0.36)
    turns = Rotation.from_rotvec(np.outer(np.radians(angles_deg), [0.0, 1.0, 0.0])) * turned.inv()
    cameras = {
        i: Camera(500.0, 500.0, 320.0, 240.0, 640, 480, turn.as_matrix(), np.array([0, 0, 2.0]))
        for i, turn in enumerate(turns)
    }
    solid = replace(plain.solid, axle=turned.apply(plain.solid.axle))
    agreements = {i: 0.5 + 0.4 * (i % 2) for i in cameras}
    return replace(plain, cameras=cameras, solid=solid, agreements=agreements)


@pytest.mark.parametrize(
    ("figures", "convincing"),
    [
        ({}, True),
        ({"registered_share": 0.8}, False),
        ({"path_jump_deg": 90.0}, False),
        ({"turn_jump_deg": 36.0}, False),
        # cameras that hardly moved about a tyre on a bare floor, which they were walked round
        ({"outline_residual_percent": 0.467}, False),
    ],
)
def test_what_convinces(figures: dict[str, float], convincing: bool) -> None:
    assert hypothesis(**figures).is_convincing(PoseConfig()) is convincing


@pytest.mark.parametrize(
    ("closer", "counts"),
    [
        (hypothesis(outline_residual_percent=0.28), True),
        (hypothesis(outline_residual_percent=0.32), True),
        (hypothesis(outline_residual_percent=0.35), False),
        (refusal("the masks agree with only 8 of 48 cameras"), False),
    ],
)
def test_refined_cameras_count_unless_the_masks_doubt_them(
    closer: Hypothesis, counts: bool
) -> None:
    first = replace(hypothesis(), refine=lambda: closer)
    assert first.refined() is (closer if counts else first)
    assert closer.refined() is closer  # which nothing refines further


def test_masks_that_are_doubted_ask_for_a_second_way_unless_the_solid_explains_the_others() -> None:
    angles = np.linspace(0.0, 160.0, 20)
    first = doubtful(angles)
    assert not first.is_convincing(PoseConfig())
    sure = replace(first, figures={**first.figures, "outline_residual_percent": 0.2})
    assert sure.is_convincing(PoseConfig())


@pytest.mark.parametrize(
    "turn",
    [
        Rotation.identity(),
        Rotation.from_euler("z", 40.0, degrees=True),
        Rotation.from_euler("x", 180.0, degrees=True),
        Rotation.from_euler("zx", [40.0, 120.0], degrees=True),
    ],
)
def test_a_second_way_to_the_same_cameras_confirms_the_first_in_whatever_world(
    turn: Rotation,
) -> None:
    angles = np.linspace(0.0, 160.0, 20)
    noise = np.random.default_rng(0).normal(0.0, 0.3, 20)
    second = doubtful(angles + noise, turned=turn)
    assert second.is_convincing(PoseConfig(), [doubtful(angles)])


def test_another_path_another_axle_or_a_part_of_the_cameras_confirm_nothing() -> None:
    angles = np.linspace(0.0, 160.0, 20)
    first = doubtful(angles)
    bent = doubtful(0.9 * angles)
    tilted = replace(
        first, solid=replace(first.solid, axle=np.array([0.0, np.sin(0.05), np.cos(0.05)]))
    )
    part = replace(first, cameras={i: first.cameras[i] for i in range(10)})
    refused = replace(first, refused="some reason")
    assert not first.is_convincing(PoseConfig(), [bent, tilted, part, refused])
