"""A window for people on one of the worlds."""

from __future__ import annotations

import os
import sys
import threading
from typing import Any

import gymnasium as gym
import mujoco

from mmrl_envs.physics.world import World


class WindowClosed(gym.error.Error):
    """Somebody closed the window."""


class Viewer:
    """MuJoCo's passive viewer on world 0, opened when it is first to show something.

    Args:
        world: the worlds of which the first is shown.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        self._window: Any = None
        self._model: mujoco.MjModel | None = None
        self._threads: set[threading.Thread] = set()

    def show(self) -> None:
        """Brings the window up to date.

        Raises:
            gymnasium.error.Error: where there is no display.
            WindowClosed: once somebody has closed the window.
        """
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            # MuJoCo's viewer would end the process
            raise gym.error.Error(
                "a window needs a display, and there is none here (neither DISPLAY nor WAYLAND_DISPLAY is set); "
                'without one make films: mmrl watch without --live, render_mode="rgb_array"'
            )
        import mujoco.viewer  # opens a window system, so never at import

        if self._window is not None and not self._window.is_running():
            raise WindowClosed("the window was closed")
        model = self._world.model_of(0)
        if self._model is not model:  # the world has got another variant of the scene
            self.close()
        if self._window is None:
            self._model = model
            before = set(threading.enumerate())
            self._shown = mujoco.MjData(model)
            self._window = mujoco.viewer.launch_passive(model, self._shown)
            self._threads = set(threading.enumerate()) - before
        self._shown.qpos[:] = self._world.qpos[0]
        self._shown.mocap_pos[:] = self._world.mocap_pos[0]
        self._shown.mocap_quat[:] = self._world.mocap_quat[0]
        mujoco.mj_forward(model, self._shown)
        self._window.sync()

    def close(self) -> None:
        """Closes the window, if one is open."""
        if self._window is not None:
            self._window.close()
            self._window = None
            # A window that is still closing when the interpreter ends takes it down with it.
            for thread in self._threads:
                thread.join(timeout=5.0)
