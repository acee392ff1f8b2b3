"""Images without any OpenGL: one MuJoCo ray per pixel and Lambert shading.

The fallback for machines without a graphics library. The camera is the one OpenGL has (pose,
`fovy`, square pixels), so depth images agree with it; colours agree roughly. Not drawn: textures,
specular light, shadows, transparency (every visible geom is opaque), skins and flexes. Cameras with
their own intrinsics (`sensorsize`) are taken by their `fovy`. The near clipping plane is ignored: a
camera inside a geom sees the inside of it.

P = height x width pixels, row by row from the top left.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.physics.flow import Surfaces

_DIRECTIONAL = int(mujoco.mjtLightType.mjLIGHT_DIRECTIONAL)
_SPOT = int(mujoco.mjtLightType.mjLIGHT_SPOT)
_ORTHOGRAPHIC = int(mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC)
_UNSET_RGBA = (0.5, 0.5, 0.5, 1.0)  # MuJoCo's default: such a geom shows its material's colour


class _Seen(NamedTuple):
    """The surfaces that rays through the pixels of a camera meet."""

    geoms: NDArray[np.int32]
    """Nearest geom (P,), -1 for none."""
    distance: FloatArray
    """Its distance along the ray, (P,) metres."""
    along_axis: FloatArray
    """The same along the optical axis, (P,) metres."""
    normals: FloatArray
    """Its surface normals, (3, P)."""
    directions: FloatArray
    """The rays in the world, (3, P) of length 1."""
    hit: NDArray[np.bool_]
    """Where there is a geom before the far clipping plane, (P,)."""
    far: float
    """Distance of that plane in metres."""


class RaycastPainter:
    """Draws posed scenes by ray casting; used by one thread at a time.

    Args:
        geom_groups: geom groups (0 to 5) that are seen.
    """

    def __init__(self, geom_groups: Sequence[int]) -> None:
        self._groups = np.zeros(mujoco.mjNGROUP, np.uint8)
        self._groups[list(geom_groups)] = 1
        self._grid_key: tuple[int, int, float] | None = None
        self._grid: FloatArray = np.zeros((3, 0))

    def paint(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: int,
        image: NDArray[np.generic],
        *,
        depth: bool,
    ) -> None:
        """Fill `image` with what a camera sees.

        Args:
            model: the scene.
            data: its state, with positions of geoms, cameras and lights computed.
            camera: camera id.
            image: (H, W, 3) uint8, or with `depth` (H, W, 1) float32 metres along the optical axis;
                where nothing is hit, black, or the distance of the far clipping plane.
            depth: whether distances are wanted.

        Raises:
            ValueError: the camera is orthographic.
        """
        height, width = image.shape[:2]
        seen = self._seen(model, data, camera, height, width)
        if depth:
            image[..., 0] = np.where(seen.hit, seen.along_axis, seen.far).reshape(height, width)
        else:
            points = data.cam_xpos[camera][:, None] + seen.distance * seen.directions
            light = _light(model, data, points, seen.normals, seen.directions)
            colour = np.take(_geom_colours(model), seen.geoms, axis=1) * light
            colour = np.minimum(colour, 1.0) * (255.0 * seen.hit) + 0.5
            image[...] = colour.astype(np.uint8).T.reshape(height, width, 3)

    def surfaces(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, height: int, width: int) -> Surfaces:
        """The geom that a camera sees in each pixel, -1 for none, and how far away it is.

        Raises:
            ValueError: the camera is orthographic.
        """
        seen = self._seen(model, data, camera, height, width)
        geoms = np.where(seen.hit, seen.geoms, -1).astype(np.int32)
        return Surfaces(geoms.reshape(height, width), seen.along_axis.reshape(height, width))

    def close(self) -> None:
        """Nothing is held."""

    def _seen(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, height: int, width: int) -> _Seen:
        if int(model.cam_projection[camera]) == _ORTHOGRAPHIC:
            raise ValueError(f"camera {model.camera(camera).name!r} is orthographic; ray casting cannot draw it")
        rays = self._rays(height, width, float(model.cam_fovy[camera]))
        directions = data.cam_xmat[camera].reshape(3, 3) @ rays  # (3, P) camera -> world
        far = float(model.vis.map.zfar * model.stat.extent)
        geoms, distance, normals = self._cast(model, data, data.cam_xpos[camera], directions, far / -rays[2, 0])
        along_axis = distance * -rays[2]
        return _Seen(geoms, distance, along_axis, normals, directions, (geoms >= 0) & (along_axis <= far), far)

    def _rays(self, height: int, width: int, fovy: float) -> FloatArray:
        """Unit directions (3, P) through the pixel centres, in the camera frame: x right, y up, -z
        on."""
        key = (height, width, fovy)
        if key != self._grid_key:
            half = math.tan(math.radians(fovy) / 2)
            up = half * (1.0 - 2.0 * (np.arange(height) + 0.5) / height)
            right = half * (2.0 * (np.arange(width) + 0.5) - width) / height
            x, y = np.meshgrid(right, up)
            grid = np.stack([x, y, -np.ones_like(x)]).reshape(3, -1)
            self._grid = grid / np.linalg.norm(grid, axis=0)
            self._grid_key = key
        return self._grid

    def _cast(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        origin: FloatArray,
        directions: FloatArray,
        cutoff: float,
    ) -> tuple[NDArray[np.int32], FloatArray, FloatArray]:
        """Nearest geom id (P,), -1 for none, distance in metres (P,), surface normal (3, P)."""
        count = directions.shape[1]
        geoms, distance = np.empty(count, np.int32), np.empty(count)
        normals = np.zeros(3 * count)
        rays = directions.T.reshape(-1)  # MuJoCo wants x, y, z of one ray side by side
        mujoco.mj_multiRay(
            model, data, origin, rays, self._groups, True, -1,
            geoms, distance, normals, count, cutoff,
        )  # fmt: skip
        return geoms, distance, np.ascontiguousarray(normals.reshape(count, 3).T)


def _geom_colours(model: mujoco.MjModel) -> FloatArray:
    """(3, ngeom) in [0, 1]: a geom's own colour, or its material's when it has none of its own."""
    rgba = np.asarray(model.geom_rgba, np.float64)
    from_material = (model.geom_matid >= 0) & (rgba == _UNSET_RGBA).all(axis=1)
    if from_material.any():
        rgba = np.where(from_material[:, None], model.mat_rgba[model.geom_matid], rgba)
    return rgba[:, :3].T


def _light(
    model: mujoco.MjModel, data: mujoco.MjData, points: FloatArray, normals: FloatArray, directions: FloatArray
) -> FloatArray:
    """Ambient plus diffuse light (3, P) that the points get from the headlight and the lights."""
    head = model.vis.headlight
    total = np.zeros_like(points)
    if head.active:
        facing = np.maximum(-(normals * directions).sum(axis=0), 0.0)
        total += _column(head.ambient) + _column(head.diffuse) * facing
    for light in np.flatnonzero(model.light_active):
        axis = data.light_xdir[light]
        if int(model.light_type[light]) == _DIRECTIONAL:
            strength = np.maximum(-axis @ normals, 0.0)
        else:
            strength = _lamp(model, int(light), axis, points - _column(data.light_xpos[light]), normals)
        total += _column(model.light_ambient[light]) + _column(model.light_diffuse[light]) * strength
    return total


def _lamp(model: mujoco.MjModel, light: int, axis: FloatArray, beams: FloatArray, normals: FloatArray) -> FloatArray:
    """Diffuse strength (P,) of a light that has a place; `beams` (3, P) run from it to the points.

    A spotlight fades by OpenGL's rule: cos(angle to its axis) ** exponent, nothing beyond the
    cut-off.
    """
    beams = beams / np.maximum(np.sqrt((beams * beams).sum(axis=0)), 1e-9)
    facing: FloatArray = np.maximum(-(beams * normals).sum(axis=0), 0.0)
    if int(model.light_type[light]) != _SPOT:
        return facing
    aligned = np.maximum(axis @ beams, 0.0)
    inside = aligned >= math.cos(math.radians(float(model.light_cutoff[light])))
    return facing * inside * aligned ** float(model.light_exponent[light])


def _column(values: FloatArray) -> FloatArray:
    return np.asarray(values, np.float64)[:, None]
