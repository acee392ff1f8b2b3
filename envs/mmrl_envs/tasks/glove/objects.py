"""26 rigid things of a size for the hand, made of convex parts.

Lengths in this module are in millimetres where a part is described, and in metres where it is built.
Frame: that of the thing; where its origin lies does not matter.

Letters: p = points.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TypeAlias

import mujoco
import numpy as np

from mmrl.arrays import FloatArray

Triple: TypeAlias = tuple[float, float, float]
_GEOM = mujoco.mjtGeom
_RIM = 48
"""Points of a circle that stand for it where the lowest one is asked for, and sides of the prism of a round wall."""


@dataclass(frozen=True)
class Part:
    """A convex part."""

    kind: str
    """Sphere, capsule, cylinder, box or mesh."""
    size: tuple[float, ...]
    """As MuJoCo has it: radius, radius and half of the length, or half sizes; none of a mesh."""
    at: Triple = (0.0, 0.0, 0.0)
    """Its middle."""
    axis: Triple = (0.0, 0.0, 1.0)
    """Direction of its z axis."""
    turn: float = 0.0
    """Angle about that axis, radians."""
    corners: tuple[Triple, ...] = ()
    """Of a mesh, which is their hull."""

    def add_to(self, spec: mujoco.MjSpec, body: mujoco.MjsBody, name: str, **attributes: object) -> None:
        """Adds the geom, and its mesh."""
        kind = getattr(_GEOM, f"mjGEOM_{self.kind.upper()}")
        if self.corners:
            spec.add_mesh(name=name, uservert=(1e-3 * np.array(self.corners)).ravel())
            body.add_geom(type=kind, meshname=name, **attributes)
        else:
            size = 1e-3 * np.array([*self.size, 0.0, 0.0])[:3]
            body.add_geom(type=kind, size=size, pos=1e-3 * np.array(self.at), quat=self._quat(), **attributes)

    def _quat(self) -> FloatArray:
        tilt, turn, both = np.zeros(4), np.array([np.cos(self.turn / 2), 0, 0, np.sin(self.turn / 2)]), np.zeros(4)
        mujoco.mju_quatZ2Vec(tilt, np.array(self.axis, np.float64))
        mujoco.mju_mulQuat(both, tilt, turn)
        return both

    def outline(self) -> tuple[FloatArray, float]:
        """Points (p, 3) and a radius, metres: the part is the hull of balls of that radius about them."""
        if self.corners:
            return 1e-3 * np.array(self.corners), 0.0
        points, radius = _OUTLINES[self.kind](self.size)
        turn = np.zeros(9)
        mujoco.mju_quat2Mat(turn, self._quat())
        return 1e-3 * (points @ turn.reshape(3, 3).T + self.at), 1e-3 * radius


def _of_sphere(size: Sequence[float]) -> tuple[FloatArray, float]:
    return np.zeros((1, 3)), size[0]


def _of_capsule(size: Sequence[float]) -> tuple[FloatArray, float]:
    return np.array([[0, 0, -size[1]], [0, 0, size[1]]]), size[0]


def _of_cylinder(size: Sequence[float]) -> tuple[FloatArray, float]:
    circle = _circle(_RIM, size[0])
    return np.concatenate([np.insert(circle, 2, end, axis=1) for end in (-size[1], size[1])]), 0.0


def _of_box(size: Sequence[float]) -> tuple[FloatArray, float]:
    return np.array(list(itertools.product(*((-half, half) for half in size)))), 0.0


_OUTLINES = {"sphere": _of_sphere, "capsule": _of_capsule, "cylinder": _of_cylinder, "box": _of_box}


def _circle(number: int, radius: float, first: float = 0.0) -> FloatArray:
    angle = first + 2 * np.pi * np.arange(number) / number
    return radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)


def _box(x: float, y: float, z: float, at: Triple = (0, 0, 0), turn: float = 0.0) -> Part:
    return Part("box", (x / 2, y / 2, z / 2), at, turn=turn)


def _rod(start: Triple, end: Triple, radius: float) -> Part:
    """A capsule between the middles of its ends."""
    first, last = np.array(start, np.float64), np.array(end, np.float64)
    x, y, z = (first + last) / 2
    along = last - first
    half = float(np.linalg.norm(along) / 2)
    return Part("capsule", (radius, half), (x, y, z), tuple(along / (2 * half)))


def _cylinder(radius: float, length: float, at: Triple = (0, 0, 0), axis: Triple = (0, 0, 1)) -> Part:
    return Part("cylinder", (radius, length / 2), at, axis)


def _hull(points: Sequence[Sequence[float]] | FloatArray) -> Part:
    return Part("mesh", (), corners=tuple((float(x), float(y), float(z)) for x, y, z in points))


def _prism(outline: FloatArray, height: float, low: float = 0.0, top: float = 1.0) -> Part:
    """Over an outline in the plane; the top is so many times as large."""
    return _hull(
        np.concatenate([np.insert(outline, 2, low, axis=1), np.insert(top * outline, 2, low + height, axis=1)])
    )


def _round(radius: Triple, share: tuple[float, float] = (-1.0, 1.0), rings: int = 9, around: int = 14) -> Part:
    """An ellipsoid between two heights, shares of its half height."""
    heights = np.sin(np.linspace(np.arcsin(share[0]), np.arcsin(share[1]), rings))
    points = [
        [*(np.sqrt(max(0.0, 1 - z * z)) * xy), z]
        for i, z in enumerate(heights)
        for xy in _circle(around, 1.0, np.pi / around * (i % 2))
    ]
    return _hull(np.unique(np.round(np.array(points) * radius, 6), axis=0))


def _wall(inner: float, outer: float, height: float, low: float, parts: int = 12) -> list[Part]:
    """A round wall of convex pieces."""
    inside, outside = _circle(parts, inner), _circle(parts, outer)
    pieces = []
    for i in range(parts):
        j = (i + 1) % parts
        pieces.append(_prism(np.stack([inside[i], outside[i], outside[j], inside[j]]), height, low))
    return pieces


def _torus(ring: float, tube: float, parts: int = 14) -> list[Part]:
    corners = [(float(x), float(y), 0.0) for x, y in _circle(parts, ring)]
    return [_rod(start, end, tube) for start, end in zip(corners, corners[1:] + corners[:1], strict=True)]


_STAR = [
    _prism(np.stack([_circle(5, 17, np.pi / 5)[i - 1], _circle(5, 46)[i], _circle(5, 17, np.pi / 5)[i]]), 22)
    for i in range(5)
]

THINGS: Mapping[str, Sequence[Part]] = MappingProxyType(
    {
        "ball": [Part("sphere", (32,))],
        "egg": [_round((24, 24, 36))],
        "dome": [_round((36, 36, 36), (0.0, 1.0), rings=6)],
        "cube": [_box(50, 50, 50)],
        "brick": [_box(95, 54, 32)],
        "tile": [_box(76, 76, 12)],
        "bar": [_box(110, 18, 18)],
        "can": [_cylinder(29, 88)],
        "puck": [_cylinder(36, 20)],
        "marker": [_rod((-46, 0, 0), (46, 0, 0), 11)],
        "pill": [_rod((-22, 0, 0), (22, 0, 0), 20)],
        "three-sided prism": [_prism(_circle(3, 34), 80)],
        "six-sided prism": [_prism(_circle(6, 27), 64)],
        "cone": [_prism(_circle(32, 34), 76, top=0.02)],
        "pyramid": [_prism(_circle(4, 44), 56, top=0.01)],
        "tetrahedron": [_hull(np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) * 27)],
        "octahedron": [_hull(np.concatenate([np.eye(3), -np.eye(3)]) * 42)],
        "ring": _torus(34, 8),
        "tape": _wall(25, 38, 24, 0),
        "cup": [*_wall(26, 33, 62, 0), _prism(_circle(12, 33), 7)],
        "cross": [_box(92, 22, 22), _box(22, 92, 22)],
        "angle": [_box(84, 24, 24), _box(24, 60, 24, (-30, 42, 0))],
        "T": [_box(88, 24, 24), _box(24, 60, 24, (0, 42, 0))],
        "star": [*_STAR, _prism(_circle(5, 17, np.pi / 5), 22)],
        "dumbbell": [
            Part("sphere", (20,), (-34, 0, 0)),
            Part("sphere", (20,), (34, 0, 0)),
            _rod((-34, 0, 0), (34, 0, 0), 10),
        ],
        "hammer": [_cylinder(15, 66, (0, 46, 0), (1, 0, 0)), _rod((0, 40, 0), (0, -48, 0), 11)],
    }
)
"""The things by name."""
