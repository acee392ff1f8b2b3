"""The dense reward of peg insertion: distances to the inserted pose, and named terms of them with weights.

Letters: N = worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmrl.arrays import BoolArray, FloatArray
from mmrl_envs.task.weights import RewardWeights
from mmrl_envs.tasks.peg import pegs

_ENGAGED_DEPTH = 0.002
"""Depth of the tip in metres from which the peg is in the mouth of its hole."""
KEYPOINT_RADIUS = 0.02
"""Distance in metres of the four keypoints from the peg's axis; makes a radian of yaw error worth 2 cm."""
_SHARE = 0.1
"""Of the weighted terms that a control step is rewarded with."""


@dataclass(frozen=True)
class DenseReward(RewardWeights):
    """Weights of the terms; the reward of a control step is a tenth of their weighted sum."""

    near: float = 1.0
    """Closeness in the plane to the inserted pose, at a coarse and a fine scale: 0 to 1."""
    low: float = 2.0
    """Closeness in height to the floor of the hole, likewise. Less than twice `near`, and policies settle where they
    hover above the hole, safe from what landing beside it costs."""
    engaged: float = 1.0
    """1 with the tip 2 mm deep."""
    inserted: float = 2.0
    """Depth of the tip as a share of that of the hole, at most 1."""
    success: float = 2.0
    """1 while the task is fulfilled."""

    def __call__(self, insertion: Insertion) -> tuple[FloatArray, dict[str, FloatArray]]:
        """The reward (N,), and what each term adds to it, name -> (N,)."""
        weighted = {name: vars(self)[name] * term(insertion) for name, term in TERMS.items()}
        return _SHARE * sum(weighted.values()), {name: _SHARE * value for name, value in weighted.items()}


@dataclass(frozen=True)
class Insertion:
    """How far insertions are; distances are from the inserted pose."""

    aside: FloatArray
    """Distance in the plane in metres, (N,)."""
    height: FloatArray
    """Distance in height in metres, (N,)."""
    depth: FloatArray
    """Depth of the tip in the hole in metres, (N,)."""
    success: BoolArray
    """Whether the task is fulfilled, (N,)."""


def keypoint_distances(offset: FloatArray, turn: FloatArray, over_hole: BoolArray) -> tuple[FloatArray, FloatArray]:
    """How far four points on the peg's rim are from their inserted places, metres.

    Args:
        offset: from the middle of the hole, in its face, to the tip, (N, 3) metres.
        turn: of the peg against the hole, (N,) radians.
        over_hole: whether the tip is above or in the hole, (N,).

    Returns:
        Mean distance in the plane, (N,), and height above the floor of the hole, (N,). Apart, because above the
        hole a millimetre aside changes the distance in space by next to nothing. Beside the hole the height is
        never less than that of the face: else a peg that slips off the block would seem half inserted.
    """
    # A point turned by t moves along the chord 2 r sin(t / 2), at right angles to the mid-angle
    angle = turn[:, None] / 2 + np.pi / 2 * (np.arange(4) + 1)
    chord = 2 * KEYPOINT_RADIUS * np.sin(turn / 2)[:, None]
    x, y = offset[:, :1] + chord * np.cos(angle), offset[:, 1:2] + chord * np.sin(angle)
    aside: FloatArray = np.sqrt(x**2 + y**2).mean(axis=1)
    above = np.where(over_hole, offset[:, 2], np.maximum(offset[:, 2], 0.0))
    return aside, np.abs(above + pegs.HOLE_DEPTH)


def near(insertion: Insertion) -> FloatArray:
    """Closeness in the plane at a coarse and a fine scale, 0 to 1, (N,)."""
    return closeness(insertion.aside, 30.0) + closeness(insertion.aside, 200.0)


def low(insertion: Insertion) -> FloatArray:
    """Closeness in height at a coarse and a fine scale, 0 to 1, (N,)."""
    return closeness(insertion.height, 20.0) + closeness(insertion.height, 80.0)


def engaged(insertion: Insertion) -> FloatArray:
    """1 with the tip 2 mm deep, else 0, (N,)."""
    return (insertion.depth > _ENGAGED_DEPTH).astype(np.float64)


def inserted(insertion: Insertion) -> FloatArray:
    """Depth of the tip as a share of that of the hole, at most 1, (N,)."""
    share: FloatArray = np.minimum(insertion.depth / pegs.HOLE_DEPTH, 1.0)
    return share


def success(insertion: Insertion) -> FloatArray:
    """1 while the task is fulfilled, else 0, (N,)."""
    return insertion.success.astype(np.float64)


TERMS: Mapping[str, Callable[[Insertion], FloatArray]] = MappingProxyType(
    {term.__name__: term for term in (near, low, engaged, inserted, success)}
)
"""The terms by name, in the order in which they are summed."""


def closeness(distance: FloatArray, sharpness: float) -> FloatArray:
    """The squashing kernel 1 / (exp(a d) + exp(-a d)) of keypoint rewards, 0.5 at d = 0.

    The logistic kernel 1 / (exp(a d) + b + exp(-a d)) of Hwangbo et al., "Learning agile and dynamic motor skills for
    legged robots" (Science Robotics, 2019) with b = 0; at several scales at once, for insertion, as in Noseworthy et
    al., "FORGE: Force-Guided Exploration for Robust Contact-Rich Manipulation under Uncertainty" (2024), appendix B.

    Args:
        distance: d in metres.
        sharpness: a in 1/m.
    """
    # The argument is bounded because cosh overflows long after the kernel has vanished.
    kernel: FloatArray = 0.5 / np.cosh(np.minimum(sharpness * distance, 50.0))
    return kernel
