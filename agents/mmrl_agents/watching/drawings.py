"""Drawings of senses that are no images: the elements of a set where they are, and words as a text."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mmrl.modality import Modality, WordBag
from mmrl.modality.kinds import kind_of
from mmrl_agents.watching.panels import FRAME, INK, PALE, PAPER, Pixels, font, nice_bounds, text_width

SIDE = 192
_DOT = 3
"""Radius of an element in pixels."""
_REACH = SIDE / 2 - 6
"""Pixels from the middle to an element that is as far away as the axes reach."""
_LINE = 24
"""Letters of a line of text."""
_LOW, _HIGH = np.array([0, 47, 97]), np.array([255, 204, 51])
"""Colours of the lowest and the highest element: a dark blue and a yellow, told apart by colour-blind people too."""
_PLACES = ("x", "y", "z")


def draw_words(sense: Modality, observed: NDArray[Any]) -> Pixels:
    """The words of a reading (L,), line by line."""
    spec = sense.encoder
    assert isinstance(spec, WordBag)
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    text = "\n".join(textwrap.wrap(spec.text(observed), _LINE)) or "no word"
    draw = ImageDraw.Draw(canvas)
    draw.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=FRAME)
    draw.multiline_text((8, 8), text, INK, font(14), spacing=6)
    return np.asarray(canvas)


def draw_set(sense: Modality, observed: NDArray[Any]) -> Pixels:
    """The elements of a set (K, d + 1) that exist, from above: by their features x and y, the higher z the brighter.

    Beside each stand its other features that are 1. Without x and y they are bars: a row of features for each element.
    """
    elements = observed[observed[:, -1] > 0.5].astype(np.float64)
    if not {"x", "y"} <= {*sense.labels}:
        return _bars(sense, observed)
    canvas = Image.new("RGB", (SIDE, SIDE), PAPER)
    draw = ImageDraw.Draw(canvas)
    places = elements[:, [sense.labels.index("x"), sense.labels.index("y")]]
    reach = nice_bounds(0.0, round(float(np.abs(places).max(initial=1e-3)), 6))[1]
    _draw_axes(draw, reach, sense.units[sense.labels.index("x")])
    for element, (x, y), colour in zip(elements, places, _colours(sense, elements), strict=True):
        # x points up and y to the left, as one sees the workspace from behind the arm
        left, top = SIDE / 2 - _REACH * y / reach, SIDE / 2 - _REACH * x / reach
        _draw_element(draw, (left, top), tuple(colour), " ".join(_names(sense, element)))
    return np.asarray(canvas)


def _draw_element(draw: ImageDraw.ImageDraw, middle: tuple[float, float], colour: tuple[int, ...], name: str) -> None:
    """A dot with its name on the side where there is room."""
    left, top = middle
    draw.ellipse((left - _DOT, top - _DOT, left + _DOT, top + _DOT), fill=colour)
    half = text_width(name, 11) / 2
    beside, anchor = (top + _DOT + 2, "ma") if top < SIDE / 2 else (top - _DOT - 2, "md")
    draw.text((min(max(left, half), SIDE - half), beside), name, INK, font(11), anchor)


def _draw_axes(draw: ImageDraw.ImageDraw, reach: float, unit: str) -> None:
    draw.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=FRAME)
    draw.line((SIDE / 2, 0, SIDE / 2, SIDE), FRAME)
    draw.line((0, SIDE / 2, SIDE, SIDE / 2), FRAME)
    draw.text((SIDE - 4, SIDE - 4), f"± {reach:g} {unit}".rstrip(), PALE, font(11), "rd")


def _names(sense: Modality, element: NDArray[np.float64]) -> list[str]:
    """Labels of the features that are 1, but for the places and the last, which says that the element exists."""
    named = zip(sense.labels[:-1], element[:-1], strict=True)
    return [label for label, value in named if label not in _PLACES and value == 1.0]


def _colours(sense: Modality, elements: NDArray[np.float64]) -> list[list[int]]:
    """From dark for the lowest to bright for the highest; all dark where they have no height."""
    if "z" not in sense.labels or not len(elements):
        return [_LOW.tolist()] * len(elements)
    height = elements[:, sense.labels.index("z")]
    share = (height - height.min()) / max(float(np.ptp(height)), 1e-9)
    mixed: list[list[int]] = np.rint(_LOW + share[:, None] * (_HIGH - _LOW)).astype(int).tolist()
    return mixed


def _bars(sense: Modality, observed: NDArray[Any]) -> Pixels:
    """Features (K, d) as grey from the lowest, white, to the highest, black; rows without an element stay white."""
    exists = observed[:, -1:] > 0.5
    features = np.where(exists, observed[:, :-1], np.nan)
    low, high = (np.nanmin(features), np.nanmax(features)) if exists.any() else (0.0, 1.0)
    grey = np.where(exists, 255 * (high - features) / max(high - low, 1e-9), 255.0)
    return np.repeat(np.rint(grey).astype(np.uint8)[..., None], 3, axis=2)


DRAWINGS: Mapping[str, Callable[[Modality, NDArray[Any]], Pixels]] = MappingProxyType(
    {"set": draw_set, "words": draw_words}
)
"""How a reading of a sense is drawn, by the name of its kind."""


def drawing_of(sense: Modality) -> Callable[[Modality, NDArray[Any]], Pixels] | None:
    """How readings of a sense are drawn; None where they are an image or numbers over time."""
    return DRAWINGS.get(kind_of(sense.encoder).name)
