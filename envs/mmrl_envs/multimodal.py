"""What every environment of the suite is: worlds that declare their senses.

N is the number of worlds.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

from mmrl.evaluation.figures import Figure
from mmrl.modality import Modality
from mmrl_envs.arguments import checked_seed

Observation = dict[str, NDArray[Any]]


class MultimodalVectorEnv(VectorEnv[Observation, NDArray[Any], NDArray[Any]]):
    """N worlds whose observation is a dict: name of a declared sense -> (N, *window_shape)."""

    modalities: dict[str, Modality]
    """The senses by name, in the order of the observation space."""

    @property
    def privileged_size(self) -> int:
        """Size P of `info["privileged"]`, (N, P), which only a critic may see; 0 without any."""
        return 0

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that describe an episode; `info` holds each under its name, (N,), for the episode so far."""
        return ()

    @property
    def settings(self) -> dict[str, Any]:
        """What the worlds are built with, defaults resolved, as plain values; {} where nothing is told."""
        return {}


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
    def receive(
        self, group: int = 0
    ) -> tuple[Observation, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]:
        """What that step gave: as `step`, with n in place of N."""


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
        self.privileged_size = vector.privileged_size
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
