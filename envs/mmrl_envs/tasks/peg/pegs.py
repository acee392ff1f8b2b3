"""Peg shapes and the holes that fit them: convex cross-sections, clearances, walls made of boxes.

A peg is a prism over a convex polygon; its hole is the polygon with every edge moved outward by half the
clearance. Any convex hole is the intersection of the half-planes inside its edges, so a
box lying on the outer side of each edge line builds it exactly, and moving the boxes along their normals
changes the clearance with nothing recompiled.

Clearance is the difference of widths (hole minus peg, both sides together), in metres here.
Letters: e = edges of the polygon.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

PEG_LENGTH = 0.08
"""Length of the peg from the tool's face to its tip, metres."""
HOLE_DEPTH = 0.03
"""Depth of the hole, metres."""
WALL_THICKNESS = 0.05
"""Extent of the block around the hole, metres."""
MAX_WALLS = 16
"""Boxes in every hole, used or parked, so that all shapes compile to the same layout."""
ARC_SEGMENTS = 10
"""Edges along the arc of the semicircular peg."""
RIM_SEGMENTS = 64
"""Edges of the prism that stands for the round peg, whose corners lie on the circle.

Its flats are 0.024 mm inside of it, which is less than the walls give way. A prism, because MuJoCo's collision of a
cylinder with a box now and then takes the far face of a wall for the nearest: a contact of 50 mm for one physics step.
"""


