"""Worlds that step in processes of their own, side by side; a process that dies is replaced and the rest goes on.

For environments of other packages, which come one at a time and keep the interpreter busy while they step.
"""

import itertools
import multiprocessing
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl_agents.experience.episodes import LOST
from mmrl_agents.worlds.contexts import EpisodeContexts
from mmrl_agents.worlds.side_by_side import SideBySide
from mmrl_agents.worlds.worker_failures import Gone, Hangs, WorkerReplaced, WorkersFailed, death_means_other_worlds
from mmrl_agents.worlds.worker_process import Begun, Maker, Seeds, WorldStep, serve
from mmrl_envs.context import ContextSource
from mmrl_envs.snapshot import OtherWorlds

TIMEOUT_S = 600.0
"""Seconds after which a worker that does not answer is replaced."""

_MOST_STARTS = 3  # of one worker, before it has done anything
_STARTING_S = 120.0  # at least: libraries are loaded, and worlds made

Answer = TypeVar("Answer")


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
            self._spare_seeds = np.random.default_rng([seed, 1])
            seed = [seed + world for world in range(self.num_envs)]
        for worker, seeds in self._shared(seed or [None] * self.num_envs):
            worker.begin_episodes(seeds, options)
        return super().reset()

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
            return {"generators": [worker.ask("take_generators") for worker in self.workers]}

    def _restore_generators(self, states: Sequence[Mapping[str, Any]]) -> None:
        if len(states) != len(self.workers):
            return
        with death_means_other_worlds():
            for worker, state in zip(self.workers, states, strict=True):
                worker.ask("restore_generators", state)

    def _shared(self, rows: list[Any]) -> Iterator[tuple["Worker", list[Any]]]:
        """Every worker with what is meant for its worlds."""
        ends = itertools.accumulate(worker.count for worker in self.workers)
        return ((worker, rows[end - worker.count : end]) for worker, end in zip(self.workers, ends, strict=True))

    def _replaced(self, count: int) -> Seeds:
        self.lost += 1
        return [int(seed) for seed in self._spare_seeds.integers(2**31, size=count)]


