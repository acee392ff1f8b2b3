"""Pictures of a slot car's track from above, drawn by arrays: the camera that the policy sees by.

Letters: N = worlds, n = some of them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl.modality import ImageConv, Modality
from mmrl.modality.tabled_noise import TabledGaussian
from mmrl_envs.robots.car import Motion
from mmrl_envs.robots.slot_world import Slot
from mmrl_envs.sensors.base import Requires, Sensor, View

Pictures = NDArray[np.uint8]
HEIGHT, WIDTH = 52, 80
PIXEL_M = 0.03
"""Side of a pixel in metres."""
_ROAD, _CAR, _NOSE, _TABLE = 150.0, 60.0, 250.0, 110.0
_PATCH = np.arange(-4, 5)
"""Pixels around the middle of a car that hold all of it."""


class TrackCamera(Sensor):
    """The track from above in grey, uint8 (52, 80, 2): the picture before and the newest one, some milliseconds old.

    Args:
        name: key in the observation.
        noise: standard deviation of a pixel in grey levels.
    """

    requires = Requires(fields=("pictures",))
    newest_only = True
    noise_unit = 4.0

    def __init__(self, name: str = "track_camera", *, noise: float = 4.0) -> None:
        self.modality = Modality(
            name,
            (HEIGHT, WIDTH, 2),
            rate_hz=10.0,
            dtype="uint8",
            labels=("before", "now"),
            noise=TabledGaussian(noise),
            encoder=ImageConv(),
        )

    def read(self, view: View) -> NDArray[Any]:
        return view.field("pictures")[:, None]


def empty_track(slot: Slot) -> FloatArray:
    """The track without a car in grey levels, (52, 80)."""
    columns, rows = np.meshgrid(np.arange(WIDTH) + 0.5, np.arange(HEIGHT) + 0.5)
    x, y = columns * PIXEL_M, (HEIGHT - rows) * PIXEL_M
    points = slot.points[::4]  # a seventh of a pixel apart
    away = np.hypot(x[..., None] - points[:, 0], y[..., None] - points[:, 1]).min(axis=2) / PIXEL_M
    grey: FloatArray = _TABLE + (_ROAD - _TABLE) * np.clip(1.5 - away, 0.0, 1.0)
    return grey


def mirror(pictures: Pictures, upside_down: IntArray, sideways: IntArray) -> None:
    """Mirrors those of the pictures (n, 52, 80) for which a number (n,) is 1, in place."""
    for axis, which in ((1, upside_down), (2, sideways)):
        chosen = np.flatnonzero(which)
        pictures[chosen] = np.flip(pictures[chosen], axis)


def as_grey(levels: FloatArray) -> Pictures:
    """Grey levels as a camera gives them: whole numbers from 0 to 255."""
    return np.minimum(np.maximum(np.rint(levels), 0.0), 255.0).astype(np.uint8)


def draw_cars(pictures: Pictures, pin: FloatArray, yaw: FloatArray, gain: FloatArray, motion: Motion) -> None:
    """Draws cars as anti-aliased rectangles with a bright nose.

    Args:
        pictures: the tracks, (n, 52, 80); changed in place.
        pin: places of the cars' pins in metres, (n, 2).
        yaw: directions of the cars in radians, (n,).
        gain: brightness as a share of the usual one, (n,).
        motion: says how large a car is.
    """
    forward = np.stack([np.cos(yaw), np.sin(yaw)], axis=1)
    centre = (pin - forward * (motion.length / 2)) / PIXEL_M
    column, row = centre[:, 0], HEIGHT - centre[:, 1]
    columns = (np.floor(column).astype(np.intp)[:, None] + _PATCH)[:, None, :]
    rows = (np.floor(row).astype(np.intp)[:, None] + _PATCH)[:, :, None]
    right, up = columns + 0.5 - column[:, None, None], row[:, None, None] - rows - 0.5
    cosine, sine = forward.T[:, :, None, None]
    ahead, aside = cosine * right + sine * up, cosine * up - sine * right
    half_length, half_width = motion.length / 2 / PIXEL_M, motion.width / 2 / PIXEL_M
    covered = np.clip(half_length + 0.5 - np.abs(ahead), 0, 1) * np.clip(half_width + 0.5 - np.abs(aside), 0, 1)
    paint = np.where(ahead > half_length - 1.2, _NOSE, _CAR) * gain[:, None, None]
    places = np.arange(len(pin))[:, None, None], rows.clip(0, HEIGHT - 1), columns.clip(0, WIDTH - 1)
    under = pictures[places]
    pictures[places] = as_grey(under + covered * (paint - under))
