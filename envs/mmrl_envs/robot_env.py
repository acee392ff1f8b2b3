"""One robot behind Gymnasium's single-environment interface: world 0 of a vector environment of one."""

from __future__ import annotations

from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.tasks.base import Task
from mmrl_envs.vector_env import RobotVectorEnv

Observation = dict[str, NDArray[Any]]


class RobotEnv(gym.Env[Observation, NDArray[np.float32]]):
    """The N = 1 face of `RobotVectorEnv`: the same task, senses, context, numbers, without the leading axis.

    The time limit is left to Gymnasium's `TimeLimit` wrapper, which `gym.make` adds.

    Args:
        task: what is to be done.
        kwargs: as of `RobotVectorEnv`, except `num_envs`, `autoreset` and `max_episode_steps`.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": RobotVectorEnv.metadata["render_modes"],
        "render_fps": RobotVectorEnv.metadata["render_fps"],
        "mmrl": True,
    }

    def __init__(self, task: Task, **kwargs: Any) -> None:
        self.vector = RobotVectorEnv(task, 1, autoreset=False, max_episode_steps=None, **kwargs)
        self.render_mode = self.vector.render_mode
        self.observation_space = self.vector.single_observation_space
        self.action_space = self.vector.single_action_space
        self.modalities = self.vector.modalities
        self.privileged_size = self.vector.privileged_size

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts an episode. With a seed it is that of world 0 of a vector environment with the same seed."""
        super().reset(seed=seed)
        observation, info = self.vector.reset(seed=seed, options=options)
        return self._first(observation), self._first_info(info)

    def step(self, action: NDArray[np.float32]) -> tuple[Observation, float, bool, bool, dict[str, Any]]:
        """One control step; `terminated` only when physics failed, never truncated here."""
        observation, reward, terminated, truncated, info = self.vector.step(np.asarray(action)[None])
        return (
            self._first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            self._first_info(info),
        )

    def render(self) -> NDArray[np.uint8] | None:
        """A frame (height, width, 3) in mode "rgb_array"."""
        frames = self.vector.render()
        return frames[0] if frames is not None else None

    def close(self) -> None:
        """Closes renderers and window."""
        self.vector.close()

    @staticmethod
    def _first(observation: Observation) -> Observation:
        return {name: array[0] for name, array in observation.items()}

    @staticmethod
    def _first_info(info: dict[str, Any]) -> dict[str, Any]:
        """Plain Python scalars, arrays for what is more than a number."""
        first = {name: value[0] for name, value in info.items() if not name.startswith("_")}
        return {name: value.item() if np.ndim(value) == 0 else value for name, value in first.items()}