class Worker:
    """A process with some worlds, as the process that learns sees it."""

    def __init__(
        self, name: str, make: Maker, count: int, on_loss: Callable[[int], Seeds], timeout_s: float = TIMEOUT_S
    ) -> None:
        """`on_loss` hears of a death and gives seeds for the episodes that begin after it."""
        self.name, self.count = name, count
        self._make, self._on_loss = make, on_loss
        self._timeout_s, self._starting = timeout_s, False
        self._last: list[Any] = [None] * count
        self._begun: list[Begun | None] = [None] * count
        self._outcomes: list[WorldStep] | None = None
        self._beginning: tuple[Seeds, dict[str, Any] | None] | None = None
        self.description: Mapping[str, Any] = self._live(lambda: self.ask("describe"))

    @property
    def process_id(self) -> int | None:
        """Of the process that is at work now."""
        return self._process.pid

    def ask(self, what: str, *arguments: Any) -> Any:
        """Sends a request and waits for its answer; raises what the world raised, Gone if the process is."""
        self._send(what, *arguments)
        return self._answer()

    def begin_episodes(self, seeds: Seeds, options: dict[str, Any] | None) -> None:
        """Have all worlds begin an episode; `episode` waits for it."""
        self._beginning = (seeds, options)
        with suppress(Gone):  # `episode` will find out
            self._send("reset", *self._beginning)

    def episode(self, row: int) -> tuple[Any, dict[str, Any]]:
        """How the episode began that was asked for, or that began by itself."""
        if self._beginning is not None:
            beginning, self._beginning = self._beginning, None
            try:
                self._begun[:] = self._answer()
            except Gone:
                self._begun[:] = self._replace(*beginning)
        begun = self._begun[row]
        assert begun is not None
        self._last[row] = begun[0]
        return begun

    def restore(self, row: int, state: Mapping[str, Any]) -> None:
        """Put a world back as it stood."""
        self._last[row] = self.ask("set_state", row, state)

    def begin_step(self, actions: Sequence[Any]) -> None:
        """Have all worlds take a step; `outcome` waits for it."""
        self._outcomes = None
        try:
            self._send("step", list(actions))
        except Gone:
            self._outcomes = self._cut_short()

    def outcome(self, row: int) -> WorldStep:
        """The results of a step of a world."""
        if self._outcomes is None:
            try:
                self._outcomes = self._answer()
            except Gone:
                self._outcomes = self._cut_short()
        outcome = self._outcomes[row]
        self._last[row], self._begun[row] = outcome.observation, outcome.begun
        return outcome

    def close(self) -> None:
        """End the process."""
        with suppress(Gone):
            self._send("close")
        self._connection.close()
        self._process.join(timeout=5)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()

    def _start(self) -> None:
        # A fork would inherit the threads' locks of torch and MuJoCo, but not the threads.
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, self._make, self.count), daemon=True)
        self._process.start()
        theirs.close()

    def _send(self, what: str, *arguments: Any) -> None:
        try:
            self._connection.send((what, arguments))
        except OSError as error:
            raise Gone from error

    def _answer(self) -> Any:
        try:
            if not self._connection.poll(self._patience_s):
                raise self._ended()
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError) as error:  # perhaps in the middle of an answer
            raise Gone from error
        if not succeeded:
            raise answer
        return answer

    @property
    def _patience_s(self) -> float:
        return max(self._timeout_s, _STARTING_S) if self._starting else self._timeout_s

    def _ended(self) -> Hangs:
        """End a process that does not answer."""
        told = f"{self.name} (process {self.process_id}) has given no answer for {self._patience_s:g} s"
        if not self._starting:
            warnings.warn(f"{told} and is replaced; --worker-timeout-s allows more", WorkerReplaced, stacklevel=2)
        self._process.kill()
        return Hangs(told)

    def _replace(self, seeds: Seeds | None = None, options: dict[str, Any] | None = None) -> list[Begun]:
        """Another process with fresh worlds; returns the episodes that began in it."""
        spare = self._on_loss(self.count)
        self._bury()
        return self._live(lambda: self.ask("reset", seeds or spare, options))

    def _live(self, ask: Callable[[], Answer]) -> Answer:
        """Start a process and ask it for a first thing; WorkersFailed where it dies of that again and again."""
        self._starting = True
        for _ in range(_MOST_STARTS):
            self._start()
            try:
                answer = ask()
            except Hangs as error:
                self._bury()
                raise WorkersFailed(f"{error} before its worlds had begun; --worker-timeout-s allows more") from None
            except Gone:
                self._bury()
                self._require_no_error()
            else:
                self._starting = False
                return answer
        raise WorkersFailed(
            f"a worker process died {_MOST_STARTS} times before its worlds had begun: "
            "is there too little memory for them? Try fewer --workers or --num-worlds"
        )

    def _require_no_error(self) -> None:
        """Raise WorkersFailed where the process ended with an error of Python, which trying again does not change."""
        if self._process.exitcode == 1:
            raise WorkersFailed(
                "a worker process ended with an error before its worlds had begun; it is printed above. Each worker "
                "begins by running the script that started it, so what a script does, other than define things, must "
                'stand under `if __name__ == "__main__":`'
            )

    def _bury(self) -> None:
        self._connection.close()
        self._process.join(timeout=5)

    def _cut_short(self) -> list[WorldStep]:
        """The process died: its episodes end where they were last seen."""
        return [
            WorldStep(last, 0.0, False, True, {LOST: True}, begun)
            for last, begun in zip(self._last, self._replace(), strict=True)
        ]


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
            self._worker.restore(self._row, state)


def _given(world: RemoteWorld) -> RemoteWorld:
    return world
