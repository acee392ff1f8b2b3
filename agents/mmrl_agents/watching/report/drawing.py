"""Pictures of a page as SVG: bars with intervals, curves, traces of an episode. Pure functions of numbers.

They have no letters, which stand beside them as text: so they can be stretched to any width, on paper and on a phone.
Colours are classes, `c0` to `c7`, that the page's style gives a meaning by day and by night.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup

from mmrl.arrays import FloatArray
from mmrl.worth import Estimate

COLOURS = 8
"""Classes of colours."""
WIDTH, HEIGHT = 1000, 200
"""Of a drawing in its own units."""
MOST_POINTS = 240
"""Intervals that a longer line is divided into, each shown by its lowest and its highest point."""


@dataclass(frozen=True)
class DrawnAxis:
    """A range of numbers, and those that are written beside it."""

    low: float
    """Lower end."""
    high: float
    """Upper end, above the lower one."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"an axis goes up, got {self.low} to {self.high}")

    def share(self, value: float) -> float:
        """How far along the axis a value lies, 0 to 1; what is beyond it lies at its end."""
        return min(1.0, max(0.0, (value - self.low) / (self.high - self.low)))

    def ticks(self, count: int = 4) -> list[float]:
        """Round numbers on the axis, about so many."""
        rough = (self.high - self.low) / count
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
        first, last = math.ceil(self.low / step - 1e-6), math.floor(self.high / step + 1e-6)
        return [index * step for index in range(first, last + 1)]


def axis_over(values: Sequence[float] | FloatArray, floor: float | None = None) -> DrawnAxis:
    """The axis that holds all finite values, and `floor` where that is given."""
    array = np.asarray([*values, *([] if floor is None else [floor])], np.float64)
    finite = array[np.isfinite(array)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    if low == high:
        low, high = low - 0.5, high + 0.5
    return DrawnAxis(low, high)


def bar(estimate: Estimate, axis: DrawnAxis, colour: int = 0) -> Markup:
    """A bar from zero to a value, and a line over its interval."""
    zero, end = axis.share(0.0) * WIDTH, axis.share(estimate.value) * WIDTH
    low, high = axis.share(estimate.low) * WIDTH, axis.share(estimate.high) * WIDTH
    left, width = min(zero, end), abs(end - zero)
    return Markup(
        '<svg class="bar" viewBox="0 0 {w} 20" preserveAspectRatio="none" aria-hidden="true">'
        '<rect class="track" width="{w}" height="20"/>'
        '<rect class="c{colour}" x="{left:.1f}" y="3" width="{width:.1f}" height="14"/>'
        '<path class="whisker" d="M{low:.1f} 10H{high:.1f}M{low:.1f} 5V15M{high:.1f} 5V15"/>'
        '<path class="zero" d="M{zero:.1f} 0V20"/></svg>'
    ).format(w=WIDTH, colour=colour % COLOURS, left=left, width=width, low=low, high=high, zero=zero)


def path(x: FloatArray, y: FloatArray, across: DrawnAxis, up: DrawnAxis) -> str:
    """The path of a line through points (n,), interrupted where one is not finite."""
    words: list[str] = []
    broken = True
    for at, value in zip(*_thinned(x, y), strict=True):
        if not math.isfinite(value):
            broken = True
            continue
        point = f"{across.share(at) * WIDTH:.1f} {(1 - up.share(value)) * HEIGHT:.1f}"
        words.append(f"{'M' if broken else 'L'}{point}")
        broken = False
    return "".join(words)


def _thinned(x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lowest and the highest of the points of each of `MOST_POINTS` intervals, so that no peak is lost."""
    if len(x) <= 2 * MOST_POINTS:
        return x, y
    kept: list[int] = []
    for part in np.array_split(np.arange(len(x)), MOST_POINTS):
        finite = part[np.isfinite(y[part])]
        if not finite.size:
            kept.append(int(part[0]))
            continue
        kept += sorted({int(finite[y[finite].argmin()]), int(finite[y[finite].argmax()])})
    return x[kept], y[kept]


def lines(
    paths: Sequence[str], across: DrawnAxis, up: DrawnAxis, grid_across: Sequence[float], grid_up: Sequence[float]
) -> Markup:
    """Lines over a grid; `paths` are of these axes, coloured in their order."""
    grid = "".join(f"M0 {(1 - up.share(at)) * HEIGHT:.1f}H{WIDTH}" for at in grid_up)
    grid += "".join(f"M{across.share(at) * WIDTH:.1f} 0V{HEIGHT}" for at in grid_across)
    zero = f"M0 {(1 - up.share(0.0)) * HEIGHT:.1f}H{WIDTH}" if up.low < 0 < up.high else ""
    drawn = Markup("").join(
        Markup('<path class="line c{colour} s{stroke}" d="{d}"/>').format(
            colour=index % COLOURS, stroke=index // COLOURS % 3, d=d
        )
        for index, d in enumerate(paths)
    )
    return Markup(
        '<svg class="lines" viewBox="0 0 {w} {h}" preserveAspectRatio="none" aria-hidden="true">'
        '<path class="grid" d="{grid}"/><path class="zero" d="{zero}"/>{drawn}</svg>'
    ).format(w=WIDTH, h=HEIGHT, grid=grid, zero=zero, drawn=drawn)
