"""Whoever acts while episodes are recorded: a trained policy, the script of a task, or chance."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium as gym
from numpy.typing import NDArray

from mmrl_agents.policies.loading import LoadedPolicy
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_envs.multimodal import SingleWorld
from mmrl_envs.tasks.experts.by_task import find_expert
from mmrl_envs.vector_env import RobotVectorEnv

RANDOM, EXPERT = "random", "expert"


class Actor(ABC):
    """Acts in one world."""

    @abstractmethod
    def begin(self, seed: int) -> None:
        """Begin an episode."""

    @abstractmethod
    def act(self, observation: Mapping[str, NDArray[Any]]) -> Any:
        """The action for what is observed now."""


class PolicyActor(Actor):
    """Acts by a trained policy's best actions."""

    def __init__(self, trained: TrainedPolicy) -> None:
        self._policy = LoadedPolicy(trained)

    def begin(self, seed: int) -> None:
        self._policy.reset()

    def act(self, observation: Mapping[str, NDArray[Any]]) -> Any:
        return self._policy.act({name: observation[name] for name in self._policy.modalities})


class RandomActor(Actor):
    """Draws actions evenly from their space."""

    def __init__(self, world: gym.Env[Any, Any]) -> None:
        self._space = world.action_space

    def begin(self, seed: int) -> None:
        self._space.seed(seed)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> Any:
        return self._space.sample()


class ScriptActor(Actor):
    """Acts by the script of a task.

    Raises ValueError for a world whose task has none.
    """

    def __init__(self, world: gym.Env[Any, Any], env_id: str) -> None:
        inner = world.unwrapped
        if not (isinstance(inner, SingleWorld) and isinstance(inner.vector, RobotVectorEnv)):
            raise ValueError(f"{env_id} has no script: record a policy, or random")
        self._worlds, self._make = inner.vector, find_expert(env_id)

    def begin(self, seed: int) -> None:
        self._script = self._make(self._worlds)

    def act(self, observation: Mapping[str, NDArray[Any]]) -> Any:
        return self._script({name: reading[None] for name, reading in observation.items()})[0]


def worlds_of(
    source: str, env: str | None, checkpoint: str, trust: Sequence[str]
) -> tuple[WorldSpec, TrainedPolicy | None]:
    """The worlds to record in, and the policy where the source is one.

    Raises ValueError for a policy with another environment, and for a script or chance without one.
    """
    if source in (RANDOM, EXPERT):
        if env is None:
            raise ValueError(f"{source} acts in any environment: name one, --env mmrl/PegInsertion-v0")
        return WorldSpec(env), None
    try:
        trained = load_policy(source, checkpoint=checkpoint, trust=trust)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"{error}; without a policy act {EXPERT} and {RANDOM}") from error
    if env is not None and env != trained.env_id:
        raise ValueError(f"{source} was trained in {trained.env_id}, not in {env}: leave out --env")
    return trained.worlds, trained


def make_actor(source: str, spec: WorldSpec, world: gym.Env[Any, Any], trained: TrainedPolicy | None) -> Actor:
    """The actor that `source` names."""
    if trained is not None:
        return PolicyActor(trained)
    return RandomActor(world) if source == RANDOM else ScriptActor(world, spec.env)
