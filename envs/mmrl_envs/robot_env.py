"""One robot behind Gymnasium's single-environment interface: world 0 of a vector environment of one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from mmrl_envs.multimodal import SingleWorld
from mmrl_envs.task import Task
from mmrl_envs.vector_env import RobotVectorEnv


class RobotEnv(SingleWorld):
    """The N = 1 face of `RobotVectorEnv`: the same task, senses, context, numbers, without the leading axis.

    `terminated` comes true when physics failed or the task ends the episode, `truncated` never: the time limit is left
    to Gymnasium's `TimeLimit` wrapper, which `gym.make` adds.

    Args:
        task: what is to be done.
        kwargs: those of `RobotVectorEnv`, except `num_envs`, `autoreset` and `max_episode_steps`.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": RobotVectorEnv.metadata["render_modes"],
        "render_fps": RobotVectorEnv.metadata["render_fps"],
        "mmrl": True,
    }

    def __init__(self, task: Task, **kwargs: Any) -> None:
        self._worlds = RobotVectorEnv(task, 1, autoreset=False, max_episode_steps=None, **kwargs)
        super().__init__(self._worlds)

    def get_state(self) -> dict[str, Any]:
        """As `RobotVectorEnv.get_state`; the step count of a `TimeLimit` around it is not part of it."""
        return self._worlds.get_state()

    def set_state(self, state: Mapping[str, Any]) -> None:
        """As `RobotVectorEnv.set_state`."""
        self._worlds.set_state(state)
