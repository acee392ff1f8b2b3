"""The taxels of a glove: 548 of 32 x 32, in the shape of a hand.

As many as the scalable tactile glove has, Sundaram et al., "Learning the signatures of the human grasp using a scalable
tactile glove" (Nature, 2019); the outline here is one of a hand, not that of its knitted electrodes.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from mmrl.arrays import BoolArray

GLOVE_RESOLUTION, GLOVE_TAXELS = 32, 548
"""Taxels to a side of the array, and those of them that there are."""
_PARTS = (
    ((1, 17), (9, 29)),  # the palm: rows, columns
    ((17, 26), (25, 29)),  # little finger
    ((17, 29), (20, 24)),
    ((17, 30), (14, 18)),
    ((17, 28), (9, 13)),
    ((6, 18), (3, 7)),  # thumb
)


@cache
def glove_mask() -> BoolArray:
    """Which of 32 x 32 taxels there are, (32, 32): 548 in the shape of a hand."""
    there = np.zeros((GLOVE_RESOLUTION, GLOVE_RESOLUTION), np.bool_)
    for rows, columns in _PARTS:
        there[slice(*rows), slice(*columns)] = True
    return there
