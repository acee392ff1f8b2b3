"""Cameras: colour and depth images, from the wrist, from a fixed stand, or from where you put them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, Modality
from mmrl.modality.image import usual_conv
from mmrl_envs.arguments import MAX_SIDE, number, numbers, whole
from mmrl_envs.seeing.conditions import add_occluded_camera
from mmrl_envs.sensors.base import Requires, Sensor, View

MAX_DEPTH_M = 2.0
NARROWEST, WIDEST = 1.0, 170.0
"""Bounds of a vertical field of view in degrees."""

_WORLD = "world"
Place = Sequence[float]
"""x, y, z in metres."""


@dataclass(frozen=True)
class Mount:
    """The body that holds a camera, and how the camera looks at the scene."""

    on: str
    """Mount of the robot whose body carries it, such as "wrist", or "world"."""
    position: tuple[float, ...]
    """Place of the camera in the frame of that body, metres."""
    target: tuple[float, ...]
    """Place that the middle of the image shows, in the same frame, metres."""
    up: tuple[float, ...]
    """Direction that is up in the image, in the same frame."""
    fovy: float
    """Vertical field of view in degrees."""

    def __post_init__(self) -> None:
        """Raises ValueError where the camera would look nowhere, or not know which way is up."""
        number("fovy", self.fovy, NARROWEST, WIDEST)
        looks = np.subtract(self.target, self.position)
        if not np.linalg.norm(looks) > 0:
            raise ValueError(f"a camera needs a target away from its position, got {self.target} for both")
        if not np.linalg.norm(np.cross(self.up, looks)) > 0:
            raise ValueError(f"up must not point along the line of sight {tuple(looks.tolist())}, got {self.up}")

    def quaternion(self) -> NDArray[np.float64]:
        """Orientation w, x, y, z of the camera in the body's frame; cameras look along -z."""
        backward = np.subtract(self.position, self.target)
        backward /= np.linalg.norm(backward)
        right = np.cross(self.up, backward)
        right /= np.linalg.norm(right)
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, np.stack([right, np.cross(backward, right), backward], axis=1).ravel())
        return quat


MOUNTS: Mapping[str, Mount] = MappingProxyType(
    {
        "wrist": Mount("wrist", (0.125, 0.0, 0.02), (0.01, 0.0, 0.125), (1.0, 0.0, 0.0), 50.0),
        "head": Mount("head", (0.0, 0.0, 0.0), (0.25, 0.0, -0.3), (0.0, 0.0, 1.0), 60.0),
        "fixed": Mount(_WORLD, (1.0, 0.0, 0.35), (0.50, 0.0, 0.06), (0.0, 0.0, 1.0), 30.0),
    }
)
"""Where the cameras of each view are, unless their arguments say otherwise."""


