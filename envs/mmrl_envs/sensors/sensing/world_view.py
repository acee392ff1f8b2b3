"""The view that sensors read from, as `mmrl_envs.sensors.View` promises it.

Letters: N = worlds, n = those being read, k = instants per world.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices
from mmrl_envs.physics.painter_pool import Poses
from mmrl_envs.physics.world import World
from mmrl_envs.seeing.cameras import SceneCameras


class Fields(Protocol):
    """A task, as far as sensors read it."""

    def field(self, name: str) -> FloatArray:
        """Its quantity `name`, (N, ...)."""


class WorldView:
    """Some worlds, at a reset or at given physics steps of the last control step.

    Args:
        world: all N worlds.
        task: the task, whose fields can be read.
        cameras: what images are taken with.
        worlds: those being read, (n,).
        substeps: physics steps at which readings are taken, (k,); None at a reset, the only instant (k = 1).
    """

    def __init__(
        self, world: World, task: Fields, cameras: SceneCameras, worlds: Indices, substeps: Indices | None
    ) -> None:
        self.worlds = worlds
        self._world, self._task, self._cameras, self._substeps = world, task, cameras, substeps

    @property
    def begins(self) -> bool:
        """Whether the worlds begin an episode."""
        return self._substeps is None

    def __getitem__(self, name: str) -> FloatArray:
        """Output of the MuJoCo sensor `name`, (n, k, dim); a view where it is of all worlds at all steps.

        At a reset a world whose physics is broken from the start reads 0: no NaN may reach a network, and its first
        step will end the episode as a failure.
        """
        if self._substeps is None:
            return _finite_or_zero(self._world.current(name)[self.worlds, None])
        recorded = self._recorded(name)
        # the usual case, every physics step, needs no copy
        return recorded if len(self._substeps) == recorded.shape[1] else recorded[:, self._substeps]

    def steps(self, name: str) -> FloatArray:
        """Output of the MuJoCo sensor `name` at every physics step of the last control step, (n, S, dim)."""
        return self[name] if self._substeps is None else self._recorded(name)

    def _recorded(self, name: str) -> FloatArray:
        recorded = self._world.recorded(name)
        return recorded if len(self.worlds) == self._world.num_worlds else recorded[self.worlds]

    def render(self, camera: str, height: int, width: int, *, depth: bool = False) -> NDArray[Any]:
        """Images of the newest instant, (n, height, width, 3) uint8 or (n, height, width, 1) float32."""
        return self._cameras.sense(self.worlds, camera, height, width, depth=depth)

    def flow(self, camera: str, height: int, width: int, before: Poses) -> NDArray[np.float32]:
        """Optical flow from the poses `before` to the newest instant, (n, height, width, 3)."""
        return self._cameras.flow(self.worlds, camera, height, width, before)

    def field(self, name: str) -> FloatArray:
        """The task's quantity `name`, (n, ...)."""
        return self._task.field(name)[self.worlds]


def _finite_or_zero(readings: FloatArray) -> FloatArray:
    """Readings (n, k, dim), all 0 in worlds where one is not finite."""
    finite = np.isfinite(readings).all(axis=(1, 2), keepdims=True)
    return readings if finite.all() else np.where(finite, readings, 0.0)
