"""Nearest neighbours: the mean or the vote of the rows whose features are nearest.

K neighbours.
"""

from __future__ import annotations

from itertools import product

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes.base import Prepared, Probe, ReadOff, folds, learning_library, loss, side_by_side
from mmrl.evaluation.probes.rows import FeatureSource

METRICS = ("manhattan", "euclidean")
COUNTS = (1, 3, 10, 30)


class NearestNeighbours(Probe):
    """K nearest neighbours; cross-validation chooses K and the metric, L1 or L2."""

    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        return _Neighbours(*side_by_side(train, test), episodes)


class _Neighbours(Prepared):
    """Finds all neighbours once: they are those of every target."""

    def __init__(self, train: FloatArray, test: FloatArray, episodes: IntArray) -> None:
        self._folds = folds(episodes)
        self._within = {
            metric: [kept[_nearest(train[kept], train[tried], metric)] for kept, tried in self._folds]
            for metric in METRICS
        }
        self._of_test = {metric: _nearest(train, test, metric) for metric in METRICS}

    def read(self, targets: FloatArray, is_class: bool) -> ReadOff:
        def tried(metric: str, count: int) -> float:
            return sum(
                loss(targets[rows], _answer(targets[near], count, is_class), is_class)
                for (_, rows), near in zip(self._folds, self._within[metric], strict=True)
            )

        metric, count = min(product(METRICS, COUNTS), key=lambda setting: tried(*setting))
        answer = _answer(targets[self._of_test[metric]], count, is_class)
        return ReadOff(answer, {"metric": metric, "K": count})


def _nearest(among: FloatArray, rows: FloatArray, metric: str) -> IntArray:
    """For each row its neighbours, nearest first, (n, K at most)."""
    search = learning_library("neighbors").NearestNeighbors(metric=metric, algorithm="brute")
    found: IntArray = search.fit(among).kneighbors(rows, min(max(COUNTS), len(among)), return_distance=False)
    return found


def _answer(near: FloatArray, count: int, is_class: bool) -> FloatArray:
    """The mean of the first values of each row (n, K), or the one that most of them have."""
    near = near[:, :count]
    if not is_class:
        mean: FloatArray = near.mean(axis=1)
        return mean
    values = np.unique(near)
    votes = (near[:, :, None] == values).sum(axis=1)
    most: FloatArray = values[votes.argmax(axis=1)]
    return most