class Camera(Sensor):
    """RGB images, uint8 (H, W, 3).

    Args:
        name: key in the observation.
        view: "wrist" (on the hand, beside the tool, looking at its tip), "fixed" (on a stand, looking at the workspace)
            or "head" (of a walker, looking at the ground ahead).
        height: H in pixels.
        width: W in pixels.
        rate_hz: images per second; between images the last one is held.
        position: place of the camera in metres, in the frame of the hand (z along the tool), of the trunk or of the
            world; unset is the view's own, and so for the next three.
        target: place in the same frame that it looks at.
        up: direction in the same frame that is up in the image.
        fovy: vertical field of view in degrees.
        encoder: how a policy encodes the images; unset is convolutions that fit their size.
    """

    noise_unit = 1.0
    newest_only = True

    def __init__(  # noqa: PLR0913 - an option each, by keyword
        self,
        name: str = "camera",
        *,
        view: str = "wrist",
        height: int = 64,
        width: int = 64,
        rate_hz: float = 20.0,
        position: Place | None = None,
        target: Place | None = None,
        up: Place | None = None,
        fovy: float | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        self._place = placed_camera(name, view, position, target, up, fovy)
        self.requires = self._place.requires
        self.height, self.width = whole("height", height, 1, MAX_SIDE), whole("width", width, 1, MAX_SIDE)
        self.modality = Modality(
            name=name,
            shape=(self.height, self.width, 3),
            rate_hz=rate_hz,
            low=0,
            high=255,
            dtype="uint8",
            labels=("red", "green", "blue"),
            encoder=encoder or usual_conv(self.height, self.width),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera unless another sensor has done so."""
        self._place.install(spec, self.mounts)

    def read(self, view: View) -> NDArray[np.uint8]:
        """Images, (n, 1, H, W, 3)."""
        return view.render(self._place.camera, self.height, self.width)[:, None]


class Depth(Sensor):
    """Depth images in metres, float32 (H, W, 1), along the optical axis, cut off at 2 m.

    Args:
        name: key in the observation.
        view: "wrist", "fixed" or "head".
        height: H in pixels.
        width: W in pixels.
        rate_hz: images per second.
        position: as in `Camera`, and so for the rest.
        target: likewise.
        up: likewise.
        fovy: likewise.
        encoder: likewise.
    """

    noise_unit = 1e-3
    newest_only = True

    def __init__(  # noqa: PLR0913 - an option each, by keyword
        self,
        name: str = "depth",
        *,
        view: str = "wrist",
        height: int = 64,
        width: int = 64,
        rate_hz: float = 20.0,
        position: Place | None = None,
        target: Place | None = None,
        up: Place | None = None,
        fovy: float | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        self._place = placed_camera(name, view, position, target, up, fovy)
        self.requires = self._place.requires
        self.height, self.width = whole("height", height, 1, MAX_SIDE), whole("width", width, 1, MAX_SIDE)
        self.modality = Modality(
            name=name,
            shape=(self.height, self.width, 1),
            rate_hz=rate_hz,
            low=0.0,
            high=MAX_DEPTH_M,
            unit="m",
            labels=("depth",),
            encoder=encoder or usual_conv(self.height, self.width),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the camera unless another sensor has done so."""
        self._place.install(spec, self.mounts)

    def read(self, view: View) -> NDArray[np.float32]:
        """Depth images, (n, 1, H, W, 1)."""
        image = view.render(self._place.camera, self.height, self.width, depth=True)
        return np.minimum(image, MAX_DEPTH_M)[:, None]


@dataclass(frozen=True)
class PlacedCamera:
    """A camera of the scene."""

    camera: str
    """Its name there; sensors with a view's own mount share one."""
    mount: Mount

    @property
    def requires(self) -> Requires:
        return Requires(mounts=() if self.mount.on == _WORLD else (self.mount.on,))

    def install(self, spec: mujoco.MjSpec, mounts: Mapping[str, str]) -> None:
        if any(camera.name == self.camera for camera in spec.cameras):
            return
        mount = self.mount
        place = np.array(mount.position)
        body = spec.worldbody if mount.on == _WORLD else spec.site(mounts[mount.on]).parent
        add_occluded_camera(body, self.camera, place, mount.quaternion(), mount.fovy)


def placed_camera(
    name: str, view: str, position: Place | None, target: Place | None, up: Place | None, fovy: float | None
) -> PlacedCamera:
    """The camera of a view, or one of its own where something about it is given."""
    if view not in MOUNTS:
        raise ValueError(f"unknown camera view {view!r}; views are {sorted(MOUNTS)}")
    usual = MOUNTS[view]
    mount = Mount(
        usual.on,
        usual.position if position is None else numbers("position", position, 3),
        usual.target if target is None else numbers("target", target, 3),
        usual.up if up is None else numbers("up", up, 3),
        usual.fovy if fovy is None else number("fovy", fovy, NARROWEST, WIDEST),
    )
    return PlacedCamera(f"{view}_camera" if mount == usual else f"{name}/camera", mount)
