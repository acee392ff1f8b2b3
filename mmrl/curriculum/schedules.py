"""Curricula that follow the learner's steps and ask for no outcome: linear, stepwise, uniform."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.curriculum.base import Curriculum, CurriculumConfig, Draw, EpisodeResult, require_at_least, require_fraction
from mmrl.curriculum.space import ContextSpace, linear_decay

SPREADS: Mapping[str, Callable[[float, float], float]] = {
    "level": lambda level, u: level,
    "easier": lambda level, u: level * u,
    "harder": lambda level, u: level + (1.0 - level) * u,
}
"""Difficulties around a level, drawn by u in [0, 1): the level itself, all up to it, all from it on."""


def require_spread(spread: str) -> None:
    """Raise ValueError on an unknown spread, listing those there are."""
    if spread not in SPREADS:
        raise ValueError(f"unknown spread {spread!r}; there are {', '.join(SPREADS)}")


class LevelCurriculum(Curriculum):
    """A curriculum that stands at one level of difficulty at a time."""

    def __init__(self, space: ContextSpace, seed: int, spread: str) -> None:
        super().__init__(space, seed)
        self._spread = SPREADS[spread]

    @property
    @abstractmethod
    def level(self) -> float:
        """Where it stands, in [0, 1]."""

    def _draw(self, generator: np.random.Generator) -> Draw:
        difficulty = self._spread(self.level, generator.random())
        return Draw(self.space.draw(difficulty, generator))

    def _figures(self) -> dict[str, float]:
        return {"level": self.level}


class _Scheduled(LevelCurriculum):
    """A level that is a function of the step."""

    def __init__(self, space: ContextSpace, seed: int, spread: str, schedule: Callable[[int], float]) -> None:
        super().__init__(space, seed, spread)
        self._schedule = schedule

    @property
    def level(self) -> float:
        return self._schedule(self.step)

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        pass

    def _own_state(self) -> dict[str, Any]:
        return {}

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Linear(CurriculumConfig):
    """Difficulty on a straight line over the steps, by the law of linear decay, constant afterwards."""

    initial: float = 0.0
    """Difficulty at step 0; 1 together with `final` trains on the target alone."""
    final: float = 1.0
    """Difficulty from `over_steps` on."""
    over_steps: int = 100_000
    """Environment steps over all worlds until the end of the line."""
    spread: str = "level"
    """Which difficulties are drawn: the level itself, everything easier too, or everything harder too."""

    def __post_init__(self) -> None:
        require_fraction("initial", self.initial)
        require_fraction("final", self.final)
        require_at_least("over_steps", self.over_steps, 1)
        require_spread(self.spread)

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _Scheduled(
            space, seed, self.spread, lambda step: linear_decay(step, self.initial, self.final, self.over_steps)
        )


@dataclass(frozen=True)
class Stepwise(CurriculumConfig):
    """Difficulty in steps of equal length, the last one for good."""

    levels: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0)
    """Difficulties, one after another."""
    every_steps: int = 25_000
    """Environment steps over all worlds at each of them."""
    spread: str = "level"
    """Which difficulties are drawn: the level itself, everything easier too, or everything harder too."""

    def __post_init__(self) -> None:
        if not self.levels:
            raise ValueError("levels must hold at least 1 difficulty, got none")
        for level in self.levels:
            require_fraction("levels", level)
        require_at_least("every_steps", self.every_steps, 1)
        require_spread(self.spread)

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _Scheduled(
            space,
            seed,
            self.spread,
            lambda step: self.levels[min(step // self.every_steps, len(self.levels) - 1)],
        )


class _UniformCurriculum(Curriculum):
    def _draw(self, generator: np.random.Generator) -> Draw:
        return Draw(self.space.at(generator.random(len(self.space.axes))))

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        pass

    def _figures(self) -> dict[str, float]:
        return {}

    def _own_state(self) -> dict[str, Any]:
        return {}

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        pass


@dataclass(frozen=True)
class Uniform(CurriculumConfig):
    """Domain randomisation over the whole space, from the easiest to the hardest: the control.

    Tobin et al., "Domain Randomization for Transferring Deep Neural Networks from Simulation to the Real World"
    (IROS 2017).
    """

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _UniformCurriculum(space, seed)
