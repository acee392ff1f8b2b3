"""Instructions that name one of four holes, and the holes among which they do.

Letters: n = worlds, H = holes, C = colours, M = marks, L = words.
"""

from __future__ import annotations

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl.modality import WordBag
from mmrl_envs.scenes.marked_holes import COLOURS, HOLES, MARKS
from mmrl_envs.sensors.instruction import MOST_WORDS, VOCABULARY

TEMPLATES = (
    "insert into the {colour} {mark} hole",
    "put the peg into the {mark} hole that is {colour}",
    "find the hole marked {mark} and coloured {colour}",
    "the {colour} hole with the {mark}",
)
"""Ways to say it."""
HELD_OUT = tuple((colour, (2 * colour + 1) % len(MARKS)) for colour in range(len(COLOURS)))
"""Pairs of colour and mark, by their numbers, that no training hears: each colour once, each mark once or twice."""
TRAIN = tuple(
    (colour, mark) for colour in range(len(COLOURS)) for mark in range(len(MARKS)) if (colour, mark) not in HELD_OUT
)
"""All other pairs."""
PAIRS = {"train": TRAIN, "held_out": HELD_OUT}
"""Pairs that instructions name, by the word of the context."""


def spoken() -> IntArray:
    """The words of every template with every colour and mark, by the numbers of `VOCABULARY`, (templates, C, M, L)."""
    words = WordBag(VOCABULARY)
    return np.array(
        [
            [[words.numbers(text.format(colour=c, mark=m), MOST_WORDS) for m in MARKS] for c in COLOURS]
            for text in TEMPLATES
        ]
    )


def looks(colour: IntArray, mark: IntArray, drawn: FloatArray) -> tuple[IntArray, IntArray, IntArray]:
    """Colours and marks (n, H) of four holes, and which of them has the colour and mark (n,) that an instruction names.

    One of the others has its colour, one its mark, one neither: no word alone says which is meant, and no two are
    alike.

    Args:
        colour: by numbers in `COLOURS`, (n,).
        mark: by numbers in `MARKS`, (n,).
        drawn: numbers in [0, 1), (n, 8).
    """
    other_colours = (colour[:, None] + 1 + _below(drawn[:, :2], len(COLOURS) - 1)) % len(COLOURS)
    other_marks = (mark[:, None] + 1 + _below(drawn[:, 2:4], len(MARKS) - 1)) % len(MARKS)
    colours = np.stack([colour, colour, other_colours[:, 0], other_colours[:, 1]], axis=1)
    marks = np.stack([mark, other_marks[:, 0], mark, other_marks[:, 1]], axis=1)
    order = drawn[:, 4:].argsort(axis=1)  # the H that are drawn last
    meant = (order == 0).argmax(axis=1)
    return np.take_along_axis(colours, order, axis=1), np.take_along_axis(marks, order, axis=1), meant


DRAWS = 4 + HOLES
"""Numbers that `looks` takes of each world."""


def _below(drawn: FloatArray, count: int) -> IntArray:
    """Whole numbers from 0 to count - 1 of numbers in [0, 1)."""
    whole: IntArray = (drawn * count).astype(np.intp)
    return whole
