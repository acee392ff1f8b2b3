"""Worlds that step in processes of their own, side by side; a process that dies is replaced and the rest goes on.

For environments of other packages, which come one at a time and keep the interpreter busy while they step.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl_agents.worlds.contexts import EpisodeContexts
from mmrl_agents.worlds.side_by_side import SideBySide
from mmrl_agents.worlds.worker import TIMEOUT_S, Worker
from mmrl_agents.worlds.worker_failures import death_means_other_worlds
from mmrl_agents.worlds.worker_process import Maker, Seeds
from mmrl_envs.context import ContextSource
from mmrl_envs.snapshot import OtherWorlds


class WorkerWorlds(SideBySide):
    """N single environments, the same everywhere, spread over processes; otherwise as Gymnasium's SyncVectorEnv.

    Autoreset is SAME_STEP. When a process dies, killed for want of memory, say, or gives no answer for too long,
    another takes its place: the episodes of its worlds are truncated where they were, their last info says
    `worker_lost`, and new ones begin. `lost` counts the processes.

    Args:
        make: makes a world; pickled, so no lambda.
        num_worlds: N.
        num_workers: processes, at most N.
        timeout_s: seconds after which a process that does not answer is replaced.

    Raises:
        WorkersFailed: where the processes end or hang before they have made their worlds.
    """

    def __init__(self, make: Maker, num_worlds: int, num_workers: int, timeout_s: float = TIMEOUT_S) -> None:
        shares = np.array_split(np.arange(num_worlds), min(num_workers, num_worlds))
        self.lost = 0
        self._spare_seeds = np.random.default_rng()
        names = [f"worker {number} of worlds {share[0]} to {share[-1]}" for number, share in enumerate(shares)]
        self.workers = [
            Worker(name, make, len(share), self._replaced, timeout_s) for name, share in zip(names, shares, strict=True)
        ]
        worlds = [RemoteWorld(worker, row) for worker in self.workers for row in range(worker.count)]
        super().__init__([partial(_given, world) for world in worlds], autoreset_mode=AutoresetMode.SAME_STEP)

    def reset(
        self, *, seed: int | list[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begins episodes in all worlds; world i of seed s is seeded with s + i."""
        if options is not None and "reset_mask" in options:
            raise ValueError("worlds in worker processes begin anew by themselves or all at once, so no reset_mask")
        if isinstance(seed, int):
            seed += self.first_world
            self._spare_seeds = np.random.default_rng([seed, 1])
            seed = [seed + world for world in range(self.num_envs)]
        for worker, seeds in self._shared(seed or [None] * self.num_envs):
            worker.begin_episodes(seeds, options)
        return super().reset()  # the worlds are at it

    def step(self, actions: Any) -> tuple[Any, NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """One step of all worlds, begun in all processes before the first is waited for."""
        for worker, share in self._shared(list(gym.vector.utils.iterate(self.action_space, actions))):
            worker.begin_step(share)
        return super().step(actions)

    def close_extras(self, **kwargs: Any) -> None:
        """Ends the processes."""
        for worker in self.workers:
            worker.close()

    @property
    def incidents(self) -> dict[str, int]:
        """How many processes were lost."""
        return {"workers_lost": self.lost}

    def require_context(self, setting: Mapping[str, Any]) -> None:
        """Raises ValueError for what a world refuses; what it does not declare is tried by its first reset."""
        self.envs[0].get_wrapper_attr("contexts").require(setting)

    @property
    def context_source(self) -> None:
        """None: every context is chosen in the process that learns, and these worlds are in others."""
        return None

    @context_source.setter
    def context_source(self, source: ContextSource | None) -> None:
        if source is not None:
            raise ValueError("a curriculum chooses every context in the process that learns: leave workers at 0")

    def get_state(self) -> dict[str, Any] | None:
        """How the present episodes came about; None where a worker has died since the last step, and they with it."""
        try:
            return {"replay": [single.get_wrapper_attr("get_state")() for single in self.envs], **self._generators()}
        except OtherWorlds:
            return None

    def _generators(self) -> dict[str, Any]:
        with death_means_other_worlds():
            states = [[worker.ask("get_generators"), *[None] * (worker.count - 1)] for worker in self.workers]
        return {"generators": [state for of_worker in states for state in of_worker]}

    def _restore_generators(self, states: Sequence[Mapping[str, Any] | None]) -> None:
        if len(states) == self.num_envs:
            states = [of_worlds[0] for _, of_worlds in self._shared(list(states))]
        if len(states) != len(self.workers) or None in states:
            return
        with death_means_other_worlds():
            for worker, state in zip(self.workers, states, strict=True):
                worker.ask("set_generators", state)

    def _shared(self, rows: list[Any]) -> Iterator[tuple[Worker, list[Any]]]:
        """Every worker with what is meant for its worlds."""
        ends = itertools.accumulate(worker.count for worker in self.workers)
        return ((worker, rows[end - worker.count : end]) for worker, end in zip(self.workers, ends, strict=True))

    def _replaced(self, count: int) -> Seeds:
        self.lost += 1
        return [int(seed) for seed in self._spare_seeds.integers(2**31, size=count)]


class RemoteWorld(gym.Env[Any, Any]):
    """One world of a worker."""

    contexts: EpisodeContexts

    def __init__(self, worker: Worker, row: int) -> None:
        self._worker, self._row = worker, row
        for name, value in worker.description.items():
            setattr(self, name, value)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The episode that began when all worlds were reset, or by itself."""
        return self._worker.episode(self._row)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """The results of the action that all worlds were sent."""
        outcome = self._worker.outcome(self._row)
        return outcome.observation, outcome.reward, outcome.terminated, outcome.truncated, outcome.info

    def get_state(self) -> dict[str, Any]:
        """As the world's own; raises `OtherWorlds` where its process has died, until a step replaces that."""
        with death_means_other_worlds():
            state: dict[str, Any] = self._worker.ask("get_state", self._row)
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """As the world's own."""
        with death_means_other_worlds():
            self._worker.set_state(self._row, state)


def _given(world: RemoteWorld) -> RemoteWorld:
    return world
