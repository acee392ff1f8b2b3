"""The contract of every environment of the suite: worlds that declare their senses.

N is the number of worlds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.arrays import Envs, Observation
from mmrl.evaluation.figures import Figure
from mmrl.modality import Modality
from mmrl_envs.arguments import checked_seed
from mmrl_envs.context import Choice, ContextSource, Parameter
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.snapshot import OtherWorlds

StepResult = tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]
"""Observation, reward, terminated, truncated and info of a step of N worlds."""


class SelfDescribing:
    """The answers of N worlds about themselves; those here are of worlds that have nothing to say."""

    modalities: dict[str, Modality]
    """The senses by name, in the order of the observation space."""
    critic_modalities: Mapping[str, Modality] = MappingProxyType({})
    """The senses of a critic alone, by name; `info` holds the readings under these names, (N, *window_shape)."""
    senses_chosen_by: ClassVar[Literal["sensors", "modalities", "nothing"]] = "nothing"
    """How somebody has fewer senses: by the argument `sensors`, by saying how keys are read, or not at all."""
    takes_context: ClassVar[bool] = False
    """Whether `reset` takes the option "context"."""
    begins_in_mid_episode: ClassVar[bool] = False
    """Whether `reset` takes the option "elapsed_steps", numbers below `max_episode_steps`."""
    max_episode_steps: int | None = None
    """Time limit in control steps; None where there is none, or it is not known."""
    first_world: int = 0
    """The number of world 0 where several processes share the worlds; from the next reset with a seed on, world i draws
    what world `first_world` + i of a process with all of them does."""
    context_source: ContextSource | None = None
    """Asked for the contexts of the coming episodes of worlds that begin one; it overrides name by name."""

    @property
    def context_parameters(self) -> Mapping[str, Parameter | Choice]:
        """The parameters that may differ from episode to episode, by name; empty where none is declared."""
        return {}

    def require_context(self, setting: Mapping[str, Any]) -> None:
        """Raises ValueError unless a world may be given this context."""
        if setting:
            raise ValueError(f"there is no context to set, got {', '.join(map(str, setting))}")

    @property
    def incidents(self) -> dict[str, int]:
        """Counts since the worlds were made of what went wrong and was survived, of what can happen to such worlds."""
        return {}

    @property
    def clipped_readings(self) -> dict[str, int]:
        """How many readings of each sense were beyond its declared bounds since the worlds were made."""
        return {}

    @property
    def different_games(self) -> int | None:
        """How many episodes a policy that draws nothing can play at most; None where worlds draw as they go."""
        return None

    def get_state(self) -> dict[str, Any] | None:
        """All that the coming steps depend on, as arrays and plain Python; None where that is unknown."""
        return None

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues bit for bit where `get_state` was called; raises OtherWorlds where that is not possible."""
        raise OtherWorlds(f"{type(self).__name__} cannot be put back as it was")

    @property
    def sound(self) -> Sound | None:
        """The sound of the last control step in the N worlds; None where nothing is heard."""
        return None

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that describe an episode; `info` holds each under its name, (N,), for the episode so far."""
        return ()

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of the worlds, defaults resolved, as plain values; {} where none are declared."""
        return {}


def describing(envs: Envs) -> SelfDescribing:
    """The worlds within wrappers, to be asked about themselves; ValueError for some that say nothing."""
    worlds = envs.unwrapped
    if not isinstance(worlds, SelfDescribing):
        raise ValueError(f"{envs} declare no senses: make them with make_envs or make_vec_env")
    return worlds


class MultimodalVectorEnv(SelfDescribing, VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N worlds whose observation is a dict: name of a declared sense -> (N, *window_shape)."""


class GroupedWorlds(MultimodalVectorEnv):
    """Worlds in groups that step by themselves, so that a policy decides for one while another is under way.

    `send` begins a step of a group and `receive` waits for its end. `step` is both, of all groups; it may come
    between, but not while a group is under way.
    """

    groups: tuple[slice, ...]
    """The worlds of each group: slices that follow on each other."""

    @abstractmethod
    def send(self, actions: NDArray[Any], group: int = 0) -> None:
        """Begins a step of a group, with one action for each of its n worlds."""

    @abstractmethod
    def receive(self, group: int = 0) -> StepResult:
        """The results of that step: as `step`, with n in place of N."""


class SingleWorld(gym.Env[Observation, Any]):
    """World 0 of a vector environment of one: the same senses and numbers, without the leading axis.

    Args:
        vector: one world that does not restart itself within a step.
    """

    metadata: ClassVar[dict[str, Any]] = {"render_modes": []}  # type: ignore[misc]  # an instance variable in Gymnasium

    def __init__(self, vector: MultimodalVectorEnv) -> None:
        self.vector = vector
        self.render_mode = vector.render_mode
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space
        self.modalities = vector.modalities
        self.critic_modalities = vector.critic_modalities
        self.takes_context, self.require_context = vector.takes_context, vector.require_context
        self.figures = vector.figures
        rate = {"render_fps": vector.metadata["render_fps"]}
        self.metadata = {**self.metadata, **rate}  # type: ignore[misc]  # see the class attribute

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode. With a seed it is that of world 0 of a vector environment with the same seed."""
        seed = checked_seed(seed)
        observation, info = self.vector.reset(seed=seed, options=options)  # before anything else, in case it is refused
        super().reset(seed=seed)
        return self._first(observation), self._first_info(info)

    def step(self, action: Any) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One control step."""
        observation, reward, terminated, truncated, info = self.vector.step(np.asanyarray(action)[None])
        return (
            self._first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self._first_info(info),
        )

    def render(self) -> NDArray[np.uint8] | None:
        """A frame (height, width, 3) in mode "rgb_array"."""
        frames: Any = self.vector.render()
        return frames[0] if frames is not None else None

    @property
    def sound(self) -> Sound | None:
        """The sound of the last control step, (1, samples of it)."""
        return self.vector.sound

    def close(self) -> None:
        """Closes the world with all it holds."""
        self.vector.close()

    @staticmethod
    def _first(observation: Observation) -> Observation:
        return {name: array[0] for name, array in observation.items()}

    @classmethod
    def _first_info(cls, info: Mapping[str, Any]) -> dict[str, Any]:
        """Plain Python scalars, arrays for what is more than a number; the same within an info of infos.

        None stands for NaN, which not even equals itself.
        """
        return {name: cls._first_value(value) for name, value in info.items() if not name.startswith("_")}

    @classmethod
    def _first_value(cls, value: Any) -> Any:
        if isinstance(value, Mapping):
            return cls._first_info(value)
        first = value[0]
        if np.ndim(first):
            return first
        plain = first.item()
        return None if plain != plain else plain
