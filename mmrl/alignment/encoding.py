"""Readings of a sense as a recording to align: how much changes, in numbers that other senses may show as well.

n readings, d numbers of one, H x W pixels.
"""

from __future__ import annotations

from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.alignment.recording import Recording
from mmrl.arrays import FloatArray

_SMOOTHING = np.array([0.25, 0.5, 0.25])


def encoded(name: str, times: FloatArray, readings: NDArray[Any], units: tuple[str, ...] = ()) -> Recording:
    """Readings of a sense, pictures (n, H, W, C) of bytes or numbers (n, d), as a recording.

    The first number is its activity: the motion energy of pictures, the size of the change per second of numbers.
    Raises ValueError for other readings, such as sets.
    """
    if readings.ndim == 4 and readings.dtype == np.uint8:
        return motion(name, times, readings)
    if readings.ndim != 2 or readings.dtype.kind != "f":
        raise ValueError(
            f"{name}: pictures (n, H, W, C) of bytes and numbers (n, d) can be aligned, "
            f"not {readings.dtype} {readings.shape}"
        )
    return changes(name, times, readings, units or ("",) * readings.shape[1])


def motion(name: str, times: FloatArray, pictures: NDArray[np.uint8]) -> Recording:
    """Motion between pictures (n, H, W, C), stamped half way between them, (n - 1, 5).

    Motion energy, the mean absolute difference of pixels; and shift to the right and down, growth and turn of the whole
    picture by the least squares of Lucas and Kanade (1981), in half widths and heights of the picture a second.
    """
    grey = pictures.mean(axis=3) / 255.0
    for axis in (1, 2):
        shifted = (np.roll(grey, shift, axis) for shift in (-1, 0, 1))
        grey = sum(weight * each for weight, each in zip(_SMOOTHING, shifted, strict=True))
    intervals = np.diff(times)[:, None]
    energy = np.abs(np.diff(grey, axis=0)).mean(axis=(1, 2))[:, None]
    values = np.concatenate([energy / intervals, _whole_motion(grey) / intervals], axis=1)
    return Recording(name, (times[1:] + times[:-1]) / 2, squashed(values))


def changes(name: str, times: FloatArray, numbers: NDArray[Any], units: tuple[str, ...]) -> Recording:
    """Numbers (n, d) with their changes per second: activity, size of the change by unit, changes, numbers.

    Activity is the sum over neighbouring numbers of one unit of the sizes of their changes, each beside its median.
    """
    values = numbers.astype(np.float64)
    rates = np.gradient(values, times, axis=0)
    groups = [[i for i, _ in group] for _, group in groupby(enumerate(units), key=lambda pair: pair[1])]
    sizes = np.stack([np.linalg.norm(rates[:, group], axis=1) for group in groups], axis=1)
    magnitudes = np.stack([np.linalg.norm(values[:, group], axis=1) for group in groups], axis=1)
    activity = (sizes / _typical(sizes)).sum(axis=1, keepdims=True)
    return Recording(name, times, squashed(np.concatenate([activity, sizes, rates, magnitudes, values], axis=1)))


def squashed(values: FloatArray) -> FloatArray:
    """arsinh(v / median of |v|) of each column: an impact of a hundred times the usual force is five times as far."""
    result: FloatArray = np.arcsinh(values / _typical(values))
    return result


def _typical(values: FloatArray) -> FloatArray:
    """Median size of each column, or the mean where half of them are nothing, or 1."""
    sizes = np.abs(values)
    median, mean = np.median(sizes, axis=0), sizes.mean(axis=0)
    typical: FloatArray = np.where(median > 1e-3 * mean, median, np.where(mean > 0, mean, 1.0))
    return typical


def _whole_motion(grey: FloatArray) -> FloatArray:
    """Shift, growth and turn between neighbours of pictures (n, H, W), (n - 1, 4); nothing where they are blank."""
    middle, change = (grey[1:] + grey[:-1]) / 2, np.diff(grey, axis=0)
    down, right = np.gradient(middle, axis=1), np.gradient(middle, axis=2)
    y, x = (np.linspace(-1, 1, size) for size in grey.shape[1:])
    # A point at (x, y) moves by (dx + g x - t y, dy + g y + t x), in half sizes of the picture.
    right, down = right * (grey.shape[2] / 2), down * (grey.shape[1] / 2)
    parts = [right, down, right * x + down * y[:, None], down * x - right * y[:, None]]
    inner = (slice(None), slice(2, -2), slice(2, -2))
    design = np.stack([part[inner] for part in parts], axis=-1).reshape(len(change), -1, 4)
    target = change[inner].reshape(len(change), -1, 1)
    gram, right_side = np.swapaxes(design, 1, 2) @ design, np.swapaxes(design, 1, 2) @ target
    ridge = 1e-3 * np.trace(gram, axis1=1, axis2=2)[:, None, None] / 4 + 1e-9
    moved: FloatArray = -np.linalg.solve(gram + ridge * np.eye(4), right_side)[..., 0]
    return moved
