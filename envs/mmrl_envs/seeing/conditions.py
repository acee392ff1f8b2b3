"""Conditions of seeing: where the cameras really are, how the lamp shines, what covers part of the view.

They are drawn when an episode begins and hold until it ends. All are context parameters of every robot task and
leave the scene as it is by default. They touch nothing but the fields of a world's model that are drawn, so
physics and all other senses stay bit for bit what they are.

Every camera that sensors install carries a plate, the occluder, on its line of sight: see
`add_occluded_camera`. The spectator's camera is none of these and stays where it is.

Letters: n = worlds being reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.groups import SCENE_GROUP

_GROUP = "viewing"
VIEWING = (
    Parameter("camera_shift_m", 0.0, 0.0, 0.05, "distance of the cameras from their place, direction drawn", _GROUP),
    Parameter("camera_turn_rad", 0.0, 0.0, 0.5, "turn of the cameras from their aim, axis drawn", _GROUP),
    Parameter("light_azimuth_rad", 0.0, -np.pi, np.pi, "turn of the lamp about the vertical", _GROUP),
    Parameter("light_intensity", 1.0, 0.0, 3.0, "diffuse brightness of the lamp as a share of its usual one", _GROUP),
    Parameter("occluder_size", 0.0, 0.0, 1.0, "side of a plate before the cameras as a share of image height", _GROUP),
    Parameter("occluder_x", 0.0, -1.0, 1.0, "its centre, right of the image's in halves of image height", _GROUP),
    Parameter("occluder_y", 0.0, -1.0, 1.0, "its centre, above the image's in halves of image height", _GROUP),
)

_DISTANCE = 0.02
"""From a camera to its plate in metres: beyond the near clipping plane and before anything else."""
_HALF_THICKNESS = 2.5e-4
_REACH = 0.1
"""Farthest that a part of a plate comes from where its camera belongs, metres."""
_PLATE = (0.16, 0.15, 0.14, 1.0)


def add_occluded_camera(
    body: mujoco.MjsBody, name: str, position: FloatArray, quaternion: FloatArray, fovy: float
) -> None:
    """Adds a camera and its plate, `name`_occluder, which touches nothing, weighs nothing and is not seen yet.

    Args:
        body: what carries both.
        name: of the camera.
        position: of the camera in the body's frame, (3,).
        quaternion: orientation of the camera in the body's frame, (4,).
        fovy: vertical field of view in degrees.
    """
    body.add_camera(name=name, pos=position, quat=quaternion, fovy=fovy)
    holder = body.add_body(name=f"{name}_occluder", pos=position)
    holder.add_geom(
        name=f"{name}_occluder",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        # All that the plate may ever reach, on a body of its own: rays pass by bodies whose compiled bounds they miss.
        size=[_REACH] * 3,
        # Off the holder's own frame, or the compiler would fix it there.
        pos=[0.0, 0.0, _DISTANCE],
        quat=quaternion,
        rgba=(*_PLATE[:3], 0.0),
        group=SCENE_GROUP,
        mass=0.0,
        contype=0,
        conaffinity=0,
    )


@dataclass(frozen=True)
class _Occluded:
    """A camera with its plate, as ids, and where the camera belongs."""

    camera: int
    plate: int
    position: FloatArray
    """(3,) in the body's frame."""
    quaternion: FloatArray
    """(4,) in the body's frame."""
    half_height: float
    """Of the image at the distance of the plate, metres."""


