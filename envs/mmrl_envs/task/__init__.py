"""Tasks: the contract, and checks of what a task declares and answers."""

from mmrl_envs.task.contract import Outcome, Start, Task

__all__ = ["Outcome", "Start", "Task"]
