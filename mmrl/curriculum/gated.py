"""Curricula that move when success says so: stages with promotion, and a level that goes both ways.

Both judge the episodes of a level in the order of their begin, however they end. Where success ends an episode the
first to finish are the successful ones, and a verdict on those would come out too high whenever a level begins.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mmrl.curriculum.base import (
    Curriculum,
    CurriculumConfig,
    Draw,
    EpisodeResult,
    known_success,
    require_at_least,
    require_fraction,
)
from mmrl.curriculum.schedules import LevelCurriculum, require_spread
from mmrl.curriculum.space import ContextSpace, Options


@dataclass(frozen=True)
class Staged(CurriculumConfig):
    """Stages from easy to hard, each left by promotion.

    Numbers take equally spaced difficulties. Options form a set that grows by its next harder members, as the
    vocabulary grows in Bengio et al., "Curriculum Learning" (ICML 2009), section 5: there from the 5,000 most
    frequent words by 5,000 with every pass up to 20,000, which is `stages` 4, `first_options` 5000,
    `more_options` 5000 and no `promote_above`.
    """

    stages: int = 5
    """Number of stages; the last has difficulty 1 and every option."""
    first_options: int = 1
    """Options that are open in the first stage."""
    more_options: int = 1
    """Harder options that each further stage adds."""
    promote_above: float | None = 0.8
    """Success rate over the last `episodes` of a stage that ends it; null asks for no success."""
    episodes: int = 100
    """Episodes of a stage over which success is taken, and the fewest that it lasts."""
    most_episodes: int | None = None
    """Episodes after which a stage ends without success as well; null waits for ever."""

    def __post_init__(self) -> None:
        require_at_least("stages", self.stages, 2)
        require_at_least("first_options", self.first_options, 1)
        require_at_least("more_options", self.more_options, 0)
        require_at_least("episodes", self.episodes, 1)
        if self.promote_above is not None:
            require_fraction("promote_above", self.promote_above)
        if self.most_episodes is not None:
            require_at_least("most_episodes", self.most_episodes, self.episodes)

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        reached = self.first_options + (self.stages - 1) * self.more_options
        for axis in space.axes:
            if isinstance(axis, Options) and len(axis.options) > reached:
                raise ValueError(
                    f"curriculum 'staged' ends with {reached} of the {len(axis.options)} options of {axis.name!r}: "
                    f"raise stages, first_options or more_options"
                )
        return _StagedCurriculum(self, space, seed)


class _InOrder:
    """Outcomes of episodes in the order of their begin, each from when all that began before it are known."""

    def __init__(self) -> None:
        self._next = 0
        self._begun: dict[int, bool | None] = {}  # success by number, None of one that still runs

    def begin(self) -> int:
        """The number of an episode that begins, which no other has."""
        self._next += 1
        self._begun[self._next] = None
        return self._next

    def end(self, number: int, success: bool) -> None:
        """Note what came of an episode; nothing happens for one that is not waited for."""
        if number in self._begun:
            self._begun[number] = success

    def leave_out(self, draws: Sequence[Draw]) -> None:
        """Wait no longer for episodes, tagged with their numbers, of which nothing will come."""
        for draw in draws:
            self._begun.pop(draw.tag, None)

    def drain(self) -> Iterator[bool]:
        """Hand out, and forget, what is known of those begun first."""
        while self._begun:
            number, success = next(iter(self._begun.items()))
            if success is None:
                return
            del self._begun[number]
            yield success

    def clear(self) -> None:
        """Wait for none of the episodes begun so far."""
        self._begun.clear()

    def state(self) -> list[Any]:
        """Plain Python values."""
        return [self._next, list(self._begun.items())]

    def load(self, state: Sequence[Any]) -> None:
        """Undo `state`."""
        self._next, begun = state
        self._begun = dict(begun)


class _StagedCurriculum(Curriculum):
    def __init__(self, config: Staged, space: ContextSpace, seed: int) -> None:
        super().__init__(space, seed)
        self._config = config
        self._stage = 0
        self._count = 0  # judged episodes of this stage
        self._successes: deque[bool] = deque(maxlen=config.episodes)
        self._episodes = _InOrder()

    def _draw(self, generator: np.random.Generator) -> Draw:
        config = self._config
        level = self._stage / (config.stages - 1)
        num_open = config.first_options + self._stage * config.more_options
        return Draw(self.space.draw(level, generator, num_open))

    def _numbered(self, draw: Draw) -> Draw:
        return Draw(draw.context, self._episodes.begin())

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        asked = self._config.promote_above is not None
        self._episodes.end(draw.tag, known_success(outcome, "staged") if asked else True)
        self._judge()

    def _forget(self, draws: Sequence[Draw]) -> None:
        self._episodes.leave_out(draws)
        self._judge()

    def _judge(self) -> None:
        for success in self._episodes.drain():
            self._successes.append(success)
            self._count += 1
            if self._stage < self._config.stages - 1 and self._is_over():
                self._stage += 1
                self._count = 0
                self._successes.clear()
                self._episodes.clear()  # begun before the promotion: they say nothing of the next stage

    def _is_over(self) -> bool:
        config = self._config
        if self._count < config.episodes:
            return False
        if config.promote_above is None or np.mean(self._successes) >= config.promote_above:
            return True
        return config.most_episodes is not None and self._count >= config.most_episodes

    def _figures(self) -> dict[str, float]:
        return {"stage": float(self._stage), "level": self._stage / (self._config.stages - 1)}

    def _own_state(self) -> dict[str, Any]:
        return {
            "stage": self._stage,
            "count": self._count,
            "successes": list(self._successes),
            "episodes": self._episodes.state(),
        }

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        self._stage, self._count = state["stage"], state["count"]
        self._successes = deque(state["successes"], maxlen=self._config.episodes)
        # What an older run handed out is not waited for; its draws have tags up to the stage.
        self._episodes.load(state.get("episodes", [self._stage, []]))


@dataclass(frozen=True)
class SuccessGated(CurriculumConfig):
    """Harder after success, easier after failure, by unequal steps, so that it settles where learning happens.

    The rule of Tang et al., "IndustReal: Transferring Contact-Rich Assembly Tasks from Simulation to Reality"
    (RSS 2023), with the constants of its released configuration IndustRealTaskPegsInsert: above 75 % success the
    largest initial insertion falls by 5 mm of 20, below 50 % it rises by 3 mm (the paper's text names 80 % and
    10 %). Its "sampling-based curriculum" draws everything from the level to the hardest: `spread` "harder".
    """

    harder_above: float = 0.75
    """Success rate above which the level rises."""
    easier_below: float = 0.5
    """Success rate below which it falls."""
    step_harder: float = 0.25
    """How far it rises, in difficulty."""
    step_easier: float = 0.15
    """How far it falls, in difficulty."""
    initial: float = 0.0
    """Level at the start."""
    episodes: int = 128
    """Episodes of one level to a verdict, those begun first."""
    spread: str = "level"
    """Which difficulties are drawn: the level itself, everything easier too, or everything harder too."""

    def __post_init__(self) -> None:
        for name in ("harder_above", "easier_below", "step_harder", "step_easier", "initial"):
            require_fraction(name, vars(self)[name])
        if self.easier_below > self.harder_above:
            raise ValueError(
                f"easier_below must not exceed harder_above, got {self.easier_below} and {self.harder_above}"
            )
        require_at_least("episodes", self.episodes, 1)
        require_spread(self.spread)

    def start(self, space: ContextSpace, seed: int) -> Curriculum:
        return _SuccessGatedCurriculum(self, space, seed)


class _SuccessGatedCurriculum(LevelCurriculum):
    def __init__(self, config: SuccessGated, space: ContextSpace, seed: int) -> None:
        super().__init__(space, seed, config.spread)
        self._config = config
        self._level = config.initial
        self._successes: list[bool] = []
        self._episodes = _InOrder()

    @property
    def level(self) -> float:
        return self._level

    def _numbered(self, draw: Draw) -> Draw:
        return Draw(draw.context, self._episodes.begin())

    def _learn(self, draw: Draw, outcome: EpisodeResult) -> None:
        self._episodes.end(draw.tag, known_success(outcome, "success_gated"))
        self._judge()

    def _forget(self, draws: Sequence[Draw]) -> None:
        self._episodes.leave_out(draws)
        self._judge()

    def _judge(self) -> None:
        for success in self._episodes.drain():
            self._successes.append(success)
            if len(self._successes) < self._config.episodes:
                continue
            level = self._judged(float(np.mean(self._successes)))
            self._successes.clear()
            if level != self._level:
                self._level = level
                self._episodes.clear()  # begun at another level

    def _judged(self, rate: float) -> float:
        config = self._config
        if rate > config.harder_above:
            return min(self._level + config.step_harder, 1.0)
        if rate < config.easier_below:
            return max(self._level - config.step_easier, 0.0)
        return self._level

    def _own_state(self) -> dict[str, Any]:
        return {"level": self._level, "successes": list(self._successes), "episodes": self._episodes.state()}

    def _load_own_state(self, state: Mapping[str, Any]) -> None:
        self._level, self._successes = state["level"], list(state["successes"])
        # What an older run handed out is not waited for; its draws have tags up to the number of moves.
        self._episodes.load(state["episodes"] if "episodes" in state else [state["moves"], []])
