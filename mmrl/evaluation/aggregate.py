"""Several runs as one figure: interquartile means with stratified bootstrap intervals.

The definitions of Agarwal et al., "Deep Reinforcement Learning at the Edge of the Statistical Precipice" (NeurIPS
2021), sections 4.1 and 4.3, and of their library rliable.

R runs (seeds), M tasks, K points of a curve, B resamples.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.stats import trim_mean

from mmrl.arrays import FloatArray

CONFIDENCE = 0.95
RESAMPLES = 2000
_TRIMMED = 0.25


@dataclass(frozen=True, eq=False)
class Aggregate:
    """An interquartile mean and its interval at every point of a curve."""

    value: FloatArray
    """(K,)."""
    low: FloatArray
    """Lower ends, (K,); NaN where there is a single run, which says nothing about other runs."""
    high: FloatArray
    """Upper ends, likewise."""


def interquartile_mean(scores: FloatArray) -> FloatArray:
    """Mean of the middle half of the scores of all runs and tasks, (..., R, M) -> (...).

    A quarter of the R x M scores, rounded down, is left out at either end: of three scores none.
    """
    pooled = scores.reshape(*scores.shape[:-2], -1)
    middle: FloatArray = np.asarray(trim_mean(pooled, _TRIMMED, axis=-1), np.float64)
    return middle


def aggregate(scores: FloatArray, *, resamples: int = RESAMPLES, seed: int = 0) -> Aggregate:
    """Interquartile means of curves with 95 % intervals.

    The bootstrap is stratified: each resample draws R runs with replacement for every task by itself, and takes whole
    curves. Ends are percentiles. The same scores give the same interval.

    Args:
        scores: (R, M, K), finite.
        resamples: B.
        seed: of the resampling.

    Raises:
        ValueError: on another number of axes, an empty one, or scores that are not finite.
    """
    if scores.ndim != 3 or 0 in scores.shape:
        raise ValueError(f"scores need runs, tasks and points, none of them empty, got shape {scores.shape}")
    if not np.isfinite(scores).all():
        raise ValueError(f"scores must be finite, {int((~np.isfinite(scores)).sum())} of {scores.size} are not")
    value = interquartile_mean(np.moveaxis(scores, 2, 0))
    if len(scores) == 1:
        unknown = np.full_like(value, np.nan)
        return Aggregate(value, unknown, unknown)
    low, high = _interval(scores, resamples, seed)
    return Aggregate(value, low, high)


def _interval(scores: FloatArray, resamples: int, seed: int) -> tuple[FloatArray, FloatArray]:
    runs, tasks, points = scores.shape
    drawn = np.random.default_rng(seed).integers(runs, size=(resamples, runs, tasks))
    # A point at a time, because all resamples of all points at once may not fit the memory.
    middles = np.stack(
        [interquartile_mean(scores[drawn, np.arange(tasks), point]) for point in range(points)], axis=1
    )  # (B, K)
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(middles, (tail, 100 - tail), axis=0)
    return low, high


def probability_of_improvement(
    scores: FloatArray, others: FloatArray, *, resamples: int = RESAMPLES, seed: int = 0
) -> tuple[float, float, float]:
    """How likely a run of the first kind scores above one of the second, with the ends of its 95 % interval.

    The mean over tasks of the Mann-Whitney statistic over the number of pairs, in which equals count half (section
    4.3); 0.5 is no difference. Each resample draws runs of both kinds with replacement, for every task by itself. The
    ends are NaN where either kind has a single run.

    Args:
        scores: (R, M), finite.
        others: (S, M), finite.
        resamples: B.
        seed: of the resampling.

    Raises:
        ValueError: where the kinds have other numbers of tasks, or scores that are not finite.
    """
    if (
        scores.ndim != 2
        or others.ndim != 2
        or scores.shape[1] != others.shape[1]
        or 0 in (*scores.shape, *others.shape)
    ):
        raise ValueError(f"scores need runs and the same tasks, got shapes {scores.shape} and {others.shape}")
    if not (np.isfinite(scores).all() and np.isfinite(others).all()):
        raise ValueError("scores must be finite")
    value = float(_superiority(scores, others))
    if 1 in (len(scores), len(others)):
        return value, np.nan, np.nan
    random, tasks = np.random.default_rng(seed), np.arange(scores.shape[1])
    drawn = [random.integers(len(kind), size=(resamples, *kind.shape)) for kind in (scores, others)]
    again = _superiority(scores[drawn[0], tasks], others[drawn[1], tasks])
    tail = 50 * (1 - CONFIDENCE)
    low, high = np.percentile(again, (tail, 100 - tail))
    return value, float(low), float(high)


def _superiority(scores: FloatArray, others: FloatArray) -> FloatArray:
    """(..., R, M) and (..., S, M) -> (...)."""
    mine, theirs = scores[..., :, None, :], others[..., None, :, :]
    wins: FloatArray = ((mine > theirs) + 0.5 * (mine == theirs)).mean(axis=(-3, -2, -1))
    return wins
