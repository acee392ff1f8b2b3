"""A robot is a body and its controller; it knows no task."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import mujoco

from mmrl_envs.controllers.base import Controller


class Robot(ABC):
    """A body that tasks put into their scenes: a description, without state."""

    controller: Controller
    """How actions drive it."""
    joints: Sequence[str]
    """Names of the joints that proprioception reports."""
    mounts: Mapping[str, str]
    """Places for sensors: "wrist", "tip" or "head" -> the name of a site."""

    @abstractmethod
    def install(self, spec: mujoco.MjSpec) -> None:
        """Add body, mounts, actuators and own MuJoCo sensors to a scene."""
