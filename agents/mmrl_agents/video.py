"""Frames of a policy at work, and the video file they go to.

A frame is 960 x 540 pixels: a line of text, the scene on the left, and on the right what the policy
sensed, images above and traces below. Everything here is a pure function of arrays but the writer.
"""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.uint8]

WIDTH, HEIGHT = 960, 540
MARGIN = 16
HEADER = 44
SCENE = 480
COLUMN = SCENE + 2 * MARGIN  # left edge of what the policy sensed
LABEL = 18
LARGEST_PICTURE = 192
MOST_TRACES = 8
# Traces are drawn this much larger and scaled down: Pillow does not smooth the edges of lines.
SMOOTHING = 2

INK, PALE, FRAME, PAPER = "#1a1a1a", "#767676", "#d0d0d0", "#ffffff"
GOOD = "#1b7837"
# Okabe and Ito's colours, told apart by colour-blind people too.
COLOURS = ("#d55e00", "#0072b2", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000", "#8c6d1f")


@dataclass(frozen=True, eq=False)
class Picture:
    """An image sense at one instant."""

    title: str
    pixels: Pixels | None  # (H, W, 3); None where the sense is unplugged


@dataclass(frozen=True, eq=False)
class Trace:
    """Readings of some components of a sense over the last seconds."""

    title: str
    labels: tuple[str, ...]  # of the d components
    times: NDArray[np.float64]  # (n,) seconds from now, so never positive
    values: NDArray[np.float64]  # (n, d)
    bounds: tuple[float, float]  # of the vertical axis
    span_s: float  # of the horizontal axis
    plugged: bool = True


@dataclass(frozen=True)
class Caption:
    """The line above the scene; a right part that tells of a success is `good`."""

    left: str
    right: str
    good: bool = False


def compose(caption: Caption, scene: Pixels, pictures: Sequence[Picture], traces: Sequence[Trace]) -> Pixels:
    """A frame (540, 960, 3): caption, scene (H, W, 3) of any size, pictures, traces."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    left = _short(caption.left, WIDTH - 3 * MARGIN - _length(caption.right, 16), 16)
    draw.text((MARGIN, HEADER / 2), left, INK, _font(16), "lm")
    colour = GOOD if caption.good else INK
    draw.text((WIDTH - MARGIN, HEADER / 2), caption.right, colour, _font(16), "rm")
    _paste_fitting(canvas, scene, (MARGIN, HEADER, SCENE, SCENE))
    top = _draw_pictures(canvas, pictures)
    _draw_traces(canvas, traces, top)
    return np.asarray(canvas)


def nice_bounds(low: float, high: float) -> tuple[float, float]:
    """Round bounds outside low and high with zero between, such as (-5, 20) for -3 and 17."""
    return -_round_up(-min(low, 0.0)), _round_up(max(high, 0.0))


def _round_up(value: float) -> float:
    """The smallest of 0 and 1, 2, 5 times a power of ten that is not below a value >= 0."""
    if value <= 0:
        return 0.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(s * power for s in (1, 2, 5, 10) if s * power >= value * (1 - 1e-9)))


def _draw_pictures(canvas: Image.Image, pictures: Sequence[Picture]) -> int:
    """Pictures side by side at the top of the right column; returns where the rest begins."""
    if not pictures:
        return HEADER
    draw = ImageDraw.Draw(canvas)
    width = (WIDTH - MARGIN - COLUMN + MARGIN) // len(pictures) - MARGIN
    size = min(width, LARGEST_PICTURE)
    bottom = HEADER + LABEL
    for index, picture in enumerate(pictures):
        left, top = COLUMN + index * (size + MARGIN), HEADER + LABEL
        draw.text((left, HEADER), _short(picture.title, size, 12), INK, _font(12))
        if picture.pixels is None:
            shape = (size, size)
            draw.rectangle((left, top, left + size - 1, top + size - 1), outline=FRAME)
            draw.text((left + size / 2, top + size / 2), "unplugged", PALE, _font(12), "mm")
        else:
            enlarged = enlarge(picture.pixels, size)
            shape = enlarged.shape[:2]
            canvas.paste(Image.fromarray(enlarged), (left, top))
        bottom = max(bottom, top + shape[0])
    return bottom + MARGIN


def enlarge(pixels: Pixels, size: int) -> Pixels:
    """Pixels repeated, or left out, so that the longer side is at most `size` and near it."""
    longest = max(pixels.shape[:2])
    if longest > size:
        every = -(-longest // size)
        return np.ascontiguousarray(pixels[::every, ::every])
    times = size // longest
    return np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)


def _draw_traces(canvas: Image.Image, traces: Sequence[Trace], top: int) -> None:
    """Traces in a grid that fills the right column from `top` down."""
    shown = traces[:MOST_TRACES]
    columns = 1 if len(shown) <= 1 or (len(shown) == 2 and top < HEIGHT / 2) else 2
    rows = -(-len(shown) // columns)
    # One width for the numbers of all axes, so that panels above each other line up.
    gutter = 6 + max((_length(f"{b:g}", 11) for trace in shown for b in _axis(trace)), default=0.0)
    for index, trace in enumerate(shown):
        row, column = divmod(index, columns)
        width, height = (WIDTH - COLUMN) // columns - MARGIN, (HEIGHT - top) // rows - MARGIN
        x, y = COLUMN + column * (width + MARGIN), top + row * (height + MARGIN)
        canvas.paste(_panel(trace, width, height, int(gutter)), (x, y))
        if index + columns >= len(shown):
            draw, below = ImageDraw.Draw(canvas), y + height + 11
            draw.text((x + int(gutter), below), f"{trace.span_s:g} s ago", PALE, _font(11), "ls")
            draw.text((x + width, below), "now", PALE, _font(11), "rs")


def _axis(trace: Trace) -> tuple[float, float]:
    """The ends of the vertical axis, -1 to 1 where nothing was ever read."""
    return trace.bounds if trace.bounds[0] < trace.bounds[1] else (-1.0, 1.0)


def _panel(trace: Trace, width: int, height: int, gutter: int) -> Image.Image:
    """One trace with its title, its legend and its axes, numbers in a gutter on the left."""
    panel = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(panel)
    legend = _legend(draw, trace, width)
    draw.text((0, 0), _short(trace.title, width - legend - 6, 12), INK, _font(12))
    low, high = _axis(trace)
    plot = (gutter, LABEL, width - 1, height - 1)
    panel.paste(_lines(trace, plot[2] - plot[0], plot[3] - plot[1], low, high), plot[:2])
    draw.rectangle(plot, outline=FRAME)
    draw.text((gutter - 4, LABEL - 2), f"{high:g}", PALE, _font(11), "rt")
    draw.text((gutter - 4, height), f"{low:g}", PALE, _font(11), "rb")
    if not trace.plugged:
        middle = ((plot[0] + plot[2]) / 2, (plot[1] + plot[3]) / 2)
        draw.text(middle, "unplugged", PALE, _font(12), "mm")
    return panel


def _legend(draw: ImageDraw.ImageDraw, trace: Trace, width: int) -> float:
    """Coloured labels at the top right; returns the pixels they take."""
    right = float(width)
    for index in reversed(range(len(trace.labels))):
        label = trace.labels[index]
        draw.text((right, 0), label, COLOURS[index % len(COLOURS)], _font(12), "ra")
        right -= _length(label, 12) + 6
    return width - right


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


def _paste_fitting(canvas: Image.Image, pixels: Pixels, box: tuple[int, int, int, int]) -> None:
    """Paste an image as large as fits the box (left, top, width, height), in its middle."""
    left, top, width, height = box
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    scale = min(width / image.width, height / image.height)
    if scale != 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.LANCZOS)
    canvas.paste(image, (left + (width - image.width) // 2, top + (height - image.height) // 2))


@lru_cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size)


def _length(text: str, size: int) -> float:
    return float(_font(size).getlength(text))


def _short(text: str, width: float, size: int) -> str:
    """The text, cut off with an ellipsis where it is wider than `width` pixels."""
    if _length(text, size) <= width:
        return text
    while text and _length(text + "…", size) > width:
        text = text[:-1]
    return text + "…"


class VideoWriter:
    """An MP4 file that appears under its name only once it is complete.

    A context manager; an exception inside leaves no file, and an older one of that name untouched.
    H.264 where the encoder is there, else MPEG-4 part 2; an odd size gets its last row or column
    twice, since the chroma planes are half as large.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """`size` is (width, height) of the frames to come; raises ValueError unless positive."""
        if fps <= 0 or min(size) < 1:
            raise ValueError(f"fps and size must be positive: {fps} and {size}")
        self.path, self.size = path, size
        self.num_frames = 0
        self._partial = path.with_name(f".{path.name}.part")
        self._container = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        codec, options = _encoder(av.codecs_available)
        rate = Fraction(fps).limit_denominator(1000)
        stream = self._container.add_stream(codec, rate=rate, options=options)
        self._stream = cast(av.VideoStream, stream)
        self._stream.width, self._stream.height = (side + side % 2 for side in size)
        self._stream.pix_fmt = "yuv420p"

    def add(self, frame: Pixels) -> None:
        """Append a frame (height, width, 3); raises ValueError on another shape or type."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 of shape {(height, width, 3)}, got {frame.dtype} of {frame.shape}")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        self._container.mux(self._stream.encode(picture))
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and put it in place; raises ValueError where no frame was added."""
        if not self.num_frames:
            self.discard()
            raise ValueError(f"{self.path}: a video needs at least one frame")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        os.replace(self._partial, self.path)

    def discard(self) -> None:
        """Throw away what was written."""
        self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _encoder(available: set[str]) -> tuple[str, dict[str, str]]:
    """The best encoder there is and its settings: sharp enough to read small text."""
    if "libx264" in available:
        return "libx264", {"crf": "18", "preset": "fast"}
    return "mpeg4", {"b": "6M"}
