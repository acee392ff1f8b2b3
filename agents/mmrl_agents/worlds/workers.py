"""Worlds that step in processes of their own, side by side; a process that dies is replaced and the rest goes on.

For environments of other packages, which come one at a time and keep the interpreter busy while they step.
"""

import itertools
import multiprocessing
import pickle
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from multiprocessing.connection import Connection
from typing import Any, NamedTuple, TypeVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl_agents.experience.episodes import LOST
from mmrl_agents.worlds import global_random
from mmrl_agents.worlds.infos import SideBySide
from mmrl_envs.snapshot import OtherWorlds

_MOST_STARTS = 3  # of one worker, before it has done anything


class _Gone(Exception):
    """The process of a worker is no more, which no world's own exception can be mistaken for."""


Maker = Callable[[], gym.Env[Any, Any]]
Answer = TypeVar("Answer")
Seeds = list[int | None]
Begun = tuple[Any, dict[str, Any]]
"""Observation and info that an episode begins with."""


class Outcome(NamedTuple):
    """A step of one world."""

    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    begun: Begun | None
    """The next episode where this one is over."""


class WorkerWorlds(SideBySide):
    """N single environments, the same everywhere, spread over processes; otherwise as Gymnasium's SyncVectorEnv.

    Autoreset is SAME_STEP. When a process dies, killed for want of memory, say, another takes its place: the
    episodes of its worlds are truncated where they were, their last info says `worker_lost`, and new ones begin.
    `lost` counts the processes.

    Args:
        make: makes a world; pickled, so no lambda.
        num_worlds: N.
        num_workers: processes, at most N.
    """

    def __init__(self, make: Maker, num_worlds: int, num_workers: int) -> None:
        shares = np.array_split(np.arange(num_worlds), min(num_workers, num_worlds))
        self.lost = 0
        self._spare_seeds = np.random.default_rng()
        self.workers = [Worker(make, len(share), self._replaced) for share in shares]
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

    def _shared(self, rows: list[Any]) -> Iterator[tuple["Worker", list[Any]]]:
        """Every worker with what is meant for its worlds."""
        ends = itertools.accumulate(worker.count for worker in self.workers)
        return ((worker, rows[end - worker.count : end]) for worker, end in zip(self.workers, ends, strict=True))

    def _replaced(self, count: int) -> Seeds:
        self.lost += 1
        return [int(seed) for seed in self._spare_seeds.integers(2**31, size=count)]


class Worker:
    """A process with some worlds, as the process that learns sees it."""

    def __init__(self, make: Maker, count: int, on_loss: Callable[[int], Seeds]) -> None:
        """`on_loss` hears of a death and gives seeds for the episodes that begin after it."""
        self.count = count
        self._make, self._on_loss = make, on_loss
        self._last: list[Any] = [None] * count
        self._begun: list[Begun | None] = [None] * count
        self._outcomes: list[Outcome] | None = None
        self._beginning: tuple[Seeds, dict[str, Any] | None] | None = None
        self.description: Mapping[str, Any] = self._live(lambda: self.ask("describe"))

    @property
    def process_id(self) -> int | None:
        """Of the process that is at work now."""
        return self._process.pid

    def ask(self, what: str, *arguments: Any) -> Any:
        """Sends a request and waits for its answer; raises what the world raised, _Gone if the process is."""
        self._send(what, *arguments)
        return self._answer()

    def begin_episodes(self, seeds: Seeds, options: dict[str, Any] | None) -> None:
        """Have all worlds begin an episode; `episode` waits for it."""
        self._beginning = (seeds, options)
        with suppress(_Gone):  # `episode` will find out
            self._send("reset", *self._beginning)

    def episode(self, row: int) -> tuple[Any, dict[str, Any]]:
        """How the episode began that was asked for, or that began by itself."""
        if self._beginning is not None:
            beginning, self._beginning = self._beginning, None
            try:
                self._begun[:] = self._answer()
            except _Gone:
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
        except _Gone:
            self._outcomes = self._cut_short()

    def outcome(self, row: int) -> Outcome:
        """What the step of a world came to."""
        if self._outcomes is None:
            try:
                self._outcomes = self._answer()
            except _Gone:
                self._outcomes = self._cut_short()
        outcome = self._outcomes[row]
        self._last[row], self._begun[row] = outcome.observation, outcome.begun
        return outcome

    def close(self) -> None:
        """End the process."""
        with suppress(_Gone):
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
            raise _Gone from error

    def _answer(self) -> Any:
        try:
            succeeded, answer = self._connection.recv()
        except (EOFError, OSError) as error:  # perhaps in the middle of an answer
            raise _Gone from error
        if not succeeded:
            raise answer
        return answer

    def _replace(self, seeds: Seeds | None = None, options: dict[str, Any] | None = None) -> list[Begun]:
        """Another process with fresh worlds; returns the episodes that began in it."""
        spare = self._on_loss(self.count)
        self._bury()
        return self._live(lambda: self.ask("reset", seeds or spare, options))

    def _live(self, ask: Callable[[], Answer]) -> Answer:
        """Start a process and ask it for a first thing; RuntimeError where it dies of that again and again."""
        for _ in range(_MOST_STARTS):
            self._start()
            try:
                return ask()
            except _Gone:
                self._bury()
        raise RuntimeError(
            f"a worker process died {_MOST_STARTS} times before its worlds had begun: "
            "is there too little memory for them? Try fewer --workers or --num-worlds"
        )

    def _bury(self) -> None:
        self._connection.close()
        self._process.join(timeout=5)

    def _cut_short(self) -> list[Outcome]:
        """The process died: its episodes end where they were last seen."""
        return [
            Outcome(last, 0.0, False, True, {LOST: True}, begun)
            for last, begun in zip(self._last, self._replace(), strict=True)
        ]


