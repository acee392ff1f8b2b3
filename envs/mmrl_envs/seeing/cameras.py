"""Images of the worlds as they stand, for policies and for people.

Letters: N = worlds, n = a subset.
"""

from __future__ import annotations

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Indices
from mmrl_envs.physics.painter_pool import Poses
from mmrl_envs.physics.rendering import Renderer, make_renderer
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.groups import POLICY_GROUPS, VIDEO_GROUPS

SCENE_CAMERA = "scene_camera"
"""The name of the camera of a scene that spectators see by."""


class SceneCameras:
    """The cameras of the scene; each kind of image gets its renderer when it is first asked for.

    Args:
        world: the worlds to be seen.
        num_threads: threads for what sensors see, 0 for one per core.
    """

    def __init__(self, world: World, num_threads: int) -> None:
        self._world, self._num_threads = world, num_threads
        self._policy_renderer: Renderer | None = None
        self._video_renderer: Renderer | None = None
        self._failures = 0  # of renderers that are closed

    def sense(self, worlds: Indices, camera: str, height: int, width: int, *, depth: bool) -> NDArray[Any]:
        """Images for sensors: no arm, shadows or backdrop; shaped and typed as `Renderer.render` gives them, n rows."""
        return self._draw(self._for_policies(), worlds, camera, height, width, depth=depth)

    def flow(self, worlds: Indices, camera: str, height: int, width: int, before: Poses) -> NDArray[np.float32]:
        """Optical flow of what sensors see from poses of n worlds to the present ones, as `Renderer.flow` gives it."""
        models = [self._world.model_of(w) for w in worlds]
        return self._for_policies().flow(models, before, self._poses(worlds), camera, height, width)

    def film(self, height: int, width: int) -> NDArray[np.uint8]:
        """Every world seen by the spectator's camera, (N, height, width, 3). Raises ValueError where there is none."""
        if self._video_renderer is None:
            _require_scene_camera(self._world.template)
            self._video_renderer = make_renderer(
                self._world.template, num_threads=1, quality="video", geom_groups=VIDEO_GROUPS
            )
        every = np.arange(self._world.num_worlds)
        return self._draw(self._video_renderer, every, SCENE_CAMERA, height, width, depth=False)

    @property
    def failures(self) -> int:
        """How often OpenGL failed so that something else had to draw."""
        return self._failures + sum(renderer.failures for renderer in self._renderers())

    def _for_policies(self) -> Renderer:
        if self._policy_renderer is None:
            self._policy_renderer = make_renderer(
                self._world.template,
                num_threads=self._num_threads or None,
                quality="policy",
                geom_groups=POLICY_GROUPS,
            )
        return self._policy_renderer

    def _poses(self, worlds: Indices) -> Poses:
        world = self._world
        return Poses(world.qpos[worlds], world.mocap_pos[worlds], world.mocap_quat[worlds])

    def _renderers(self) -> list[Renderer]:
        return [renderer for renderer in (self._policy_renderer, self._video_renderer) if renderer is not None]

    def close(self) -> None:
        """Closes the renderers; the next image opens a new one."""
        self._failures = self.failures
        for renderer in self._renderers():
            renderer.close()
        self._policy_renderer = self._video_renderer = None

    def _draw(
        self,
        renderer: Renderer,
        worlds: Indices,
        camera: str,
        height: int,
        width: int,
        *,
        depth: bool,
    ) -> NDArray[Any]:
        return renderer.render(
            [self._world.model_of(w) for w in worlds],
            *self._poses(worlds),
            camera,
            height,
            width,
            depth=depth,
        )


def _require_scene_camera(model: mujoco.MjModel) -> None:
    if SCENE_CAMERA not in [model.camera(i).name for i in range(model.ncam)]:
        raise ValueError(
            f"films show what the camera {SCENE_CAMERA!r} of the scene sees, and this scene has none: add it by "
            f'spec.worldbody.add_camera(name="{SCENE_CAMERA}", ...) in the scenes of the task'
        )
