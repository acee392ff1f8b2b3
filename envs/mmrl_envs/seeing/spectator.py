"""The worlds for people to see: frames, or a window."""

from __future__ import annotations

import gymnasium as gym
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.arguments import MAX_SIDE, check_render_mode, whole
from mmrl_envs.physics.world import World
from mmrl_envs.seeing.cameras import SceneCameras
from mmrl_envs.seeing.window import Viewer


class Spectator:
    """Shows the worlds as the render mode says.

    Args:
        mode: None, "rgb_array" or "human".
        height: of frames in pixels.
        width: of frames in pixels.

    Raises ValueError on another mode, and on a frame without pixels.
    """

    def __init__(self, mode: str | None, height: int, width: int) -> None:
        check_render_mode(mode)
        self._mode = mode
        self._size = whole("height", height, 1, MAX_SIDE), whole("width", width, 1, MAX_SIDE)

    def attach(self, world: World, cameras: SceneCameras) -> None:
        """Called once with the worlds, before anything is shown."""
        self._cameras, self._viewer = cameras, Viewer(world)

    def show(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames (height, width, 3) of every world in mode "rgb_array"; updates the window in "human"."""
        if self._mode == "human":
            self._viewer.show()
            return None
        if self._mode is None:
            raise gym.error.Error('render() needs render_mode="rgb_array" or "human" at construction')
        return tuple(self._cameras.film(*self._size))

    def close(self) -> None:
        """Closes the window."""
        self._viewer.close()
