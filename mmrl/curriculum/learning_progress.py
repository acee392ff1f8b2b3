"""ALP-GMM: contexts where competence changes fastest, up or down.

Portelas, Colas, Hofmann & Oudeyer, "Teacher algorithms for curriculum learning of Deep RL in continuously
parameterized environments" (CoRL 2019), algorithm 1, with the constants of the authors' code. The absolute learning
progress (ALP) of an episode is |r - r'|, r' being the return of the nearest earlier context, the newest of equals. A
mixture of Gaussians over (context, ALP) is fitted every so often to the newest episodes; contexts are drawn from its
components in proportion to their mean ALP, and a share of them from the whole space.

Between two results that are 0 or 1 |r - r'| says how uncertain success is, p (1 - p) of a rate p, not how it changes.
So success is averaged first: of the episode and those nearest to it the mean of the newer half is compared with that of
the older half, as the interest of a region in Baranes & Oudeyer, "R-IAC: Robust Intrinsically Motivated Exploration and
Active Learning" (IEEE Transactions on Autonomous Mental Development, 2009), and what the means would differ by without
any progress is taken off.

D is the number of axes; contexts are points of the unit box, so that no axis counts more for its unit.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.curriculum.base import (
    Curriculum,
    CurriculumConfig,
    Draw,
    EpisodeResult,
    known_success,
    require_at_least,
    require_fraction,
)
from mmrl.curriculum.mixture import Mixture, fit_best
from mmrl.curriculum.space import ContextSpace

# Progress is 0 until more contexts than this are there to be near.
_FEWEST_NEIGHBOURS = 5
_AVERAGED_SUCCESSES = 50


@dataclass(frozen=True)
class LearningProgress(CurriculumConfig):
    """Contexts near which results change most, found by a mixture of Gaussians (ALP-GMM)."""

    fit_every: int = 250
    """Episodes between two fits, to each of which the newest so many episodes go; all are random before the first."""
    share_random: float = 0.2
    """Share of contexts drawn from the whole space instead."""
    fewest_components: int = 2
    """Smallest number of Gaussians tried."""
    most_components: int = 10
    """Largest number tried; Akaike's criterion chooses."""
    neighbours: int = 10_000
    """Newest episodes among which the nearest context is looked for."""
    return_range: tuple[float, float] | None = None
    """Episode returns that count as 0 and 1; null judges by success instead."""
    averaged: int | None = None
    """Results in each of the two means that are compared, 1 compares an episode with the nearest; null is 1 for returns
    and 50 for success, or half of `neighbours`."""

    def __post_init__(self) -> None:
        require_at_least("fit_every", self.fit_every, 2)
        require_fraction("share_random", self.share_random)
        require_at_least("fewest_components", self.fewest_components, 1)
        require_at_least("most_components", self.most_components, self.fewest_components)
        require_at_least("neighbours", self.neighbours, self.fit_every)
        if self.averaged is not None:
            require_at_least("averaged", self.averaged, 1)
        require_at_least("neighbours", self.neighbours, 2 * self.results_in_a_mean)
        if self.return_range is not None and not self.return_range[0] < self.return_range[1]:
            raise ValueError(f"return_range must rise, got {self.return_range}")

    @property
    def results_in_a_mean(self) -> int:
        """`averaged`, whoever chose it."""
        if self.averaged is not None:
            return self.averaged
        return min(_AVERAGED_SUCCESSES, self.neighbours // 2) if self.return_range is None else 1

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _LearningProgressCurriculum(self, space, seed)


class _LearningProgressCurriculum(Curriculum):
    def __init__(self, config: LearningProgress, space: ContextSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._config = config
        self._count = 0
        size = len(space.axes)
        self._points = np.zeros((config.neighbours, size))  # a ring: episode e is in row e % neighbours
        self._results = np.zeros(config.neighbours)
        self._progress = np.zeros(config.fit_every)  # likewise
        self._mixture: Mixture | None = None

    def _draw(self, generator: np.random.Generator) -> Draw:
        size = len(self.space.axes)
        if self._mixture is None or generator.random() < self._config.share_random:
            return Draw(self.space.at(generator.random(size)))
        component = _proportional(self._mixture.means[:, -1], generator)
        point = self._mixture.draw(component, generator)[:size]
        return Draw(self.space.at(np.clip(point, 0.0, 1.0)))

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        config = self._config
        point, result = self.space.point(draw.context), self._result(outcome)
        progress = self._progress_at(point, result)
        row = self._count % config.neighbours
        self._points[row], self._results[row] = point, result
        self._progress[self._count % config.fit_every] = progress
        self._count += 1
        if self._count % config.fit_every == 0:
            newest = np.arange(self._count - config.fit_every, self._count)
            where, gained = self._points[newest % config.neighbours], self._progress[newest % config.fit_every]
            counts = range(config.fewest_components, config.most_components + 1)
            self._mixture = fit_best(np.column_stack([where, gained]), counts, self.generator)

    def _result(self, outcome: EpisodeResult) -> float:
        """The result of the episode, in [0, 1]."""
        if self._config.return_range is None:
            return float(known_success(outcome, "learning_progress"))
        low, high = self._config.return_range
        return float(np.clip((outcome.episode_return - low) / (high - low), 0.0, 1.0))

    def _progress_at(self, point: NDArray[np.float64], result: float) -> float:
        """How far the newer half of the results around a point, with `result` the newest, is from the older half."""
        half, known = self._config.results_in_a_mean, min(self._count, self._config.neighbours)
        if known <= max(_FEWEST_NEIGHBOURS, 2 * half - 2):
            return 0.0
        newest_first = (self._count - 1 - np.arange(known)) % self._config.neighbours
        distances = np.square(self._points[newest_first] - point).sum(axis=1)
        nearest = np.argsort(distances, kind="stable")[: 2 * half - 1]  # of equals the newest
        results = np.append(result, self._results[newest_first[np.sort(nearest)]])
        return _difference(results[:half], results[half:])

    def _figures(self) -> dict[str, float]:
        if self._mixture is None:
            return {}
        return {
            "components": float(len(self._mixture.weights)),
            "mean_progress": float(self._progress.mean()),
            "highest_progress": float(self._mixture.means[:, -1].max()),
        }

    def _own_state(self) -> dict[str, Any]:
        known = min(self._count, self._config.neighbours)
        mixture = self._mixture
        return {
            "count": self._count,
            "points": self._points[:known].tolist(),
            "results": self._results[:known].tolist(),
            "progress": self._progress.tolist(),
            "mixture": mixture and [mixture.weights.tolist(), mixture.means.tolist(), mixture.covariances.tolist()],
        }

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        self._count = state["count"]
        known = len(state["results"])
        self._points[:known] = np.reshape(state["points"], (known, len(self.space.axes)))
        self._results[:known] = state["results"]
        self._progress[:] = state["progress"]
        saved = state["mixture"]
        self._mixture = None if saved is None else Mixture(*(np.array(part) for part in saved))


def _difference(newer: NDArray[np.float64], older: NDArray[np.float64]) -> float:
    """How far the means of as many results are apart, less what chance alone puts between them.

    The square of the difference has the mean progress^2 + (variance of the newer + that of the older) / number.
    """
    difference = abs(float(newer.mean() - older.mean()))
    if len(newer) == 1:
        return difference
    by_chance = float(newer.var(ddof=1) + older.var(ddof=1)) / len(newer)
    return math.sqrt(max(difference**2 - by_chance, 0.0))


def _proportional(weights: NDArray[np.float64], generator: np.random.Generator) -> int:
    """An index drawn in proportion to the weights, with equal odds where all are zero."""
    positive = np.maximum(weights, 0.0)
    total = positive.sum()
    return int(generator.choice(len(weights), p=positive / total if total > 0 else None))
