"""Curves over the last seconds, drawn as panels of a frame."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 960, 540  # of a frame
MARGIN = 16
LABEL = 18
MOST_TRACES = 8
# Traces are drawn this much larger and scaled down: Pillow does not smooth the edges of lines.
SMOOTHING = 2
# Of a legend beside a plot: height of a line, pixels left free before it, and for the mark of what was chosen.
ROW, GAP, MARK = 15, 6, 10

INK, PALE, FRAME, PAPER = "#1a1a1a", "#767676", "#d0d0d0", "#ffffff"
GOOD = "#1b7837"
# Okabe and Ito's colours, told apart by colour-blind people too.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d1f")


@dataclass(frozen=True, eq=False)
class Trace:
    """Readings of some components of a sense over the last seconds."""

    title: str
    labels: tuple[str, ...]  # of the d components; () where one needs no name
    times: NDArray[np.float64]  # (n,) seconds from now, so never positive
    values: NDArray[np.float64]  # (n, d)
    bounds: tuple[float, float]  # of the vertical axis
    span_s: float  # of the horizontal axis
    plugged: bool = True
    chosen: int | None = None  # the component that a legend beside the plot marks


def nice_bounds(low: float, high: float) -> tuple[float, float]:
    """Round bounds outside low and high with zero between, such as (-5, 20) for -3 and 17."""
    return 0.0 - _round_up(-min(low, 0.0)), _round_up(max(high, 0.0))  # 0.0 - 0.0 is no -0.0


def _round_up(value: float) -> float:
    """The smallest of 0 and 1, 2, 5 times a power of ten that is not below a value >= 0."""
    if value < np.finfo(float).tiny:  # 0, or a number whose power of ten may be none
        return value
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(s * power for s in (1, 2, 5, 10) if s * power >= value * (1 - 1e-9)))


def draw_panels(
    canvas: Image.Image, traces: Sequence[Trace], corner: tuple[int, int], columns: int, aside: bool = False
) -> None:
    """Traces in a grid that fills the canvas right and below of the corner (left, top).

    Legends stand above the plots, or `aside`, with the numbers of now; those too tall for it stay above.
    """
    left, top = corner
    shown = traces[:MOST_TRACES]
    rows = -(-len(shown) // columns)
    # One width for the numbers of all axes and one for all legends, so that panels above each other line up.
    gutter = int(6 + max((text_width(f"{b:g}", 11) for trace in shown for b in _axis(trace)), default=0.0))
    side = max(map(_legend_width, shown), default=0) if aside else 0
    for index, trace in enumerate(shown):
        row, column = divmod(index, columns)
        width, height = (WIDTH - left) // columns - MARGIN, (HEIGHT - top) // rows - MARGIN
        x, y = left + column * (width + MARGIN), top + row * (height + MARGIN)
        canvas.paste(_panel(trace, (width, height), gutter, side), (x, y))
        if index + columns >= len(shown):
            draw, below = ImageDraw.Draw(canvas), y + height + 11
            draw.text((x + gutter, below), f"{trace.span_s:g} s ago", PALE, font(11), "ls")
            draw.text((x + width - side, below), "now", PALE, font(11), "rs")


def _axis(trace: Trace) -> tuple[float, float]:
    """The ends of the vertical axis, -1 to 1 where nothing was ever read."""
    return trace.bounds if trace.bounds[0] < trace.bounds[1] else (-1.0, 1.0)


def _panel(trace: Trace, size: tuple[int, int], gutter: int, side: int) -> Image.Image:
    """One trace with title, legend and axes: the plot between the numbers in the gutter and what is at the side."""
    width, height = size
    panel = Image.new("RGB", size, PAPER)
    draw = ImageDraw.Draw(panel)
    plot = (gutter, LABEL, width - 1 - side, height - 1)
    if side and max(1, len(trace.labels)) * ROW <= height - LABEL:
        legend = _legend_aside(draw, trace, (width - side, width))
    else:
        legend = _legend_above(draw, trace, width)
    draw.text((0, 0), shortened(trace.title, width - legend - 6, 12), INK, font(12))
    low, high = _axis(trace)
    panel.paste(_lines(trace, plot[2] - plot[0], plot[3] - plot[1], low, high), plot[:2])
    draw.rectangle(plot, outline=FRAME)
    draw.text((gutter - 4, LABEL - 2), f"{high:g}", PALE, font(11), "rt")
    draw.text((gutter - 4, height), f"{low:g}", PALE, font(11), "rb")
    if not trace.plugged:
        middle = ((plot[0] + plot[2]) / 2, (plot[1] + plot[3]) / 2)
        draw.text(middle, "unplugged", PALE, font(12), "mm")
    return panel


def _legend_above(draw: ImageDraw.ImageDraw, trace: Trace, width: int) -> float:
    """Coloured labels at the top right; returns the pixels they take of the title's line."""
    right = float(width)
    for index in reversed(range(len(trace.labels))):
        label = trace.labels[index]
        draw.text((right, 0), label, COLOURS[index % len(COLOURS)], font(12), "ra")
        right -= text_width(label, 12) + 6
    return width - right


