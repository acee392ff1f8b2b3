"""Frames of a policy at work, 960 x 540 pixels, as pure functions of arrays.

A line or two of text at the top, the scene on the left, and on the right what the policy sensed and thought.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from mmrl_agents.watching.panels import (
    FRAME,
    GOOD,
    HEIGHT,
    INK,
    LABEL,
    MARGIN,
    PALE,
    PAPER,
    WIDTH,
    Pixels,
    Trace,
    draw_panels,
    font,
    shortened,
    text_width,
)

HEADER = 44
SCENE = 480
COLUMN = SCENE + 2 * MARGIN  # left edge of what the policy sensed
LARGEST_PICTURE = 192
# Of a game, whose picture is all there is to see.
LARGEST_GAME_PICTURE = 340
NARROWEST_PANELS = 224


@dataclass(frozen=True, eq=False)
class Picture:
    """An image sense at one instant."""

    title: str
    pixels: Pixels | None  # (H, W, 3); None where the sense is unplugged
    note: str = ""  # below the picture, in frames of games


@dataclass(frozen=True)
class Caption:
    """The lines above the scene; a right part that tells of a success is `good`."""

    left: str
    right: str
    good: bool = False
    below: str = ""  # in smaller type below the right part


def compose(caption: Caption, scene: Pixels, pictures: Sequence[Picture], traces: Sequence[Trace]) -> Pixels:
    """A frame (540, 960, 3): caption, scene (H, W, 3) of any size, pictures above traces."""
    canvas = _headed(caption)
    image = _fitting(scene, SCENE, SCENE)
    canvas.paste(image, (MARGIN + (SCENE - image.width) // 2, HEADER + (SCENE - image.height) // 2))
    top = _draw_row(canvas, pictures)
    few = len(traces) <= 1 or (len(traces) == 2 and top < HEIGHT / 2)
    draw_panels(canvas, traces, (COLUMN, top), columns=1 if few else 2)
    return np.asarray(canvas)


def compose_game(caption: Caption, scene: Pixels, pictures: Sequence[Picture], traces: Sequence[Trace]) -> Pixels:
    """A frame (540, 960, 3): caption, scene (H, W, 3) with its pixels whole, then pictures beside traces.

    A small scene is repeated by a whole factor and leaves its place to the rest. Legends have numbers.
    """
    canvas = _headed(caption)
    room = SCENE - LABEL  # level with the picture, which has a title
    small = max(scene.shape[:2]) <= room
    image = Image.fromarray(enlarge(scene[..., :3], room)) if small else _fitting(scene, SCENE, room)
    canvas.paste(image, (MARGIN, HEADER + LABEL))
    left = _draw_stack(canvas, pictures, image.width + 2 * MARGIN)
    wide = WIDTH - left >= 2 * NARROWEST_PANELS
    draw_panels(canvas, traces, (left, HEADER), columns=2 if wide and len(traces) > 3 else 1, aside=True)
    return np.asarray(canvas)


def enlarge(pixels: Pixels, size: int) -> Pixels:
    """Pixels repeated, or left out, so that the longer side is at most `size` and near it."""
    longest = max(pixels.shape[:2])
    if longest > size:
        every = -(-longest // size)
        return np.ascontiguousarray(pixels[::every, ::every])
    times = size // longest
    return np.repeat(np.repeat(pixels, times, axis=0), times, axis=1)


def _headed(caption: Caption) -> Image.Image:
    """An empty frame under its caption."""
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw = ImageDraw.Draw(canvas)
    left = shortened(caption.left, WIDTH - 3 * MARGIN - text_width(caption.right, 16), 16)
    middle = HEADER / 3 if caption.below else HEADER / 2
    draw.text((MARGIN, middle), left, INK, font(16), "lm")
    colour = GOOD if caption.good else INK
    draw.text((WIDTH - MARGIN, middle), caption.right, colour, font(16), "rm")
    draw.text((WIDTH - MARGIN, 3 * HEADER / 4), shortened(caption.below, WIDTH - 2 * MARGIN, 12), INK, font(12), "rm")
    return canvas


def _fitting(pixels: Pixels, width: int, height: int) -> Image.Image:
    """An image as large as fits."""
    image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
    scale = min(width / image.width, height / image.height)
    if scale == 1:
        return image
    return image.resize((round(image.width * scale), round(image.height * scale)), Image.Resampling.LANCZOS)


def _draw_row(canvas: Image.Image, pictures: Sequence[Picture]) -> int:
    """Pictures side by side at the top of the right column; returns where the rest begins."""
    if not pictures:
        return HEADER
    size = min((WIDTH - COLUMN) // len(pictures) - MARGIN, LARGEST_PICTURE)
    heights = [
        _draw_picture(canvas, picture, (COLUMN + index * (size + MARGIN), HEADER), size)[1]
        for index, picture in enumerate(pictures)
    ]
    return HEADER + LABEL + max(heights) + MARGIN


def _draw_stack(canvas: Image.Image, pictures: Sequence[Picture], left: int) -> int:
    """Pictures one below the other; returns where the rest begins, to the right of them."""
    if not pictures:
        return left
    each = (HEIGHT - HEADER) // len(pictures)  # a title, the picture, its note and a margin
    size = min(WIDTH - left - MARGIN - NARROWEST_PANELS, max(LABEL, each - 2 * LABEL - MARGIN), LARGEST_GAME_PICTURE)
    widths = []
    for index, picture in enumerate(pictures):
        top = HEADER + index * each
        width, height = _draw_picture(canvas, picture, (left, top), size)
        below = (left, top + LABEL + height + 4)
        ImageDraw.Draw(canvas).text(below, shortened(picture.note, width, 12), PALE, font(12))
        widths.append(width)
    return left + max(widths) + MARGIN


def _draw_picture(canvas: Image.Image, picture: Picture, corner: tuple[int, int], size: int) -> tuple[int, int]:
    """A picture under its title, no side longer than `size`; returns its width and height."""
    left, top = corner[0], corner[1] + LABEL
    draw = ImageDraw.Draw(canvas)
    draw.text(corner, shortened(picture.title, size, 12), INK, font(12))
    if picture.pixels is None:
        draw.rectangle((left, top, left + size - 1, top + size - 1), outline=FRAME)
        draw.text((left + size / 2, top + size / 2), "unplugged", PALE, font(12), "mm")
        return size, size
    enlarged = enlarge(picture.pixels, size)
    canvas.paste(Image.fromarray(enlarged), (left, top))
    return enlarged.shape[1], enlarged.shape[0]
