"""The dense reward of peg insertion: terms with weights.

Letters: N = worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mmrl.documents import build, fit
from mmrl_envs.task import BoolArray, FloatArray
from mmrl_envs.tasks import pegs

_ENGAGED_DEPTH = 0.002
"""Depth of the tip in metres from which the peg is in the mouth of its hole."""


@dataclass(frozen=True)
class DenseReward:
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

    def __post_init__(self) -> None:
        """Raises ValueError for a weight that is no finite number."""
        fit(self, "reward_weights.")
        for name, weight in vars(self).items():
            if not np.isfinite(weight):
                raise ValueError(f"reward_weights.{name} must be finite, got {weight}")

    def __call__(self, aside: FloatArray, height: FloatArray, depth: FloatArray, success: BoolArray) -> FloatArray:
        """The reward (N,) at distances from the inserted pose in the plane and in height, and depths, (N,) metres."""
        near = closeness(aside, 30.0) + closeness(aside, 200.0)
        low = closeness(height, 20.0) + closeness(height, 80.0)
        inserted = np.minimum(depth / pegs.HOLE_DEPTH, 1.0)
        placed = self.near * near + self.low * low + self.engaged * (depth > _ENGAGED_DEPTH)
        return 0.1 * (placed + self.inserted * inserted + self.success * success)


def dense_reward(weights: Mapping[str, float] | None) -> DenseReward:
    """The dense reward, some weights changed. Raises ValueError for an unknown name, and lists those there are."""
    if not isinstance(weights or {}, Mapping):
        raise ValueError(f"reward_weights are a mapping from names to weights, got {weights!r}")
    return build(DenseReward, weights or {}, "reward_weights.")


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
