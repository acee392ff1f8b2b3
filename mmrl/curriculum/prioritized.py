"""Prioritized Level Replay for contexts: go back to where there is most to be learned.

Jiang, Grefenstette & Rocktäschel, "Prioritized Level Replay" (ICML 2021). The space holds infinitely many contexts,
so the newest scores are kept for a buffer of them, whose least likely member makes room for a better one, as in
Jiang et al., "Replay-Guided Adversarial Environment Design" (NeurIPS 2021).

B is the number of contexts in the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mmrl.arrays import FloatArray
from mmrl.curriculum.base import Curriculum, CurriculumConfig, Draw, EpisodeResult, require_at_least, require_fraction
from mmrl.curriculum.space import ContextSpace, Value


def replay_distribution(scores: FloatArray, ages: FloatArray, temperature: float, staleness: float) -> FloatArray:
    """Probabilities (B,) of replay: (1 - staleness) P_S + staleness P_C, eq. 1 of the paper.

    P_S is proportional to rank ** (-1 / temperature), rank 1 being the highest of the scores (B,), eq. 2 with
    h = 1 / rank; P_C to the ages (B,), the number of draws since each was last drawn, eq. 3.
    """
    order = np.argsort(-scores, kind="stable")
    ranks = np.empty(len(scores))
    ranks[order] = np.arange(1, len(scores) + 1)
    by_score = ranks ** (-1.0 / temperature)
    total = ages.sum()
    by_age = ages / total if total > 0 else np.full(len(ages), 1.0 / len(ages))
    mixed: FloatArray = (1.0 - staleness) * by_score / by_score.sum() + staleness * by_age
    return mixed


@dataclass(frozen=True)
class Prioritized(CurriculumConfig):
    """Replay of contexts by learning potential, the learner's mean |advantage| (Prioritized Level Replay)."""

    needs_scores: ClassVar[bool] = True

    replay_probability: float = 0.5
    """Chance of going back to a known context instead of drawing a new one from the whole space."""
    temperature: float = 0.1
    """Beta: the smaller, the more the highest scores are preferred."""
    staleness: float = 0.1
    """Rho: share of replays by how long ago a context was last drawn."""
    capacity: int = 256
    """Contexts that are remembered."""
    warm_up: int = 64
    """Contexts that must have a score before any is replayed."""
    smoothing: float = 1.0
    """Alpha: weight of a new score against the old one of the same context."""

    def __post_init__(self) -> None:
        for name in ("replay_probability", "staleness"):
            require_fraction(name, vars(self)[name])
        for name in ("temperature", "smoothing"):
            if not (vars(self)[name] > 0 and math.isfinite(vars(self)[name])):
                raise ValueError(f"{name} must be above 0, got {vars(self)[name]}")
        require_fraction("smoothing", self.smoothing)
        require_at_least("warm_up", self.warm_up, 1)
        require_at_least("capacity", self.capacity, self.warm_up)

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _PrioritizedCurriculum(self, space, seed)


@dataclass
class _Entry:
    """A context in the buffer."""

    tag: int
    context: dict[str, Value]
    score: float
    drawn: int  # the draw, counted from 1, that last gave it


class _PrioritizedCurriculum(Curriculum):
    def __init__(self, config: Prioritized, space: ContextSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._config = config
        self._draws = 0
        self._replays = 0
        self._entries: dict[int, _Entry] = {}

    def _draw(self, generator: np.random.Generator) -> Draw:
        ready = len(self._entries) >= self._config.warm_up
        if ready and generator.random() < self._config.replay_probability:
            entries = list(self._entries.values())
            entry = entries[generator.choice(len(entries), p=self._distribution())]
            return Draw(dict(entry.context), entry.tag)
        return Draw(self.space.at(generator.random(len(self.space.axes))))

    def _numbered(self, draw: Draw) -> Draw:
        self._draws += 1
        if not draw.tag:  # draws are numbered from 1, which serves as the name of a new context
            return Draw(draw.context, self._draws)
        self._replays += 1
        if draw.tag in self._entries:  # it may have left since
            self._entries[draw.tag].drawn = self._draws
        return draw

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        score = outcome.score
        if score is None or not (math.isfinite(score) and score >= 0):
            raise ValueError(
                f"curriculum 'prioritized' needs a score of each episode, such as the mean |advantage|, got {score}"
            )
        known = self._entries.get(draw.tag)
        if known is not None:
            known.score += self._config.smoothing * (score - known.score)
        elif self._make_room(score):
            self._entries[draw.tag] = _Entry(draw.tag, draw.context, score, draw.tag)

    def _make_room(self, score: float) -> bool:
        """Whether a new score may enter, the context least likely to be replayed having left if need be."""
        if len(self._entries) < self._config.capacity:
            return True
        least = list(self._entries.values())[int(self._distribution().argmin())]
        if least.score > score:
            return False
        del self._entries[least.tag]
        return True

    def _distribution(self) -> FloatArray:
        scores = np.array([entry.score for entry in self._entries.values()])
        ages = np.array([self._draws - entry.drawn for entry in self._entries.values()], np.float64)
        return replay_distribution(scores, ages, self._config.temperature, self._config.staleness)

    def _figures(self) -> dict[str, float]:
        figures = {"contexts": float(len(self._entries))}
        if self._draws:
            figures["replayed"] = self._replays / self._draws
        if self._entries:
            figures["mean_score"] = float(np.mean([entry.score for entry in self._entries.values()]))
        return figures

    def _own_state(self) -> dict[str, Any]:
        entries = [[entry.tag, entry.context, entry.score, entry.drawn] for entry in self._entries.values()]
        return {"draws": self._draws, "replays": self._replays, "entries": entries}

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        self._draws, self._replays = state["draws"], state["replays"]
        self._entries = {
            tag: _Entry(tag, dict(context), score, drawn) for tag, context, score, drawn in state["entries"]
        }