@dataclass(frozen=True)
class PegShape:
    """One cross-section: its outline, how it is simulated, and what it needs to fit."""

    name: str
    """Name in contexts and on the command line."""
    outline: tuple[tuple[float, float], ...]
    """Corners of the convex cross-section in metres, counter-clockwise, centroid at the origin."""
    symmetry_rad: float
    """Smallest rotation that maps the shape onto itself, radians (0 for a body of revolution)."""
    paper_clearance_m: float
    """Clearance in metres used by Lee et al., "Making Sense of Vision and Touch", ICRA 2019, section V."""
    box: tuple[float, float] | None = None
    """Half-sizes in metres of the box that is the same solid, if one is; otherwise a convex mesh is used."""
    rim: tuple[tuple[float, float], ...] | None = None
    """Corners of the peg itself, like the outline, where the hole has fewer edges."""

    @property
    def corners(self) -> NDArray[np.float64]:
        """Corners of the outline, (e, 2)."""
        return np.array(self.outline)

    @property
    def peg_corners(self) -> NDArray[np.float64]:
        """Corners of the peg's own cross-section in metres, (c, 2)."""
        return np.array(self.outline if self.rim is None else self.rim)

    def edges(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Midpoints (e, 2), outward unit normals (e, 2) and lengths (e,) of the outline's edges."""
        start = self.corners
        along = np.roll(start, -1, axis=0) - start
        length = np.linalg.norm(along, axis=1)
        normal = np.stack([along[:, 1], -along[:, 0]], axis=1) / length[:, None]
        return start + along / 2, normal, length


def _regular(num_corners: int, apothem: float, turn: float = 0.0) -> tuple[tuple[float, float], ...]:
    """Regular polygon whose edges touch the circle of radius `apothem`."""
    angle = turn + 2 * np.pi * (np.arange(num_corners) + 0.5) / num_corners
    radius = apothem / np.cos(np.pi / num_corners)
    return tuple((float(radius * np.cos(a)), float(radius * np.sin(a))) for a in angle)


def _semicircle(radius: float) -> tuple[tuple[float, float], ...]:
    angle = np.linspace(0, np.pi, ARC_SEGMENTS + 1)
    corners = radius * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    following = np.roll(corners, -1, axis=0)
    cross = corners[:, 0] * following[:, 1] - corners[:, 1] * following[:, 0]
    centroid = ((corners + following) * cross[:, None]).sum(axis=0) / (3 * cross.sum())
    return tuple((float(x), float(y)) for x, y in corners - centroid)


def _circle(radius: float) -> tuple[tuple[float, float], ...]:
    return _regular(RIM_SEGMENTS, radius * np.cos(np.pi / RIM_SEGMENTS))


_BOX = mujoco.mjtGeom.mjGEOM_BOX

PEG_SHAPES: dict[str, PegShape] = {
    shape.name: shape
    for shape in (
        # The round hole is the 16-gon around the circle: its clearance is that between opposite flats.
        PegShape("round", _regular(MAX_WALLS, 0.020), 0.0, 2.15e-3, rim=_circle(0.020)),
        PegShape("square", _regular(4, 0.020), np.pi / 2, 2.24e-3, box=(0.020, 0.020)),
        PegShape("triangular", _regular(3, 0.014, np.pi / 6), 2 * np.pi / 3, 2.13e-3),
        PegShape("semicircular", _semicircle(0.023), 2 * np.pi, 1.85e-3),
        PegShape("hexagonal", _regular(6, 0.020), np.pi / 3, 2.50e-3),
    )
}


def add_peg_meshes(spec: mujoco.MjSpec) -> None:
    """Adds the meshes of all shapes, so that every variant of a scene numbers its meshes alike."""
    for shape in PEG_SHAPES.values():
        if shape.box is None:
            # the tool's z axis points down, so its y axis is opposite to that of the hole
            corners = shape.peg_corners * (1.0, -1.0)
            half = np.full((len(corners), 1), PEG_LENGTH / 2)
            vertices = np.vstack([np.hstack([corners, half]), np.hstack([corners, -half])])
            spec.add_mesh(name=f"peg_{shape.name}", uservert=vertices.ravel())


def add_peg(body: mujoco.MjsBody, shape: PegShape, offset: float, **geom: object) -> None:
    """Adds the peg as one geom "peg", from z = offset to z = offset + PEG_LENGTH in the body's frame."""
    centre = [0, 0, offset + PEG_LENGTH / 2]
    if shape.box is None:
        body.add_geom(
            name="peg",
            type=mujoco.mjtGeom.mjGEOM_MESH,
            meshname=f"peg_{shape.name}",
            pos=centre,
            **geom,
        )
    else:
        body.add_geom(name="peg", type=_BOX, size=[*shape.box, PEG_LENGTH / 2], pos=centre, **geom)


def add_hole(body: mujoco.MjsBody, shape: PegShape, *, floor: float, **geom: object) -> None:
    """Adds the block around a hole of zero clearance: boxes "wall0" ... and a "hole_floor".

    The body's origin is the centre of the hole at the height of the block's top face, z up.

    Args:
        body: the body that carries the hole.
        shape: the peg that fits it.
        floor: thickness of the plate under the hole in metres.
        geom: attributes of all the block's geoms.
    """
    middle, normal, length = shape.edges()
    depth = HOLE_DEPTH + floor
    # At a corner the two boxes meet in the wedge outside both edges: half the exterior angle each closes it.
    exterior = np.arccos(np.clip((normal * np.roll(normal, 1, axis=0)).sum(axis=1), -1, 1))
    extension = WALL_THICKNESS * np.minimum(np.tan(exterior / 2), 1.0)
    reach = np.maximum(extension, np.roll(extension, -1))
    for i in range(MAX_WALLS):
        if i < len(middle):
            centre = middle[i] + normal[i] * WALL_THICKNESS / 2
            angle = np.arctan2(normal[i, 1], normal[i, 0]) / 2
            body.add_geom(
                name=f"wall{i}",
                type=_BOX,
                size=[WALL_THICKNESS / 2, length[i] / 2 + reach[i], depth / 2],
                # Staggered by hundredths of a millimetre: where two boxes overlap, faces in one plane
                # would be lit twice.
                pos=[*centre, -depth / 2 - 3e-5 * (i % 4)],
                quat=[np.cos(angle), 0, 0, np.sin(angle)],
                **geom,
            )
        else:
            _park(body, f"wall{i}")
    radius = float(np.abs(shape.corners).max()) + 0.004
    body.add_geom(
        name="hole_floor",
        type=_BOX,
        size=[radius, radius, floor / 2],
        pos=[0, 0, -HOLE_DEPTH - floor / 2],
        **{**geom, "rgba": (0.10, 0.11, 0.13, 1.0)},
    )


def _park(body: mujoco.MjsBody, name: str) -> None:
    """A geom that touches and shows nothing, to keep the layout of all shapes equal.

    It stays a candidate for contact, of a type that nothing else answers to, because MuJoCo counts candidates
    in the layout.
    """
    body.add_geom(
        name=name,
        type=_BOX,
        size=[1e-3] * 3,
        pos=[0, 0, -0.02],
        contype=2,
        conaffinity=0,
        group=5,
        mass=0,
    )


def walls_at(model: mujoco.MjModel, shape: PegShape, clearance: NDArray[np.float64]) -> NDArray[np.float64]:
    """Places of an `add_hole` model's first e walls in holes that are wider than the peg by clearances (n,), metres.

    The bounding volumes stay those of zero clearance, which lie further in: no contact is missed.

    Returns:
        Places in the frame of the hole, (n, e, 3).
    """
    middle, normal, _ = shape.edges()
    first = model.geom("wall0").id
    places = np.tile(model.geom_pos[first : first + len(middle)], (len(clearance), 1, 1))
    places[:, :, :2] = middle + normal * (WALL_THICKNESS / 2 + clearance / 2)[:, None, None]
    return places
