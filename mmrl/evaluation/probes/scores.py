"""How well something was read off, with intervals over episodes: steps of one episode say the same again.

E episodes, B resamples, C classes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.aggregate import CONFIDENCE

RESAMPLES = 1000


@dataclass(frozen=True)
class Scored:
    """A score with the ends of its 95 % bootstrap interval over episodes."""

    value: float
    """R^2 of numbers, balanced accuracy of classes."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""


def r_squared(truth: FloatArray, guess: FloatArray, episodes: IntArray, seed: int = 0) -> Scored:
    """1 - sum of squared errors / sum of squares about the mean, of rows (n,)."""
    sums = _by_episode(np.stack([np.ones_like(truth), truth, truth**2, (truth - guess) ** 2], axis=1), episodes)

    def score(drawn: FloatArray) -> FloatArray:
        count, total, squares, errors = drawn.T
        spread = squares - total**2 / count
        return np.where(spread > 1e-12, 1 - errors / np.maximum(spread, 1e-12), np.nan)

    return _scored(sums, score, seed)


def balanced_accuracy(truth: FloatArray, guess: FloatArray, episodes: IntArray, seed: int = 0) -> Scored:
    """The mean over the classes that occur of the share of their rows (n,) that are recognised."""
    classes = np.unique(truth)
    of_class = truth[:, None] == classes
    right = of_class & (guess == truth)[:, None]
    sums = _by_episode(np.concatenate([of_class, right], axis=1).astype(np.float64), episodes)

    def score(drawn: FloatArray) -> FloatArray:
        count, hits = np.split(drawn, 2, axis=1)
        occurs = count > 0
        recall = hits / np.maximum(count, 1)
        mean: FloatArray = np.where(occurs, recall, 0).sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
        return mean

    return _scored(sums, score, seed)


def _by_episode(columns: FloatArray, episodes: IntArray) -> FloatArray:
    """Sums of rows (n, k) over each episode, (E, k)."""
    _, which = np.unique(episodes, return_inverse=True)
    sums = np.zeros((which.max() + 1, columns.shape[1]))
    np.add.at(sums, which, columns)
    return sums


def _scored(sums: FloatArray, score: Callable[[FloatArray], FloatArray], seed: int) -> Scored:
    """The score of all episodes, and its percentiles over episodes drawn with replacement."""
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(len(sums), np.full(len(sums), 1 / len(sums)), size=RESAMPLES)  # (B, E)
    scores = score(drawn @ sums)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.nanpercentile(scores, (tail, 100 - tail))
    return Scored(float(score(sums.sum(axis=0, keepdims=True))[0]), float(low), float(high))