class Viewing:
    """Gives the worlds their conditions of seeing.

    Args:
        world: the worlds.
    """

    group = _GROUP
    """Of the parameters, and of the random streams."""

    def __init__(self, world: World) -> None:
        self._world = world
        model = world.template
        self._cameras = [_occluded(model, i) for i in range(model.ncam) if _plate_of(model, i) >= 0]
        self._light_direction = model.light_dir.copy()
        self._light_diffuse = model.light_diffuse.copy()

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> None:
        """Sets the model fields of some worlds for their next episode.

        Args:
            worlds: which, (n,).
            context: drawn parameters, each (n,).
            streams: gives directions and axes.
        """
        drawn = streams.normal(worlds, (2, 3))
        drawn /= np.linalg.norm(drawn, axis=2, keepdims=True)
        shift = drawn[:, 0] * context["camera_shift_m"][:, None]
        half = context["camera_turn_rad"][:, None] / 2
        turn = np.concatenate([np.cos(half), np.sin(half) * drawn[:, 1]], axis=1)
        plate = np.stack([context[f"occluder_{what}"] for what in ("x", "y", "size")], axis=1)
        for occluded in self._cameras:
            self._place(worlds, occluded, shift, turn, plate)
        self._light(worlds, context["light_azimuth_rad"][:, None], context["light_intensity"])

    def _place(
        self, worlds: IntArray, occluded: _Occluded, shift: FloatArray, turn: FloatArray, plate: FloatArray
    ) -> None:
        """Puts a camera `shift` (n, 3) metres from its place, turned by the quaternions `turn` (n, 4) in its own frame.

        Its plate (n, 3), x, y and size, is held before it, facing it, or hidden where the size is 0.
        """
        position = occluded.position + shift
        quaternion = np.array([_product(occluded.quaternion, each) for each in turn])
        x, y, size = plate.T * np.array([occluded.half_height] * 3)[:, None]
        # In the frame of the holder, which is that of the camera's body with its origin where the camera belongs.
        ahead = np.stack([x, y, np.full(len(worlds), -_DISTANCE)], axis=1)
        centre = np.array([_rotated(vector, each) for vector, each in zip(ahead, quaternion, strict=True)])
        half = np.stack([size, size, np.full(len(worlds), _HALF_THICKNESS)], axis=1)
        colour = np.concatenate([np.tile(_PLATE[:3], (len(worlds), 1)), plate[:, 2:] > 0], axis=1)
        fields = {
            "geom_pos": position - occluded.position + centre,
            "geom_quat": quaternion,
            "geom_size": half,
            # What rays are first tested against.
            "geom_rbound": np.array([np.linalg.norm(each) for each in half]),
            "geom_aabb": np.concatenate([np.zeros_like(half), half], axis=1),
            "geom_rgba": colour,
        }
        for field, values in {"cam_pos": position, "cam_quat": quaternion}.items():
            self._world.write(field, worlds, values[:, None], np.array([occluded.camera]))
        for field, values in fields.items():
            self._world.write(field, worlds, values[:, None], np.array([occluded.plate]))

    def _light(self, worlds: IntArray, azimuth: FloatArray, intensity: FloatArray) -> None:
        """Turns the lamps by azimuths (n, 1) in radians and dims them by intensities (n,)."""
        x, y, z = self._light_direction.T
        sine, cosine = np.sin(azimuth), np.cos(azimuth)
        turned = [cosine * x - sine * y, sine * x + cosine * y, np.tile(z, (len(worlds), 1))]
        self._world.write("light_dir", worlds, np.stack(turned, axis=2))
        self._world.write("light_diffuse", worlds, intensity[:, None, None] * self._light_diffuse)


def _plate_of(model: mujoco.MjModel, camera: int) -> int:
    name = f"{model.camera(camera).name}_occluder"
    return int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_GEOM.value, name))


def _occluded(model: mujoco.MjModel, camera: int) -> _Occluded:
    return _Occluded(
        camera=camera,
        plate=_plate_of(model, camera),
        position=model.cam_pos[camera].copy(),
        quaternion=model.cam_quat[camera].copy(),
        half_height=_DISTANCE * float(np.tan(np.radians(model.cam_fovy[camera]) / 2)),
    )


def _product(one: FloatArray, other: FloatArray) -> FloatArray:
    """Product of two quaternions (4,)."""
    product = np.zeros(4)
    mujoco.mju_mulQuat(product, one, other)
    return product


def _rotated(vector: FloatArray, quaternion: FloatArray) -> FloatArray:
    """A vector (3,) turned by a quaternion (4,)."""
    turned = np.zeros(3)
    mujoco.mju_rotVecQuat(turned, vector, quaternion)
    return turned
