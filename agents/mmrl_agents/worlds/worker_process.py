"""The process of a worker, from its own side: it makes worlds and answers what is asked of them."""

import pickle
import signal
from collections.abc import Callable, Mapping
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

import gymnasium as gym

from mmrl_agents.worlds import global_random

Maker = Callable[[], gym.Env[Any, Any]]
Seeds = list[int | None]
Begun = tuple[Any, dict[str, Any]]
"""Observation and info that an episode begins with."""


class WorldStep(NamedTuple):
    """A step of one world."""

    observation: Any
    reward: float
    terminated: bool
    truncated: bool
    info: dict[str, Any]
    begun: Begun | None
    """The next episode where this one is over."""


def serve(connection: Connection, make: Maker, count: int) -> None:
    """The work of a worker process, until it is asked to close or its parent is gone."""
    for number in (signal.SIGINT, signal.SIGHUP):  # Ctrl-C and a terminal that closes are the parent's to answer
        signal.signal(number, signal.SIG_IGN)
    worlds: list[gym.Env[Any, Any]] = []

    def describe() -> dict[str, Any]:
        env = worlds[0]
        names = ("observation_space", "action_space", "metadata", "modalities", "contexts", "figures")
        return {name: env.get_wrapper_attr(name) for name in names if env.has_wrapper_attr(name)}

    def reset(seeds: Seeds, options: dict[str, Any] | None) -> list[Begun]:
        return [env.reset(seed=seed, options=options) for env, seed in zip(worlds, seeds, strict=True)]

    def step(actions: list[Any]) -> list[WorldStep]:
        outcomes = []
        for env, action in zip(worlds, actions, strict=True):
            observation, reward, terminated, truncated, info = env.step(action)
            begun = env.reset() if terminated or truncated else None
            outcomes.append(WorldStep(observation, float(reward), bool(terminated), bool(truncated), info, begun))
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
        "get_generators": global_random.get_state,
        "set_generators": global_random.set_state,
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


def _portable(error: Exception) -> Exception:
    """An error that survives the way to another process, at the cost of its type if need be."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
