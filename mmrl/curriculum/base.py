"""The contract of a curriculum: hand out contexts, take in outcomes, keep the books, be saved and loaded.

Worlds run out of step. A world is given the context of its next episode whenever it begins one, and what came
of an episode may be reported any number of episodes later; the curriculum remembers what it handed to whom.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mmrl.curriculum.space import Context, ContextSpace, Value

# Finished episodes that the metrics speak of.
_WINDOW = 200
_BINS = 5


@dataclass(frozen=True)
class EpisodeResult:
    """The result of a finished episode."""

    success: bool | None
    """Whether the task was fulfilled; None where the environment does not tell."""
    episode_return: float
    """Sum of rewards, undiscounted."""
    score: float | None = None
    """Learning potential as the learner sees it, not negative; None where it does not say."""


@dataclass(frozen=True)
class Draw:
    """A context that was handed out, and what its curriculum noted on it."""

    context: dict[str, Value]
    """Name -> value."""
    tag: int = 0
    """Of the curriculum: a stage, an entry."""


class Curriculum(ABC):
    """Chooses the context of each episode; its state is plain Python and its draws are reproducible."""

    def __init__(self, space: ContextSpace, seed: int) -> None:
        """All randomness comes from PCG64 generators of `seed`: one for each draw of a world, and one for the rest."""
        self.space, self._seed = space, seed
        self.generator = np.random.Generator(np.random.PCG64(seed))
        self.step = 0
        """Environment steps of the learner so far, as `set_step` has them."""
        self.episodes = 0
        """Finished episodes that something was learned from."""
        self._open: dict[int, deque[Draw]] = {}
        self._drawn: Counter[int] = Counter()  # how often for each world, what is not noted yet included
        self._new: list[tuple[int, Draw]] = []  # handed out, and not noted yet
        self._recent: deque[tuple[dict[str, Value], bool | None]] = deque(maxlen=_WINDOW)

    def set_step(self, step: int) -> None:
        """Say how far the learner is, in environment steps over all worlds."""
        self.step = step

    def sample(self, worlds: Iterable[int]) -> list[dict[str, Value]]:
        """The contexts of the next episodes of some worlds, in their order.

        The context of a world depends on its own draws so far, and on what was noted and learned before.
        """
        draws = [self._draw_of(int(world)) for world in worlds]
        return [dict(draw.context) for draw in draws]

    def _draw_of(self, world: int) -> Draw:
        seeds = np.random.SeedSequence(self._seed, spawn_key=(world, self._drawn[world]))
        draw = self._draw(np.random.Generator(np.random.PCG64(seeds)))
        self._drawn[world] += 1
        self._new.append((world, draw))
        return draw

    def hand_over(self) -> list[tuple[int, Draw]]:
        """The worlds and the draws of `sample` since the last call, to be noted by all processes that share it."""
        new, self._new = self._new, []
        self._drawn.subtract(world for world, _ in new)
        return new

    def note(self, draws: Iterable[tuple[int, Draw]]) -> None:
        """Take down what was handed out to worlds, in this order; without a call what `sample` drew is, in its own."""
        for world, draw in draws:
            self._open.setdefault(world, deque()).append(self._numbered(draw))
            self._drawn[world] += 1

    def _numbered(self, draw: Draw) -> Draw:
        """The draw with what the curriculum notes on it; most note nothing."""
        return draw

    def finished(self, world: int, context: Context, outcome: EpisodeResult | None) -> None:
        """Report an episode of `world`; what was handed to it before that one is forgotten.

        `context` may hold more than the curriculum set. None for an outcome says that the episode tells nothing.
        Raises ValueError for a context that `sample` did not give to that world, and where the outcome lacks what
        this curriculum judges by.
        """
        self.note(self.hand_over())
        own = {name: context[name] for name in self.space.names if name in context}
        *skipped, draw = _take(self._open.get(int(world), deque()), int(world), own)
        self._forget(skipped if outcome is not None else [*skipped, draw])
        if outcome is None:
            return
        self.episodes += 1
        self._recent.append((draw.context, outcome.success))
        self._learn(draw, outcome)

    def abandon(self) -> None:
        """Forget all that was handed out and is not finished: the worlds were given up as they stood."""
        self.note(self.hand_over())
        self._forget([draw for draws in self._open.values() for draw in draws])
        self._open.clear()

    def metrics(self) -> dict[str, float]:
        """Figures of the last 200 finished episodes.

        Mean difficulty; "mastered", the mean of difficulty times success; mean of each number that varies; success
        where it is known in each fifth of the scale of difficulty that occurred; and the figures of the single kinds
        of curriculum.
        """
        self.note(self.hand_over())
        contexts = [context for context, _ in self._recent]
        figures = {"episodes": float(self.episodes), **self._figures()}
        if not contexts:
            return figures
        difficulties = [self.space.difficulty(context) for context in contexts]
        figures["difficulty"] = float(np.mean(difficulties))
        for name in self.space.names:
            values = [value for context in contexts if not isinstance(value := context[name], str)]
            if values:
                figures[f"{name}_mean"] = float(np.mean(values))
        successes = [success for _, success in self._recent]
        mastered = [d * success for d, success in zip(difficulties, successes, strict=True) if success is not None]
        if mastered:
            figures["mastered"] = float(np.mean(mastered))
        return figures | _success_by_difficulty(zip(difficulties, successes, strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as plain Python values."""
        self.note(self.hand_over())
        return {
            "kind": type(self).__name__,
            "axes": [repr(axis) for axis in self.space.axes],
            "seed": self._seed,
            "generator": self.generator.bit_generator.state,
            "step": self.step,
            "episodes": self.episodes,
            "open": [[world, [[draw.context, draw.tag] for draw in draws]] for world, draws in self._open.items()],
            "drawn": [list(item) for item in sorted(self._drawn.items())],
            "recent": [[context, success] for context, success in self._recent],
            "own": self._own_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`. Raises ValueError for the state of another curriculum."""
        own = {"kind": type(self).__name__, "axes": [repr(axis) for axis in self.space.axes]}
        for key, value in own.items():
            if state[key] != value:
                raise ValueError(f"the saved curriculum has {key} {state[key]}, this one {value}")
        self._seed = state.get("seed", self._seed)  # older states draw for all worlds with the one generator
        self.generator.bit_generator.state = state["generator"]
        self.step, self.episodes = state["step"], state["episodes"]
        self._open = {
            world: deque(Draw(dict(context), tag) for context, tag in draws) for world, draws in state["open"]
        }
        self._new, self._drawn = [], Counter(dict(state.get("drawn", [])))  # older states count no draws
        self._recent = deque(((dict(context), success) for context, success in state["recent"]), maxlen=_WINDOW)
        self._load_own_state(state["own"])

    @abstractmethod
    def _draw(self, generator: np.random.Generator) -> Draw:
        """The next context of a world, drawn with a generator of its own; changes nothing."""

    @abstractmethod
    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        """Take in what came of one."""

    def _forget(self, draws: Sequence[Draw]) -> None:  # noqa: B027  # a step that may be left empty
        """Take note that nothing will come of some draws; most curricula wait for none."""

    @abstractmethod
    def _figures(self) -> dict[str, float]:
        """Figures to log beyond the common ones."""

    @abstractmethod
    def _own_state(self) -> dict[str, Any]:
        """State beyond the common one, as plain Python values."""

    @abstractmethod
    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        """Undo `_own_state`."""


def _take(waiting: deque[Draw], world: int, context: Context) -> list[Draw]:
    """Remove the oldest draw of that context, the last of the list, and those before it, which came to nothing."""
    for position, draw in enumerate(waiting):
        if draw.context == context:
            return [waiting.popleft() for _ in range(position + 1)]
    given = [draw.context for draw in waiting]
    raise ValueError(f"world {world} finished an episode of context {dict(context)}, it was given {given}")


def _success_by_difficulty(episodes: Iterable[tuple[float, bool | None]]) -> dict[str, float]:
    bins: dict[int, list[bool]] = {}
    for difficulty, success in episodes:
        if success is not None:
            bins.setdefault(min(int(difficulty * _BINS), _BINS - 1), []).append(success)
    return {
        f"success_{i / _BINS:.1f}_{(i + 1) / _BINS:.1f}": float(np.mean(successes))
        for i, successes in sorted(bins.items())
    }


class CurriculumConfig(ABC):
    """Base of the settings of a curriculum; subclasses are frozen dataclasses."""

    needs_scores: ClassVar[bool] = False
    """Whether it cannot do without `EpisodeResult.score`."""

    @abstractmethod
    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        """The curriculum at work; raises ValueError where the settings do not fit the space."""


def known_success(outcome: EpisodeResult, curriculum: str) -> bool:
    """The success of an outcome; raises ValueError naming the curriculum that cannot do without."""
    if outcome.success is None:
        raise ValueError(f"curriculum {curriculum!r} judges by success, which this environment does not report")
    return outcome.success


def require_fraction(name: str, value: float) -> None:
    """Raise ValueError unless the setting lies in [0, 1]."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must lie in [0, 1], got {value}")


def require_at_least(name: str, value: int, least: int) -> None:
    """Raise ValueError where a count is too small."""
    if value < least:
        raise ValueError(f"{name} must be at least {least}, got {value}")
