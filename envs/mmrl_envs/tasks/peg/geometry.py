"""Where a peg can stand in its hole: how deep it is in the block, how far it leans, and what of that can be.

A simulated wall gives way under force, so a peg that is pushed stands a little in it. One that stands deeper than
forces explain has got through: that is no insertion, whatever the depth of its tip.

Frame: that of the hole, its origin at the centre of the hole in the face of the block, z up, turned with the hole.

Letters: n = pegs, c = corners of the cross-section, e = edges of the hole, each with a wall.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.tasks.peg.pegs import HOLE_DEPTH, PEG_LENGTH, PegShape

MAX_DEPTH_IN_BLOCK = 1e-3
"""How deep a peg that counts as inserted may stand in the block, metres: all force that the usual controller has, used
to turn and to push, presses one 0.8 mm deep, and for a moment 1.2 mm where it is turned about."""
BROKEN_DEPTH_IN_BLOCK = 3e-3
"""Depth in the block from which a peg has got through it, metres: a millimetre deep a wall is as stiff as it gets, and
to get here would take kilonewtons."""
MAX_TILT = 0.05
"""How far a peg that counts as inserted may lean, radians: 1.5 mm over the depth of the hole. That is five times the
lean of one that is pushed every way at fixed orientation, and less than 2 mm of clearance leave room for."""
OVER_BLOCK_M = 0.03
"""Distance of a tip from the middle of the hole within which there is block around all its corners, metres."""
OVER_FLOOR_M = 5e-3
"""Distance from the middle of the hole within which only its floor is below the middle of a tip, metres."""
REACH_M = 0.03
"""Height of the middle of a tip from which no corner of it can be in the block, metres."""


@dataclass(frozen=True)
class _Outlines:
    """A peg's cross-section and the walls of a hole that has no clearance, as arrays."""

    section: FloatArray
    """Corners of the peg in the tool's frame, (c, 2) metres."""
    normal: FloatArray
    """Outward normals of the walls, (2, e)."""
    inset: FloatArray
    """Distance of the walls' faces from the middle of the hole along their normals, (e,) metres."""


@cache
def _outlines(shape: PegShape) -> _Outlines:
    middle, normal, _ = shape.edges()
    section = shape.peg_corners * (1.0, -1.0)  # the tool's y axis is opposite to that of the hole
    return _Outlines(section, normal.T, (middle * normal).sum(axis=1))


def depth_in_block(shape: PegShape, clearance: FloatArray, position: FloatArray, rotation: FloatArray) -> FloatArray:
    """How deep a peg stands in the walls and the floor of its hole, metres; not positive: in none, (n,).

    Nothing is said, by a zero, of pegs so far aside that they may stand beyond the block.

    Args:
        shape: of the pegs.
        clearance: width of the holes minus that of the peg, metres, (n,).
        position: of the middle of the tip, metres, (n, 3).
        rotation: the tool's axes as columns, z out of the tool, (n, 3, 3).
    """
    outlines = _outlines(shape)
    tip = position[:, None] + outlines.section @ rotation[:, :, :2].transpose(0, 2, 1)  # (n, c, 3)
    axis = rotation[:, None, :, 2]
    below = np.maximum(-tip[:, :, 2], 0.0)
    # Where the peg's long edges pass the face of the block, or end: the peg is convex, so nothing stands further out
    up = np.minimum(below / np.maximum(-axis[:, :, 2], 1e-9), PEG_LENGTH)
    ends = np.stack([tip, tip - up[:, :, None] * axis], axis=1)[..., :2]  # (n, 2, c, 2)
    beyond = ends @ outlines.normal - outlines.inset  # (n, 2, c, e)
    aside = beyond.max(axis=(1, 3)) - clearance[:, None] / 2
    in_walls = np.minimum(aside, below).max(axis=1)
    away = np.linalg.norm(position[:, :2], axis=1)
    in_floor = np.where(away < OVER_FLOOR_M, -position[:, 2] - HOLE_DEPTH, -np.inf)
    deepest: FloatArray = np.where(away < OVER_BLOCK_M, np.maximum(in_walls, in_floor), 0.0)
    return deepest


def tilt(rotation: FloatArray) -> FloatArray:
    """Angle in radians between pegs with axes (n, 3, 3) and their holes, (n,)."""
    angle: FloatArray = np.arctan2(np.hypot(rotation[:, 0, 2], rotation[:, 1, 2]), -rotation[:, 2, 2])
    return angle


def into_hole_frame(vectors: FloatArray, yaw: FloatArray) -> FloatArray:
    """Vectors in W (n, 3) in the frames of holes that are turned by yaws (n,)."""
    cos, sin = np.cos(yaw), np.sin(yaw)
    x, y, z = vectors.T
    return np.stack([cos * x + sin * y, cos * y - sin * x, z], axis=1)
