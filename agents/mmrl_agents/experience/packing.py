"""Readings in as few bytes as they need, so that whole games fit into memory.

Shapes: B rows, `shape` that of one reading.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import NDArray
from torch import Tensor


class Packing:
    """How readings of one space are kept: pixels of 0 and 1 as bits, other integers as uint8, the rest as float32.

    A game of 2,000 steps with two binary frames of 80 x 80 takes 3 MB as bits and 26 MB as bytes.
    """

    def __init__(self, space: spaces.Box) -> None:
        self.shape = space.shape
        self.dtype = np.uint8 if space.dtype == np.uint8 else np.float32
        self.as_bits = space.dtype == np.uint8 and bool((space.high <= 1).all())

    def pack(self, readings: NDArray[Any]) -> NDArray[Any]:
        """(B, *shape) as declared by the space -> (B, ...), a row for each reading; a copy."""
        if self.as_bits:
            return np.packbits(readings.reshape(len(readings), -1), axis=1)
        return readings.astype(self.dtype)

    def unpack(self, rows: Sequence[NDArray[Any]]) -> Tensor:
        """B rows that `pack` returned -> (B, *shape), uint8 or float32."""
        packed = np.stack(rows)
        if self.as_bits:
            packed = np.unpackbits(packed, axis=1, count=int(np.prod(self.shape)))
        return torch.from_numpy(packed).view(-1, *self.shape)
