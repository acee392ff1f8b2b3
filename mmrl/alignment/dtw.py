"""Dynamic time warping: the path through two series along which they differ least.

n and l readings of d numbers; c(i, j) = |x_i - y_j|^2.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from scipy.spatial.distance import cdist

from mmrl.arrays import BoolArray, FloatArray, IntArray


def warping_path(
    x: FloatArray, y: FloatArray, *, window: int | None = None, slope: int | None = None, slack: int = 0
) -> IntArray:
    """The path of least sum of c(i, j) through series x (n, d) and y (l, d), (L, 2).

    Each step goes on by one reading in x, in y, or in both (Sakoe and Chiba 1978). dtaidistance finds it where neither
    slope nor slack are asked for.

    Args:
        x: first series.
        y: second series.
        window: how many readings the path may leave the strip between the two diagonals through the corners; None
            for any number.
        slope: how many steps in one series alone may follow each other before one in both must; None for any number.
        slack: readings at either end of either series that may be left out.

    Raises:
        ValueError: for series of different widths or none, bounds out of range, and bounds that no path keeps.
        ImportError: without dtaidistance, where it is needed.
    """
    _require_series(x, y, window, slope, slack)
    if slope is not None:
        path = _with_slope(x, y, window, slope, slack)
    else:
        path = _with_slack(x, y, window, slack) if slack else _by_library(x, y, window)
    if path is None:
        raise ValueError(
            f"no path through {len(x)} and {len(y)} readings keeps window {window}, slope {slope} and slack {slack}"
        )
    return path


def path_cost(x: FloatArray, y: FloatArray, path: IntArray) -> float:
    """The sum of c(i, j) along a path (L, 2)."""
    return float(np.square(x[path[:, 0]] - y[path[:, 1]]).sum())


def _require_series(x: FloatArray, y: FloatArray, window: int | None, slope: int | None, slack: int) -> None:
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[1] or not (len(x) and len(y) and x.shape[1]):
        raise ValueError(f"two series need readings of one width, (n, d) and (l, d), got {x.shape} and {y.shape}")
    if window is not None and window < 0:
        raise ValueError(f"window must not be negative, got {window}")
    if slope is not None and slope < 1:
        raise ValueError(f"slope must be at least 1, got {slope}")
    if not 0 <= slack <= (most := (min(len(x), len(y)) - 1) // 2):
        raise ValueError(f"slack must lie in 0 to {most}, so that something is left, got {slack}")


def _by_library(x: FloatArray, y: FloatArray, window: int | None) -> IntArray | None:
    # Its window counts the diagonal, and its vectors have more than one number.
    dtw, wide = _library(), x.shape[1] > 1
    series = [np.ascontiguousarray(each if wide else each[:, 0], np.float64) for each in (x, y)]
    path = dtw.warping_path_fast(*series, use_ndim=wide, window=None if window is None else window + 1)
    return np.array(path, np.intp) if path else None


def _with_slack(x: FloatArray, y: FloatArray, window: int | None, slack: int) -> IntArray | None:
    """The path without a slope limit; that of the library with slack (dtaidistance 2.5) is often not the best."""
    local = np.where(_allowed(len(x), len(y), window), cdist(x, y, "sqeuclidean"), np.inf)
    costs = np.full((len(x) + 1, len(y) + 1), np.inf)
    costs[0, : slack + 1] = costs[: slack + 1, 0] = 0.0  # before the first readings
    for i, row in enumerate(local):
        open_cells = np.flatnonzero(np.isfinite(row))
        if not len(open_cells):
            continue
        inside = slice(open_cells[0], open_cells[-1] + 1)
        entered = np.minimum(costs[i, :-1], costs[i, 1:])[inside]
        entered[0] = min(entered[0], costs[i + 1, inside.start])
        # D(j) = c(j) + min(entered(j), D(j - 1)): with sums C of c a running minimum of entered(k) + c(k) - C(k).
        sums = np.cumsum(row[inside])
        costs[i + 1, inside.start + 1 : inside.stop + 1] = sums + np.minimum.accumulate(entered + row[inside] - sums)
    return _traced_back(costs, slack)


def _traced_back(costs: FloatArray, slack: int) -> IntArray | None:
    """Back from the cheapest end over the cheapest cells before; costs (n + 1, l + 1) with a border."""
    ends = _ends(costs.shape[0] - 1, costs.shape[1] - 1, slack)
    i, j = min(ends, key=lambda cell: float(costs[cell[0] + 1, cell[1] + 1]))
    if not np.isfinite(costs[i + 1, j + 1]):
        return None
    path = []
    while i >= 0 and j >= 0:
        path.append((i, j))
        before = (costs[i, j], costs[i, j + 1], costs[i + 1, j])
        step = before.index(min(before))
        i, j = i - (step != 2), j - (step != 1)
    return np.array(path[::-1], np.intp)


def _library() -> Any:
    try:
        return import_module("dtaidistance.dtw")
    except ImportError as error:
        raise ImportError("time warping needs dtaidistance: pip install 'mmrl[align]'") from error


def _with_slope(x: FloatArray, y: FloatArray, window: int | None, slope: int, slack: int) -> IntArray | None:
    """The path by layers: after a step in both, after 1 to `slope` steps in x alone, and likewise in y."""
    local = np.where(_allowed(len(x), len(y), window), cdist(x, y, "sqeuclidean"), np.inf)
    costs = np.full((2 * slope + 1, *local.shape), np.inf)
    for i in range(len(x)):
        before = costs[:, i - 1] if i else np.full_like(costs[:, 0], np.inf)
        both = np.concatenate([[np.inf], before.min(axis=0)[:-1]])
        begins = np.arange(len(y)) <= slack if i == 0 else np.arange(len(y)) <= (0 if i <= slack else -1)
        costs[0, i] = local[i] + np.where(begins, 0.0, both)
        costs[1 : slope + 1, i] = local[i] + before[:slope]
        for run in range(slope):
            previous = costs[0 if run == 0 else slope + run, i]
            costs[slope + 1 + run, i] = local[i] + np.concatenate([[np.inf], previous[:-1]])
    return _traced(costs, local, slope, slack)


def _traced(costs: FloatArray, local: FloatArray, slope: int, slack: int) -> IntArray | None:
    """Back from the cheapest end along the layers."""
    _, n, length = costs.shape
    i, j = min(_ends(n, length, slack), key=lambda cell: float(costs[:, cell[0], cell[1]].min()))
    layer, path = int(costs[:, i, j].argmin()), [(i, j)]
    if not np.isfinite(costs[layer, i, j]):
        return None
    while not (layer == 0 and costs[0, i, j] == local[i, j] and ((i == 0 and j <= slack) or (j == 0 and i <= slack))):
        if layer == 0:
            i, j = i - 1, j - 1
            layer = int(costs[:, i, j].argmin())
        elif layer <= slope:
            i, layer = i - 1, layer - 1
        else:
            j, layer = j - 1, 0 if layer == slope + 1 else layer - 1
        path.append((i, j))
    return np.array(path[::-1], np.intp)


def _ends(n: int, length: int, slack: int) -> list[tuple[int, int]]:
    """The last cells that a path may have."""
    left_out = range(slack + 1)
    return [*((n - 1 - k, length - 1) for k in left_out), *((n - 1, length - 1 - k) for k in left_out)]


def _allowed(n: int, length: int, window: int | None) -> BoolArray:
    ahead = np.arange(length)[None] - np.arange(n)[:, None]
    reach = n + length if window is None else window
    inside: BoolArray = (ahead >= -max(0, n - length) - reach) & (ahead <= max(0, length - n) + reach)
    return inside
