"""Cameras: colour and depth images, from the wrist or from a fixed stand."""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import ImageConv, Modality
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.viewing import add_occluded_camera

MAX_DEPTH_M = 2.0


def _look_at(position: tuple[float, ...], target: tuple[float, ...], up: tuple[float, ...]) -> list[float]:
    """Camera axes x, y (MuJoCo's `xyaxes`) that look from `position` at `target`: cameras look along -z."""
    backward = np.subtract(position, target)
    backward /= np.linalg.norm(backward)
    right = np.cross(up, backward)
    right /= np.linalg.norm(right)
    return [*right, *np.cross(backward, right)]


def _quaternion(axes: list[float]) -> NDArray[np.float64]:
    x, y = np.array(axes[:3]), np.array(axes[3:])
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([x, y, np.cross(x, y)], axis=1).ravel())
    return quat


def _encoder(height: int, width: int) -> ImageConv:
    """Strided convolutions where there are pixels enough, fine ones for a small image."""
    if min(height, width) >= 36:
        return ImageConv(channels=(16, 32, 32), kernels=(8, 4, 3), strides=(4, 2, 1), features=128)
    return ImageConv(channels=(16, 32, 32), kernels=(3, 3, 3), strides=(1, 2, 1), features=128)


class Camera(Sensor):
    """RGB images, uint8 (H, W, 3).

    Args:
        name: key in the observation.
        view: "wrist" (on the hand, beside the tool, looking at its tip) or "fixed" (on a stand, looking at
            the workspace).
        height: H in pixels.
        width: W in pixels.
        rate_hz: images per second; between images the last one is held.
    """

    noise_unit = 1.0
    newest_only = True

    def __init__(
        self,
        name: str = "camera",
        *,
        view: str = "wrist",
        height: int = 64,
        width: int = 64,
        rate_hz: float = 20.0,
    ) -> None:
        if view not in _MOUNTS:
            raise ValueError(f"unknown camera view {view!r}; views are {sorted(_MOUNTS)}")
        self.view, self.height, self.width = view, height, width
        self.modality = Modality(
            name=name,
            shape=(height, width, 3),
            rate_hz=rate_hz,
            low=0,
            high=255,
            dtype="uint8",
            encoder=_encoder(height, width),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera of this view unless another sensor has done so."""
        _install(spec, self.view)

    def read(self, view: View) -> NDArray[np.uint8]:
        """Images, (n, 1, H, W, 3)."""
        return view.render(f"{self.view}_camera", self.height, self.width)[:, None]


class Depth(Sensor):
    """Depth images in metres, float32 (H, W, 1), along the optical axis, cut off at 2 m.

    Args:
        name: key in the observation.
        view: "wrist" or "fixed".
        height: H in pixels.
        width: W in pixels.
        rate_hz: images per second.
    """

    noise_unit = 1e-3
    newest_only = True

    def __init__(
        self,
        name: str = "depth",
        *,
        view: str = "wrist",
        height: int = 64,
        width: int = 64,
        rate_hz: float = 20.0,
    ) -> None:
        if view not in _MOUNTS:
            raise ValueError(f"unknown camera view {view!r}; views are {sorted(_MOUNTS)}")
        self.view, self.height, self.width = view, height, width
        self.modality = Modality(
            name=name,
            shape=(height, width, 1),
            rate_hz=rate_hz,
            low=0.0,
            high=MAX_DEPTH_M,
            encoder=_encoder(height, width),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera of this view unless another sensor has done so."""
        _install(spec, self.view)

    def read(self, view: View) -> NDArray[np.float32]:
        """Depth images, (n, 1, H, W, 1)."""
        image = view.render(f"{self.view}_camera", self.height, self.width, depth=True)
        return np.minimum(image, MAX_DEPTH_M)[:, None]


# view -> (body, position and target in the body's frame in metres, up, vertical field of view in degrees)
_MOUNTS: dict[str, tuple[str, tuple[float, ...], tuple[float, ...], tuple[float, ...], float]] = {
    "wrist": ("hand", (0.125, 0.0, 0.02), (0.01, 0.0, 0.125), (1.0, 0.0, 0.0), 50.0),
    "fixed": ("world", (1.0, 0.0, 0.35), (0.50, 0.0, 0.06), (0.0, 0.0, 1.0), 30.0),
}


def _install(spec: mujoco.MjSpec, view: str) -> None:
    name = f"{view}_camera"
    if any(camera.name == name for camera in spec.cameras):
        return
    body, position, target, up, fovy = _MOUNTS[view]
    quat = _quaternion(_look_at(position, target, up))
    add_occluded_camera(spec.body(body), name, np.array(position), quat, fovy)
