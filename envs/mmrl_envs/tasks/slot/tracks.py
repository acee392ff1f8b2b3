"""Tracks of the slot car: closed curves through a few points, five drawn by hand and others at random.

A track is a periodic cubic spline, low-passed along its arc length until no bend is tighter than the car can take, and
scaled into the picture. `tracks.json` beside this file holds the laps that `python -m benchmarks.slot_optimum` has
found on them, and the points of the random ones.

Letters: K = points of a slot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import count
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline

from mmrl.arrays import FloatArray
from mmrl_envs.robots.car import Motion
from mmrl_envs.robots.slot_world import Slot

Corners = Sequence[Sequence[float]]
"""Points (x, y) through which a track goes, in order."""
Curve = NDArray[np.complex128]
"""Points x + iy, (K,)."""
BOARD_M = (2.4, 1.56)
"""Width and height of what the camera sees, in metres."""
MARGIN_M = 0.2
"""Least distance of a track to the border of the picture in metres."""
TIGHTEST_M = 0.20
"""Least radius of a bend in metres: the car is 0.14 m long and swings."""
POINTS = 1024
"""K."""
RANDOM = "random_"
"""How the names of the random tracks begin; a number follows."""
HELD_OUT = "tee"
"""The track that no training sees."""
_MOST_BLUR = 0.2
"""Widest Gaussian along a track, in radians of a lap, that leaves it a likeness of its corners."""
DATA = Path(__file__).with_suffix(".json")
NAMED: Mapping[str, Corners] = MappingProxyType(
    {
        "oval": (
            *((0.14, 0.04), (1.0, 0.0), (1.86, 0.04), (2.03, 0.58)),
            *((1.86, 1.12), (1.0, 1.16), (0.14, 1.12), (-0.03, 0.58)),
        ),
        "bean": (
            *((0.25, 0.02), (0.62, 0.2), (1.0, 0.34), (1.38, 0.2), (1.75, 0.02), (2.02, 0.2)),
            *((2.05, 0.55), (1.8, 1.0), (1.0, 1.16), (0.2, 1.0), (-0.05, 0.55), (-0.02, 0.2)),
        ),
        "snake": (
            *((0.2, 0.0), (0.55, 0.08), (0.85, 0.28), (1.2, 0.25), (1.5, 0.08), (1.85, 0.04), (2.0, 0.3)),
            *((1.85, 0.54), (1.5, 0.58), (1.15, 0.76), (0.85, 0.78), (0.5, 0.58), (0.15, 0.5), (0.0, 0.25)),
        ),
        "tee": (
            *((0.75, 0.05), (1.0, -0.03), (1.25, 0.05), (1.36, 0.3), (1.55, 0.52), (1.85, 0.58), (2.02, 0.85)),
            *((1.85, 1.12), (1.4, 1.16), (1.0, 1.14), (0.6, 1.16), (0.15, 1.12), (-0.02, 0.85), (0.15, 0.58)),
            *((0.45, 0.52), (0.64, 0.3)),
        ),
        "loopy": (
            *((1.89, 0.55), (1.49, 0.85), (1.0, 0.96), (0.51, 0.85), (0.11, 0.55), (0.03, 0.35), (0.06, 0.16)),
            *((0.2, 0.08), (0.35, 0.05), (0.49, 0.09), (0.59, 0.15), (0.77, 0.29), (1.0, 0.34), (1.23, 0.29)),
            *((1.41, 0.15), (1.51, 0.09), (1.65, 0.05), (1.8, 0.08), (1.94, 0.16), (1.97, 0.35)),
        ),
    }
)
"""Corners of the tracks that have names, before they are smoothed and scaled."""


@dataclass(frozen=True)
class Track:
    """A slot, and how fast it can be driven."""

    name: str
    """Value of the context `track`."""
    slot: Slot
    """The curve."""
    best_speed: float
    """Mean speed in m/s of the optimal flying lap; of a track of one's own that of the speed profile, which is 3 to
    12 % faster than anybody who decides ten times a second."""


@cache
def known_tracks() -> Mapping[str, Track]:
    """The tracks of the suite by name: those drawn by hand, then those drawn at random."""
    found = json.loads(DATA.read_text())
    return MappingProxyType({name: _known(name, entry) for name, entry in found.items()})


def _known(name: str, entry: Mapping[str, Any]) -> Track:
    slot = smoothed(name, entry["corners"])
    return Track(name, slot, slot.length / entry["optimal_lap_s"])


def own_track(name: str, corners: Corners, motion: Motion) -> Track:
    """A track of one's own: the spline through its points in metres from the lower left corner of the picture.

    Raises ValueError where the name is taken, and as `require_drivable`.
    """
    if name in known_tracks():
        raise ValueError(f"track {name!r} exists, give yours another name")
    closed = np.asarray(corners, np.float64)
    if closed.ndim != 2 or closed.shape[0] < 3 or closed.shape[1] != 2 or not np.isfinite(closed).all():
        raise ValueError(f"track {name!r} needs three points (x, y) or more, got {corners!r}")
    slot = _slot_of(_spline(closed))
    require_drivable(name, slot)
    return Track(name, slot, slot.length / profile_lap_s(slot, motion))


def smoothed(name: str, corners: Corners) -> Slot:
    """A smooth closed curve near some points, its bends wide enough, scaled into the picture.

    Raises ValueError where it would need more smoothing than leaves a likeness, and as `require_drivable`.
    """
    spectrum = np.fft.fft(_spline(np.asarray(corners, np.float64)))
    slots = (_blurred(spectrum, blur) for blur in np.arange(0.0, _MOST_BLUR, 0.01))
    slot = next((slot for slot in slots if _tightest(slot) >= TIGHTEST_M), _blurred(spectrum, _MOST_BLUR))
    if (tightest := _tightest(slot)) < TIGHTEST_M:
        raise ValueError(
            f"track {name!r} bends to {tightest:.3f} m after all smoothing, {TIGHTEST_M} m is the tightest"
        )
    require_drivable(name, slot)
    return slot


def _blurred(spectrum: Curve, blur: float) -> Slot:
    """The slot of a spectrum (K,), low-passed by a Gaussian of radians of a lap and scaled into the picture."""
    wave = np.fft.fftfreq(POINTS, 1.0 / POINTS)
    return _slot_of(_scaled(_even(np.fft.ifft(spectrum * np.exp(-0.5 * (wave * blur) ** 2)))))


def random_corners(number: int) -> list[list[float]]:
    """Corners of a random track that can be driven and bends both ways; the same for the same number."""
    rng = np.random.default_rng([20, number])
    return next(filter(_bends_both_ways, (_star(rng) for _ in count())))


def _bends_both_ways(corners: Corners) -> bool:
    """Whether a track near some corners can be driven and has a bend to the right of half a metre or tighter."""
    try:
        return bool(smoothed("random", corners).curvature.min() < -2.0)
    except ValueError:
        return False


def _star(rng: np.random.Generator) -> list[list[float]]:
    """Seven to ten corners around a centre, each at a distance of its own."""
    corners = int(rng.integers(7, 11))
    angle = 2 * np.pi * (np.arange(corners) + rng.uniform(-0.25, 0.25, corners)) / corners
    away = rng.uniform(0.45, 1.0, corners)
    x, y = 1.3 * np.cos(angle) * away, 0.85 * np.sin(angle) * away
    rounded: list[list[float]] = np.column_stack([x, y]).round(4).tolist()
    return rounded


def require_drivable(name: str, slot: Slot) -> None:
    """Raises ValueError where a slot leaves the picture, bends tighter than the car, or crosses itself."""
    low, high = slot.points.min(axis=0), slot.points.max(axis=0)
    width, height = BOARD_M
    if min(low) < MARGIN_M - 1e-6 or high[0] > width - MARGIN_M + 1e-6 or high[1] > height - MARGIN_M + 1e-6:
        raise ValueError(
            f"track {name!r} must lie {MARGIN_M} m inside a picture of {width} x {height} m, "
            f"it goes from ({low[0]:.2f}, {low[1]:.2f}) to ({high[0]:.2f}, {high[1]:.2f})"
        )
    if (tightest := _tightest(slot)) < TIGHTEST_M:
        raise ValueError(f"track {name!r} bends to a radius of {tightest:.3f} m, {TIGHTEST_M} m is the tightest")
    if (crossing := _crossing(slot)) is not None:
        raise ValueError(f"track {name!r} crosses itself at ({crossing[0]:.2f}, {crossing[1]:.2f}) m")


def _tightest(slot: Slot) -> float:
    """Least radius in metres."""
    return 1.0 / float(np.abs(slot.curvature).max())


def _crossing(slot: Slot) -> FloatArray | None:
    """Where two chords of a slot have a point in common, (2,) metres, None where it does not cross itself."""
    start = slot.points[::4] @ np.array([1, 1j])
    chord = np.roll(start, -1) - start
    apart = start - start[:, None]  # from the start of the row's chord to that of the column's
    across = _cross(chord[:, None], chord)
    with np.errstate(divide="ignore", invalid="ignore"):  # parallel ones meet nowhere, or are a crossing's neighbours
        on_row, on_column = _cross(apart, chord) / across, _cross(apart, chord[:, None]) / across
        meet = (on_row >= 0) & (on_row < 1) & (on_column >= 0) & (on_column < 1)
    row, column = np.indices(meet.shape)
    rows = np.flatnonzero((meet & ((row - column) % len(start) > 1) & ((column - row) % len(start) > 1)).any(axis=1))
    return None if not len(rows) else slot.points[4 * rows[0]]


def _cross(one: Curve, other: Curve) -> FloatArray:
    product: FloatArray = (one.conj() * other).imag
    return product


def _spline(corners: FloatArray) -> Curve:
    """`POINTS` points at equal distances along the periodic cubic spline through corners."""
    closed = np.concatenate([corners, corners[:1]])
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    spline = CubicSpline(along, closed, bc_type="periodic")
    return _even(spline(np.linspace(0, along[-1], 8 * POINTS, endpoint=False)) @ np.array([1, 1j]))


def _even(curve: Curve) -> Curve:
    """`POINTS` points at equal distances along a closed curve."""
    closed = np.append(curve, curve[0])
    along = np.concatenate([[0.0], np.cumsum(np.abs(np.diff(closed)))])
    at = np.linspace(0.0, along[-1], POINTS, endpoint=False)
    even: Curve = np.interp(at, along, closed.real) + 1j * np.interp(at, along, closed.imag)
    return even


def _scaled(curve: Curve) -> Curve:
    """A curve that fills the picture up to its margin, in metres from the lower left corner."""
    board = np.array(BOARD_M)
    low = curve.real.min() + 1j * curve.imag.min()
    extent = np.array([np.ptp(curve.real), np.ptp(curve.imag)])
    scale = float(((board - 2 * MARGIN_M) / extent).min())
    scaled: Curve = (curve - low) * scale + (board - extent * scale) @ np.array([0.5, 0.5j])
    return scaled


def _slot_of(curve: Curve) -> Slot:
    wave = 2j * np.pi * np.fft.fftfreq(POINTS)
    first, second = (np.fft.ifft(np.fft.fft(curve) * wave**order) for order in (1, 2))
    curvature = (first.conj() * second).imag / np.abs(first) ** 3
    points = np.stack([curve.real, curve.imag], axis=1)
    return Slot(points, np.unwrap(np.angle(first)), curvature, float(np.abs(first).sum()))


def profile_lap_s(slot: Slot, motion: Motion) -> float:
    """Seconds of a lap by the textbook's speed profile: as fast as bends, motor and brake allow.

    Bends are taken at the speed at which the tyres just hold the swing; the motor accelerates from one to the next.
    """
    points = len(slot.points)
    bend = motion.grip_n * motion.pin_to_axle / (motion.pin_to_centre * motion.mass)
    limit = np.minimum(np.sqrt(bend / np.maximum(np.abs(slot.curvature), 1e-6)), motion.top_speed)
    step = slot.length / points
    speed = limit.copy()
    for i in range(2 * points):  # forward: what the motor gives
        v = speed[i % points]
        push = min(motion.stall_n * (1 - v / motion.top_speed), 0.9 * motion.grip_n) - motion.rolling_n
        nxt = (i + 1) % points
        speed[nxt] = min(speed[nxt], np.sqrt(v**2 + 2 * step * push / motion.mass))
    for i in range(2 * points, 0, -1):  # backward: what the brake takes
        v = speed[i % points]
        brake = min(motion.stall_n * v / motion.top_speed, 0.9 * motion.grip_n) + motion.rolling_n
        speed[(i - 1) % points] = min(speed[(i - 1) % points], np.sqrt(v**2 + 2 * step * brake / motion.mass))
    return float((step / speed).sum())