class RemoteWorld(gym.Env[Any, Any]):
    """One world of a worker."""

    def __init__(self, worker: Worker, row: int) -> None:
        self._worker, self._row = worker, row
        for name, value in worker.description.items():
            setattr(self, name, value)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """The episode that began when all worlds were reset, or by itself."""
        return self._worker.episode(self._row)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """What came of the action that all worlds were sent."""
        outcome = self._worker.outcome(self._row)
        return outcome.observation, outcome.reward, outcome.terminated, outcome.truncated, outcome.info

    def get_state(self) -> dict[str, Any]:
        """As the world's own; raises `OtherWorlds` where its process has died, until a step replaces that."""
        try:
            state: dict[str, Any] = self._worker.ask("get_state", self._row)
        except _Gone as error:
            raise OtherWorlds("the process of its world has died") from error
        return state

    def set_state(self, state: Mapping[str, Any]) -> None:
        """As the world's own."""
        try:
            self._worker.restore(self._row, state)
        except _Gone as error:
            raise OtherWorlds("the process of its world has died") from error


def serve(connection: Connection, make: Maker, count: int) -> None:
    """What a worker process does until it is told to close or its parent is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to answer
    worlds: list[gym.Env[Any, Any]] = []

    def describe() -> dict[str, Any]:
        env = worlds[0]
        names = ("observation_space", "action_space", "metadata", "modalities")
        return {name: env.get_wrapper_attr(name) for name in names if env.has_wrapper_attr(name)}

    def reset(seeds: Seeds, options: dict[str, Any] | None) -> list[Begun]:
        return [env.reset(seed=seed, options=options) for env, seed in zip(worlds, seeds, strict=True)]

    def step(actions: list[Any]) -> list[Outcome]:
        outcomes = []
        for env, action in zip(worlds, actions, strict=True):
            observation, reward, terminated, truncated, info = env.step(action)
            begun = env.reset() if terminated or truncated else None
            outcomes.append(Outcome(observation, float(reward), bool(terminated), bool(truncated), info, begun))
        return outcomes

    def get_state(row: int) -> Any:
        return worlds[row].get_wrapper_attr("get_state")()

    def set_state(row: int, state: Mapping[str, Any]) -> Any:
        worlds[row].get_wrapper_attr("set_state")(state)
        return worlds[row].get_wrapper_attr("last_observation")

    answers: dict[str, Callable[..., Any]] = {
        "describe": describe,
        "reset": reset,
        "step": step,
        "get_state": get_state,
        "set_state": set_state,
        "take_generators": global_random.take,
        "restore_generators": global_random.restore,
    }
    while True:
        try:
            what, arguments = connection.recv()
        except (EOFError, OSError):
            break
        if what == "close":
            break
        try:
            while len(worlds) < count:
                worlds.append(make())
            connection.send((True, answers[what](*arguments)))
        except BrokenPipeError:
            break
        except Exception as error:
            connection.send((False, _portable(error)))
    for env in worlds:
        env.close()


def _given(world: RemoteWorld) -> RemoteWorld:
    return world


def _portable(error: Exception) -> Exception:
    """An error that survives the way to another process, at the cost of its type if need be."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
