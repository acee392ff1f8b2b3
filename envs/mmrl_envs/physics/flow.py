"""Optical flow from geometry: where each point that a camera sees has gone between two poses of a scene.

Geoms are rigid, so a point keeps its place in the frame of its geom, and the camera's own movement counts as well: the
flow is the exact scene flow of what is drawn, projected.

G geoms, H x W pixels. Camera frames have x to the right, y up and look along -z; the flow is x to the right and y down,
as the rows and columns of an image are counted.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray

CHANNELS = 3
"""Flow to the right, flow down, and whether it is known."""
_NEAREST_M = 1e-4
"""Distance along the optical axis below which a point is in no picture, metres."""


class Surfaces(NamedTuple):
    """The part of a scene that a camera sees."""

    geoms: NDArray[np.int32]
    """The geom in each pixel, (H, W); -1 for none."""
    metres: NDArray[np.float64]
    """Its distance along the optical axis, (H, W)."""


class Placement(NamedTuple):
    """The frames of all geoms and of a camera in a pose of the scene, in the world."""

    geom_pos: FloatArray
    """(G, 3) metres."""
    geom_axes: FloatArray
    """(G, 3, 3), geom -> world."""
    camera_pos: FloatArray
    """(3,) metres."""
    camera_axes: FloatArray
    """(3, 3), camera -> world."""


def placement_of(data: mujoco.MjData, camera: int) -> Placement:
    """A copy of the frames in `data`, whose geoms and cameras are placed."""
    return Placement(
        data.geom_xpos.copy(),
        data.geom_xmat.reshape(-1, 3, 3).copy(),
        data.cam_xpos[camera].copy(),
        data.cam_xmat[camera].reshape(3, 3).copy(),
    )


def flow_of(seen: Surfaces, before: Placement, after: Placement, fovy: float) -> NDArray[np.float32]:
    """The flow of the picture `before` to the picture `after`, (H, W, 3).

    Args:
        seen: what the camera sees `before`.
        before: the frames then.
        after: the frames afterwards, of the same geoms.
        fovy: vertical field of view in degrees; pixels are square.

    Returns:
        Pixels to the right, pixels down, and 1 where they are known: where there is a surface whose point is in front
        of the camera afterwards, within the picture or beyond its edge, hidden by another or not. Zeros elsewhere.
    """
    height, width = seen.geoms.shape
    focal = height / (2 * math.tan(math.radians(fovy) / 2))  # pixels
    # Middles of the pixels from the middle of the image, to the right and down.
    x = np.arange(width) + 0.5 - width / 2
    y = np.arange(height) + 0.5 - height / 2
    hit = seen.geoms >= 0
    ahead = np.where(hit, seen.metres, 0.0)
    points = np.stack([ahead * x / focal, -ahead * y[:, None] / focal, -ahead], axis=2)  # in the camera's frame
    turns, shifts = _motions(before, after)
    moved = np.einsum("hwij,hwj->hwi", turns[seen.geoms], points) + shifts[seen.geoms]
    distance = -moved[..., 2]
    known = hit & (distance > _NEAREST_M)
    scale = focal / np.where(known, distance, 1.0)
    flow = np.stack([moved[..., 0] * scale - x, -moved[..., 1] * scale - y[:, None], known], axis=2)
    return np.where(known[..., None], flow, 0.0).astype(np.float32)


def _motions(before: Placement, after: Placement) -> tuple[FloatArray, FloatArray]:
    """For each geom the turn (G, 3, 3) and shift (G, 3) of its points from the camera's frame before to that after."""
    turned = after.geom_axes @ before.geom_axes.transpose(0, 2, 1)  # (G, 3, 3) in the world
    shifted = after.geom_pos + np.einsum("gij,gj->gi", turned, before.camera_pos - before.geom_pos)
    return after.camera_axes.T @ turned @ before.camera_axes, (shifted - after.camera_pos) @ after.camera_axes
