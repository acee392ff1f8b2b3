"""The bodies of a simulated scene: what they look like, and where they are.

B is the number of bodies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.multimodal import SingleWorld
from mmrl_envs.scenes.groups import VIDEO_GROUPS
from mmrl_envs.vector_env import RobotVectorEnv


@dataclass(frozen=True, eq=False)
class BodyShape:
    """A shape that is fixed to a body."""

    name: str
    """Its own in the scene, or a number."""
    body: int
    """Number of the body."""
    kind: str
    """box, sphere, capsule, cylinder, ellipsoid or mesh."""
    place: FloatArray
    """Its centre in the frame of the body, metres, (3,)."""
    turned: FloatArray
    """Its orientation there, w, x, y, z, (4,)."""
    size: FloatArray
    """As MuJoCo has it: half sides, radii, radius and half length, metres, (3,)."""
    colour: tuple[int, ...]
    """Red, green, blue, opacity, 0 to 255."""
    vertices: NDArray[Any] | None = None
    """Of a mesh, metres, (V, 3)."""
    faces: NDArray[Any] | None = None
    """Of a mesh, three vertices each, (F, 3)."""


class SceneBodies:
    """The bodies of the first of the worlds of an engine.

    Args:
        worlds: environments of this suite.
    """

    def __init__(self, worlds: RobotVectorEnv) -> None:
        self._world = worlds.world
        self._model: mujoco.MjModel | None = None
        self.mounts: Mapping[str, str] = worlds.task.robot.mounts
        """Places on the robot that sensors may sit at, and the sites of the scene that are there."""

    def update(self) -> bool:
        """Take the present poses; returns whether these are other bodies than before."""
        model = self._world.model_of(0)
        if changed := model is not self._model:
            self._model, self._data = model, mujoco.MjData(model)
        self._data.qpos[:] = self._world.qpos[0]
        self._data.mocap_pos[:] = self._world.mocap_pos[0]
        self._data.mocap_quat[:] = self._world.mocap_quat[0]
        mujoco.mj_kinematics(model, self._data)
        return changed

    @property
    def names(self) -> list[str]:
        """A name for each body, B."""
        assert self._model is not None
        return [self._model.body(number).name or f"body {number}" for number in range(self._model.nbody)]

    @property
    def poses(self) -> FloatArray:
        """Places in metres and orientations w, x, y, z in the world, (B, 7), copies."""
        return np.concatenate([self._data.xpos, self._data.xquat], axis=1)

    def pose_of_site(self, site: str) -> tuple[FloatArray, FloatArray]:
        """The place in metres, (3,), and the rotation matrix, (3, 3), of a site in the world."""
        at = self._data.site(site)
        return at.xpos.copy(), at.xmat.reshape(3, 3).copy()

    def shapes(self) -> Iterator[BodyShape]:
        """The shapes that films show; planes, which have no end, are left out."""
        model = self._model
        assert model is not None
        for number in range(model.ngeom):
            kind = _KINDS.get(int(model.geom_type[number]))
            colour = _colour(model, number)
            if kind is not None and model.geom_group[number] in VIDEO_GROUPS and colour[3]:
                yield _solid(model, number, kind, colour)


def bodies_of(env: gym.Env[Any, Any]) -> SceneBodies | None:
    """The bodies of a robot environment of this suite; None of another."""
    inner = env.unwrapped
    if isinstance(inner, SingleWorld) and isinstance(inner.vector, RobotVectorEnv):
        return SceneBodies(inner.vector)
    return None


_TYPES = mujoco.mjtGeom
_KINDS: Mapping[int, str] = {
    int(_TYPES.mjGEOM_BOX): "box",
    int(_TYPES.mjGEOM_SPHERE): "sphere",
    int(_TYPES.mjGEOM_CAPSULE): "capsule",
    int(_TYPES.mjGEOM_CYLINDER): "cylinder",
    int(_TYPES.mjGEOM_ELLIPSOID): "ellipsoid",
    int(_TYPES.mjGEOM_MESH): "mesh",
}


def _solid(model: mujoco.MjModel, number: int, kind: str, colour: tuple[int, ...]) -> BodyShape:
    vertices, faces = _mesh(model, int(model.geom_dataid[number])) if kind == "mesh" else (None, None)
    return BodyShape(
        model.geom(number).name or str(number),
        int(model.geom_bodyid[number]),
        kind,
        model.geom_pos[number].copy(),
        model.geom_quat[number].copy(),
        model.geom_size[number].copy(),
        colour,
        vertices,
        faces,
    )


def _mesh(model: mujoco.MjModel, mesh: int) -> tuple[NDArray[Any], NDArray[Any]]:
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    first_face, faces = model.mesh_faceadr[mesh], model.mesh_facenum[mesh]
    return (
        model.mesh_vert[first : first + count].copy(),
        model.mesh_face[first_face : first_face + faces].copy(),
    )


def _colour(model: mujoco.MjModel, number: int) -> tuple[int, ...]:
    material = int(model.geom_matid[number])
    rgba = model.geom_rgba[number] if material < 0 else model.mat_rgba[material]
    return tuple(round(255 * float(part)) for part in rgba)
