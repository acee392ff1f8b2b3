"""Surfaces as points in space, a set of varying size."""

from __future__ import annotations

import math

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import DeepSets, EncoderSpec, Modality
from mmrl_envs.arguments import number, whole
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.camera import MAX_DEPTH_M, Mount, Place, placed_camera

MOST_POINTS = 4096
"""M at most: a depth image of 64 x 64 pixels."""
LEAST_REACH_M = 1e-3
"""Least reach in metres: within none no point would ever exist."""


class PointCloud(Sensor):
    """Points (M, 4) where fixed rays of a depth camera meet a surface: x, y, z in metres, and whether one is in reach.

    They are the same rays in every reading, evenly spread over a square image, whose corners would be more than M. The
    axes are those of the frame in which the camera stands, the hand's (z along the tool), the trunk's or the world's,
    and the origin is the place at which it looks.

    Args:
        name: key in the observation.
        points: M, from 1 to 4096.
        view: "wrist", "fixed" or "head", as of `Camera`.
        reach_m: depth in metres from which a point does not exist, at least 1 mm; unset is twice the distance of the
            place that the camera looks at.
        rate_hz: readings per second.
        position: as in `Camera`, and so for the next three.
        target: likewise.
        up: likewise.
        fovy: likewise.
        encoder: how a policy encodes the set; unset is two layers for each point and one for all.
    """

    noise_unit = (1e-3, 1e-3, 1e-3, 0.0)
    newest_only = True

    def __init__(  # noqa: PLR0913 - an option each, by keyword
        self,
        name: str = "point_cloud",
        *,
        points: int = 128,
        view: str = "wrist",
        reach_m: float | None = None,
        rate_hz: float = 20.0,
        position: Place | None = None,
        target: Place | None = None,
        up: Place | None = None,
        fovy: float | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        points = whole("points", points, 1, MOST_POINTS)
        self._place = placed_camera(name, view, position, target, up, fovy)
        self.requires = self._place.requires
        self._side = math.isqrt(points - 1) + 1
        self._pixels = np.linspace(0, self._side**2 - 1, points).round().astype(np.intp)
        self._rays = _rays(self._place.mount, self._side)[self._pixels]
        self._origin = np.subtract(self._place.mount.position, self._place.mount.target)
        reach = min(2.0 * float(np.linalg.norm(self._origin)), MAX_DEPTH_M)
        self._reach = reach if reach_m is None else number("reach_m", reach_m, LEAST_REACH_M, MAX_DEPTH_M)
        self.modality = Modality(
            name=name,
            shape=(points, 4),
            rate_hz=rate_hz,
            low=(-10.0, -10.0, -10.0, 0.0),
            high=(10.0, 10.0, 10.0, 1.0),
            unit=("m", "m", "m", ""),
            labels=("x", "y", "z", "exists"),
            # decimetres and centimetres: neighbouring points are a centimetre apart
            encoder=encoder or DeepSets((64, 64), 64, squash=(10.0, 60.0)),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera unless another sensor has done so."""
        self._place.install(spec, self.mounts)

    def read(self, view: View) -> NDArray[np.float32]:
        """Points, (n, 1, M, 4); zeros where there is none."""
        image = view.render(self._place.camera, self._side, self._side, depth=True)
        depth = image.reshape(len(image), -1)[:, self._pixels, None]  # (n, side, side, 1) -> (n, M, 1)
        exists = depth < self._reach
        points = np.where(exists, depth * self._rays + self._origin, 0.0)
        return np.concatenate([points, exists], axis=2).astype(np.float32)[:, None]


def _rays(mount: Mount, side: int) -> NDArray[np.float64]:
    """Ways through the middles of the pixels of a square image to a depth of one, row by row, (side * side, 3).

    They are in the frame in which the camera stands.
    """
    half = math.tan(math.radians(mount.fovy) / 2)
    places = half * (2.0 * (np.arange(side) + 0.5) / side - 1.0)
    x, y = np.meshgrid(places, -places)  # the first row of an image is its top
    axes = np.zeros(9)
    mujoco.mju_quat2Mat(axes, mount.quaternion())
    rays: NDArray[np.float64] = np.stack([x, y, -np.ones_like(x)], axis=2).reshape(-1, 3) @ axes.reshape(3, 3).T
    return rays