def _legend_aside(draw: ImageDraw.ImageDraw, trace: Trace, ends: tuple[int, int]) -> float:
    """Coloured labels and numbers of now, one below the other; returns what they take of the title's line: nothing."""
    left, right = ends
    for index, label in enumerate(trace.labels or ("",)):
        colour, top = COLOURS[index % len(COLOURS)], LABEL + index * ROW
        if index == trace.chosen:
            draw.rectangle((left + GAP, top + 4, left + GAP + 5, top + 9), fill=colour)
        draw.text((left + GAP + MARK, top), label, colour, font(12))
        now = float(trace.values[-1, index])
        if trace.plugged and math.isfinite(now):
            draw.text((right, top), _number(now, trace), colour, font(12), "ra")
    return 0.0


def _legend_width(trace: Trace) -> int:
    """Pixels of a legend beside the plot, the same as long as the axis is."""
    label = max((text_width(label, 12) for label in trace.labels), default=0.0)
    number = max(text_width(_number(bound, trace), 12) for bound in _axis(trace))
    return math.ceil(GAP + MARK + label + GAP + number)


def _number(value: float, trace: Trace) -> str:
    """A value to a hundredth of the axis' power of ten."""
    largest = max(map(abs, _axis(trace)))
    return f"{value:.{max(0, 2 - math.floor(math.log10(largest)))}f}"


def _lines(trace: Trace, width: int, height: int, low: float, high: float) -> Image.Image:
    """The curves and the zero line, (height, width)."""
    large = Image.new("RGB", (width * SMOOTHING, height * SMOOTHING), PAPER)
    draw = ImageDraw.Draw(large)
    x = (1 + trace.times / trace.span_s) * (large.width - 1)
    y = (high - np.clip(trace.values, low, high)) / (high - low) * (large.height - 1)
    zero = high / (high - low) * (large.height - 1)
    if low < 0 < high:
        draw.line((0, zero, large.width, zero), fill=FRAME, width=SMOOTHING)
    for index, column in enumerate(y.T if trace.plugged else ()):
        finite = np.isfinite(column) & (x >= 0)
        points = np.column_stack((x[finite], column[finite])).ravel().tolist()
        if len(points) >= 4:
            draw.line(points, fill=COLOURS[index % len(COLOURS)], width=2 * SMOOTHING - 1)
    return large.resize((width, height), Image.Resampling.BOX)


@lru_cache
def font(size: int) -> Any:
    """The typeface that Pillow brings, `size` pixels high."""
    return ImageFont.load_default(size)


def text_width(text: str, size: int) -> float:
    """Pixels that a text takes."""
    return float(font(size).getlength(text))


def shortened(text: str, width: float, size: int) -> str:
    """The text, cut off with an ellipsis where it is wider than `width` pixels."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(text + "…", size) > width:
        text = text[:-1]
    return text + "…"
