"""The rows of one process among those that several draw for."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Among:
    """B rows that stand among others, which other processes have.

    Each process draws for all rows and keeps its own, so that a row gets the same numbers whichever process has it.
    """

    first: int
    """How many stand before them."""
    total: int
    """How many there are."""

    def padded(self, rows: Tensor) -> Tensor:
        """Rows (B, ...) with ones in the place of the others, (total, ...); the same tensor where there are none."""
        if len(rows) == self.total:
            return rows
        everywhere = torch.ones((self.total, *rows.shape[1:]), dtype=rows.dtype, device=rows.device)
        everywhere[self.first : self.first + len(rows)] = rows
        return everywhere

    def own(self, everywhere: Tensor, count: int) -> Tensor:
        """The rows (B, ...) of this process among all (total, ...)."""
        return everywhere[self.first : self.first + count]
