"""Convex solids, and how deep they stand over the points of a plane: exact distances to their surfaces.

A face of a polytope is a plane n.x = d, and over points p + u a + v b its distance d - n.p - u n.a - v n.b is affine in
u and v; the depth of a point inside is its least distance to a face. A capsule and a cylinder need a square root more.

Letters: N = worlds, n = some of them, F = faces, rows x columns = points of a grid on the plane.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices

PRECISION = np.float32
"""Type of the images of depth: that of a metre is a tenth of a micrometre, and they take half the time."""
MOST_FACES = 256
"""Most faces of a polytope: each is an image of its own at every reading."""
_FLAT = 1e-5
"""How far inside its hull a mesh may have a face, as a share of its size, and still count as convex."""
_FAR = 1e3
"""Distance of a face that is not there, metres."""
_SURELY = 1e-6
"""By how much a face must be further than another to be left out, metres: more than images are rounded by."""
_GEOM = mujoco.mjtGeom


@dataclass(frozen=True)
class GridOnPlane:
    """Points p + u a + v b of a plane in the frame of a body, one grid for each of n worlds."""

    origin: FloatArray
    """p, (n, 3) metres."""
    along: FloatArray
    """The unit vectors a, b and their normal, as rows, (n, 3, 3)."""
    u: FloatArray
    """Places of the columns, (columns,) metres."""
    v: FloatArray
    """Places of the rows, (rows,) metres."""

    def affine(self, constant: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Parts by row, (n, F, rows), and by column of constant - normal.(p + u a + v b), of (n, F) and (n, F, 3)."""
        return self._parts(*self._planes(constant, normal))

    def affine_of_nearest(self, constant: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """As `affine`, without the planes that are further than another one at every point of every world."""
        start, slope = self._planes(constant, normal)
        reach = np.abs(slope[:, :, 0]) * _half(self.u) + np.abs(slope[:, :, 1]) * _half(self.v)
        middle = start - slope[:, :, 0] * self.u.mean() - slope[:, :, 1] * self.v.mean()
        beyond = (middle + reach).min(axis=1, keepdims=True) + _SURELY
        near = np.flatnonzero((middle - reach <= beyond).any(axis=0))
        return self._parts(start[:, near], slope[:, near])

    def _planes(self, constant: FloatArray, normal: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Distances of planes at the origin, (n, F), and how they fall along a and b, (n, F, 2)."""
        start = constant - np.einsum("nfi,ni->nf", normal, self.origin)
        return start, normal @ self.along[:, :2].transpose(0, 2, 1)

    def _parts(self, start: FloatArray, slope: FloatArray) -> tuple[FloatArray, FloatArray]:
        rows, columns = start[:, :, None] - slope[:, :, 1:] * self.v, -slope[:, :, :1] * self.u
        return rows.astype(PRECISION), columns.astype(PRECISION)

    def distance_squared(self, centre: FloatArray) -> FloatArray:
        """Squared distances of the points from centres (n, 3), square metres, (n, rows, columns)."""
        aside = np.einsum("nki,ni->nk", self.along, self.origin - centre)
        u, v = (aside[:, :1] + self.u) ** 2, (aside[:, 1:2] + self.v) ** 2
        return _image((v + aside[:, 2:] ** 2).astype(PRECISION), u.astype(PRECISION))


class Solid(ABC):
    """One geom of a body in N worlds, in the frame of the body."""

    @abstractmethod
    def take(self, world: int, model: mujoco.MjModel) -> None:
        """Takes over size and place of the geom in a world, as its model has them."""

    @abstractmethod
    def depth(self, worlds: Indices, grid: GridOnPlane) -> FloatArray:
        """Distance of the points of a grid to the surface, metres, (n, rows, columns); not positive outside."""

    @abstractmethod
    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        """Sizes and places of all worlds, (N, ...) each: the arrays themselves."""


class Polytope(Solid):
    """A box or a convex mesh.

    Args:
        geom: number of the geom.
        num_worlds: N.
        num_faces: F, the most that it has in any variant.
    """

    def __init__(self, geom: int, num_worlds: int, num_faces: int) -> None:
        self._geom = geom
        self._normal: FloatArray = np.zeros((num_worlds, num_faces, 3))
        self._offset: FloatArray = np.full((num_worlds, num_faces), _FAR)

    def take(self, world: int, model: mujoco.MjModel) -> None:
        normal, offset = faces_of(model, self._geom)
        axes, place = _frame(model, self._geom)
        turned = normal @ axes.T
        self._normal[world], self._offset[world] = 0.0, _FAR
        self._normal[world, : len(normal)] = turned
        self._offset[world, : len(normal)] = offset + turned @ place

    def depth(self, worlds: Indices, grid: GridOnPlane) -> FloatArray:
        offset = self._offset[worlds]
        count = np.count_nonzero((offset < _FAR).any(axis=0))  # those that a shape has come first
        rows, columns = grid.affine_of_nearest(offset[:, :count], self._normal[worlds, :count])
        deepest = _image(rows[:, 0], columns[:, 0])
        image = np.empty_like(deepest)
        for face in range(1, rows.shape[1]):
            np.minimum(deepest, _image(rows[:, face], columns[:, face], image), out=deepest)
        return deepest

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        return {"normal": self._normal, "offset": self._offset}


class RoundSolid(Solid, ABC):
    """A solid of revolution about the z axis of its geom.

    Args:
        geom: number of the geom.
        num_worlds: N.
    """

    def __init__(self, geom: int, num_worlds: int) -> None:
        self._geom = geom
        self._centre: FloatArray = np.zeros((num_worlds, 3))
        self._axis: FloatArray = np.zeros((num_worlds, 3))
        self._size: FloatArray = np.zeros((num_worlds, 2))  # radius and half of the length, metres

    def take(self, world: int, model: mujoco.MjModel) -> None:
        axes, self._centre[world] = _frame(model, self._geom)
        self._axis[world] = axes[:, 2]
        half = 0.0 if model.geom_type[self._geom] == _GEOM.mjGEOM_SPHERE else model.geom_size[self._geom, 1]
        self._size[world] = model.geom_size[self._geom, 0], half

    def depth(self, worlds: Indices, grid: GridOnPlane) -> FloatArray:
        centre, axis = self._centre[worlds], self._axis[worlds]
        radius, half = self._size[worlds].T[:, :, None, None].astype(PRECISION)
        rows, columns = grid.affine(np.einsum("ni,ni->n", axis, centre)[:, None], axis[:, None])
        along = _image(rows[:, 0], columns[:, 0])
        aside = np.maximum(grid.distance_squared(centre) - along**2, 0.0)
        return self._inside(np.abs(along), aside, radius, half)

    @abstractmethod
    def _inside(self, along: FloatArray, aside: FloatArray, radius: FloatArray, half: FloatArray) -> FloatArray:
        """Depth of points by distance along the axis and squared distance from it, (n, rows, columns) each."""

    def arrays(self) -> Mapping[str, NDArray[np.float64]]:
        return {"centre": self._centre, "axis": self._axis, "size": self._size}


class Capsule(RoundSolid):
    """A capsule, or a sphere, whose length is 0."""

    def _inside(self, along: FloatArray, aside: FloatArray, radius: FloatArray, half: FloatArray) -> FloatArray:
        depth: FloatArray = radius - np.sqrt(aside + np.maximum(along - half, 0.0) ** 2)
        return depth


class Cylinder(RoundSolid):
    """A cylinder."""

    def _inside(self, along: FloatArray, aside: FloatArray, radius: FloatArray, half: FloatArray) -> FloatArray:
        return np.minimum(radius - np.sqrt(aside), half - along)


_ROUND: Mapping[int, type[RoundSolid]] = {
    int(_GEOM.mjGEOM_SPHERE): Capsule,
    int(_GEOM.mjGEOM_CAPSULE): Capsule,
    int(_GEOM.mjGEOM_CYLINDER): Cylinder,
}
_FLAT_FACED = (int(_GEOM.mjGEOM_BOX), int(_GEOM.mjGEOM_MESH))


def solids_of(variants: Sequence[mujoco.MjModel], body: str, num_worlds: int) -> list[Solid]:
    """The geoms of a body that can touch anything, each as a solid of N worlds.

    Raises ValueError where there is none, and for one that is not convex, or of another kind in another variant.
    """
    number = variants[0].body(body).id
    first = variants[0]
    touching = (first.geom_bodyid == number) & ((first.geom_contype != 0) | (first.geom_conaffinity != 0))
    if not touching.any():
        raise ValueError(f"the body {body!r} has no geom that can touch a pad")
    return [_solid(variants, body, int(geom), num_worlds) for geom in np.flatnonzero(touching)]


def _solid(variants: Sequence[mujoco.MjModel], body: str, geom: int, num_worlds: int) -> Solid:
    kinds = {int(model.geom_type[geom]) for model in variants}
    if kinds <= set(_FLAT_FACED):
        return Polytope(geom, num_worlds, max(len(faces_of(model, geom)[0]) for model in variants))
    if len(kinds) == 1 and kinds <= set(_ROUND):
        return _ROUND[kinds.pop()](geom, num_worlds)
    words = ", ".join(sorted(_GEOM(kind).name.removeprefix("mjGEOM_").lower() for kind in kinds))
    raise ValueError(
        f"geom {geom} of the body {body!r} is of kind {words}; a pad feels boxes, convex meshes, spheres, cylinders "
        "and capsules, each of one kind in all variants of a scene"
    )


def faces_of(model: mujoco.MjModel, geom: int) -> tuple[FloatArray, FloatArray]:
    """Outward unit normals (F, 3) and distances (F,) in metres of the faces of a box or mesh, in the geom's frame.

    Raises ValueError for a mesh that is not convex, and for one of more than `MOST_FACES` faces.
    """
    if model.geom_type[geom] == _GEOM.mjGEOM_BOX:
        sides = np.concatenate([np.eye(3), -np.eye(3)])
        return sides, np.tile(model.geom_size[geom], 2)
    mesh = model.geom_dataid[geom]
    faces = slice(model.mesh_polyadr[mesh], model.mesh_polyadr[mesh] + model.mesh_polynum[mesh])
    normal = np.array(model.mesh_polynormal[faces])
    name = model.mesh(mesh).name
    if len(normal) > MOST_FACES:
        raise ValueError(f"mesh {name!r} has {len(normal)} faces, a pad feels at most {MOST_FACES}")
    corner = model.mesh_vert[model.mesh_vertadr[mesh] + model.mesh_polyvert[model.mesh_polyvertadr[faces]]]
    offset: FloatArray = np.einsum("fi,fi->f", normal, corner)
    _require_convex(model, mesh, normal, offset, name)
    return normal, offset


def _require_convex(model: mujoco.MjModel, mesh: int, normal: FloatArray, offset: FloatArray, name: str) -> None:
    """Raises ValueError where a triangle of a mesh lies inside the hull of its faces (F, 3), (F,)."""
    vertices = model.mesh_vert[model.mesh_vertadr[mesh] :][: model.mesh_vertnum[mesh]]
    triangles = model.mesh_face[model.mesh_faceadr[mesh] :][: model.mesh_facenum[mesh]]
    middles = vertices[triangles].mean(axis=1)
    inside = (offset - middles @ normal.T).min(axis=1).max()
    most = _FLAT * np.ptp(vertices, axis=0).max()
    if inside > most:
        raise ValueError(
            f"mesh {name!r} is not convex: a triangle lies {inside * 1e3:.3g} mm inside its hull, at most "
            f"{most * 1e3:.2g} mm may; divide it into convex geoms"
        )


def _image(rows: FloatArray, columns: FloatArray, out: NDArray[Any] | None = None) -> FloatArray:
    """The sums of parts by row (n, rows) and by column (n, columns), (n, rows, columns)."""
    image: FloatArray = np.add(rows[:, :, None], columns[:, None], out=out)
    return image


def _half(places: FloatArray) -> float:
    """Half of the length over which places lie that are evenly spaced."""
    return float(abs(places[-1] - places[0]) / 2)


def _frame(model: mujoco.MjModel, geom: int) -> tuple[FloatArray, FloatArray]:
    """Axes as columns (3, 3) and place (3,) of a geom in the frame of its body."""
    axes: FloatArray = np.zeros(9)
    mujoco.mju_quat2Mat(axes, model.geom_quat[geom])
    return axes.reshape(3, 3), np.array(model.geom_pos[geom])
