"""Which frames of a recording are looked at: any, or such as differ.

Two frames of one grasp say much the same. Sundaram et al. (2019) therefore group the frames of a recording by
likeness and take one of each group.

Letters: R = recordings, F = frames of a recording, n = frames that are looked at, k = taxels to a side.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage

from mmrl.arrays import FloatArray, IntArray


class FrameChoice(ABC):
    """A way to choose frames of recordings."""

    @abstractmethod
    def choose(self, number: int, rng: np.random.Generator) -> IntArray:
        """Numbers of n different frames of each recording, in any order, (R, n)."""


class AnyFrames(FrameChoice):
    """Frames at random, each as likely.

    Args:
        frames: of recordings, (R, F, k, k).
    """

    def __init__(self, frames: FloatArray) -> None:
        self._shape = frames.shape[:2]

    def choose(self, number: int, rng: np.random.Generator) -> IntArray:
        chosen: IntArray = rng.random(self._shape).argsort(axis=1)[:, :number]
        return chosen


class FramesOfClusters(FrameChoice):
    """A frame at random of each of n clusters of the frames of a recording.

    Clusters are those of Ward (1963) over the frames as vectors of length 1: the pattern counts, not the force.

    Args:
        frames: of recordings, (R, F, k, k), newtons.
    """

    def __init__(self, frames: FloatArray) -> None:
        flat = frames.reshape(*frames.shape[:2], -1).astype(np.float64)
        unit = flat / np.maximum(np.linalg.norm(flat, axis=2, keepdims=True), 1e-9)
        self._trees = [linkage(each, "ward") for each in unit]

    def choose(self, number: int, rng: np.random.Generator) -> IntArray:
        return np.stack([self._one_of_each(tree, number, rng) for tree in self._trees])

    def _one_of_each(self, tree: FloatArray, number: int, rng: np.random.Generator) -> IntArray:
        cluster = fcluster(tree, number, "maxclust")
        order = rng.permutation(len(cluster))
        _, first = np.unique(cluster[order], return_index=True)
        chosen: IntArray = rng.permutation(order[first])
        return chosen
