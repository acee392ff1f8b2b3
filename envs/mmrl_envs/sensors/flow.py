"""Optical flow as the simulator knows it: what a network that sees and acts can learn to foretell."""

from __future__ import annotations

import math
from collections.abc import Mapping

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, ImageConv, Modality
from mmrl_envs.arguments import MAX_SIDE, whole
from mmrl_envs.physics.flow import CHANNELS
from mmrl_envs.physics.painter_pool import Poses
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.camera import Place, placed_camera

_MOST_HZ = 1000.0
"""So that the rate is the policy's, whatever that is: a flow that was held would be one of another step."""


class Flow(Sensor):
    """True optical flow of the last control step (H, W, 3): pixels right, pixels down, and 1 where it is known.

    It says for each pixel of the picture before the step where the point of the surface there has gone in the picture
    after it, moved by its body and by the camera's own movement; within the picture or beyond its edge, hidden or not.
    Zeros where no surface was, and at the first reading of an episode. Only critics and objectives may have it
    (`critic_sensors`).

    Args:
        name: key in the info.
        view: "wrist", "fixed" or "head", as of `Camera`.
        height: H in pixels, which are the unit as well.
        width: W in pixels.
        position: as in `Camera`, and so for the next three.
        target: likewise.
        up: likewise.
        fovy: likewise.
        encoder: how a critic encodes it; unset is two coarse convolutions.
    """

    newest_only = True
    for_critics = True

    def __init__(  # noqa: PLR0913 - an option each, by keyword
        self,
        name: str = "flow",
        *,
        view: str = "wrist",
        height: int = 32,
        width: int = 32,
        position: Place | None = None,
        target: Place | None = None,
        up: Place | None = None,
        fovy: float | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        self._place = placed_camera(name, view, position, target, up, fovy)
        self.requires = self._place.requires
        self.height, self.width = whole("height", height, 1, MAX_SIDE), whole("width", width, 1, MAX_SIDE)
        self._memory: dict[str, NDArray[np.float64]] = {}
        self.modality = Modality(
            name=name,
            shape=(self.height, self.width, CHANNELS),
            rate_hz=_MOST_HZ,
            low=(-math.inf, -math.inf, 0.0),
            high=(math.inf, math.inf, 1.0),
            unit=("px", "px", ""),
            labels=("right", "down", "known"),
            encoder=encoder or _coarse_conv(self.height, self.width),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera unless another sensor has done so."""
        self._place.install(spec, self.mounts)

    def attach(self, world: World) -> None:
        """Makes room for the poses of the last reading."""
        self._world = world
        self._memory = {name: np.zeros_like(live) for name, live in self._live().items()}

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """The poses of the last reading, as of `World`, (N, ...) each."""
        return self._memory

    def read(self, view: View) -> NDArray[np.float32]:
        """Flows, (n, 1, H, W, 3)."""
        if view.begins:
            flow = np.zeros((len(view.worlds), *self.modality.shape), np.float32)
        else:
            before = Poses(**{name: kept[view.worlds] for name, kept in self._memory.items()})
            flow = view.flow(self._place.camera, self.height, self.width, before)
        for name, live in self._live().items():
            self._memory[name][view.worlds] = live[view.worlds]
        return flow[:, None]

    def _live(self) -> dict[str, NDArray[np.float64]]:
        world = self._world
        return Poses(world.qpos, world.mocap_pos, world.mocap_quat)._asdict()


def _coarse_conv(height: int, width: int) -> ImageConv:
    """Two convolutions with large strides, or one pixel by one where the picture is too small for them."""
    if min(height, width) < 12:
        return ImageConv(channels=(16,), kernels=(1,), strides=(1,), features=32)
    return ImageConv(channels=(16, 16), kernels=(4, 3), strides=(4, 2), features=32)
