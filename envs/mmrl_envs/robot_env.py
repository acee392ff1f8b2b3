"""One robot behind Gymnasium's single-environment interface: world 0 of a vector environment of one."""

from __future__ import annotations

from typing import Any, ClassVar

from mmrl_envs.multimodal import SingleWorld
from mmrl_envs.tasks.base import Task
from mmrl_envs.vector_env import RobotVectorEnv


class RobotEnv(SingleWorld):
    """The N = 1 face of `RobotVectorEnv`: the same task, senses, context, numbers, without the leading axis.

    `terminated` comes true only when physics failed, `truncated` never: the time limit is left to Gymnasium's
    `TimeLimit` wrapper, which `gym.make` adds.

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
        super().__init__(RobotVectorEnv(task, 1, autoreset=False, max_episode_steps=None, **kwargs))
