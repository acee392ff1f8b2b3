"""A growing batch of transitions: state, choice, reward and the state that followed.

B is a number of rows, M the numbers that tell the newest choices. A state is a row of readings by sense, or of what was
made of them; one that ends a transition and begins the next is kept once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mmrl.arrays import BoolArray, FloatArray, IntArray

_FIRST_ROOM = 1024


class GrowingRows:
    """An array to which rows are added, its room doubled where they do not fit."""

    def __init__(self, shape: Sequence[int], dtype: Any) -> None:
        """Empty; rows have this shape and kind of number."""
        self._array: NDArray[Any] = np.empty((_FIRST_ROOM, *shape), dtype)
        self._count = 0

    def __len__(self) -> int:
        return self._count

    @property
    def rows(self) -> NDArray[Any]:
        """All rows so far, (B, *shape); a view."""
        return self._array[: self._count]

    def add(self, rows: NDArray[Any]) -> None:
        """Add rows (B, *shape)."""
        while self._count + len(rows) > len(self._array):
            self._array = np.concatenate([self._array, np.empty_like(self._array)])
        self._array[self._count : self._count + len(rows)] = rows
        self._count += len(rows)


class Steps(NamedTuple):
    """Transitions between states that are told by their numbers, all arrays (B,)."""

    before: IntArray
    """Where they begin."""
    choice: IntArray
    """Which action was taken."""
    reward: FloatArray
    """The reward for it."""
    after: IntArray
    """Where they lead."""
    terminal: BoolArray
    """Whether nothing follows."""


class Transitions:
    """All transitions so far, and the states between which they lead."""

    def __init__(self, columns: Mapping[str, tuple[Sequence[int], Any]], newest: int) -> None:
        """Empty.

        Args:
            columns: shape and kind of number of what a state is made of, by name.
            newest: M.
        """
        self.columns = {name: GrowingRows(*column) for name, column in columns.items()}
        self.newest = GrowingRows((newest,), np.float32)
        kinds = (np.int64, np.int64, np.float64, np.int64, np.bool_)
        self._steps = [GrowingRows((), kind) for kind in kinds]

    def __len__(self) -> int:
        return len(self._steps[0])

    @property
    def num_states(self) -> int:
        """How many states there are."""
        return len(self.newest)

    @property
    def steps(self) -> Steps:
        """All transitions, views."""
        return Steps(*(rows.rows for rows in self._steps))

    def add_states(self, columns: Mapping[str, NDArray[Any]], newest: NDArray[Any]) -> IntArray:
        """Add states of columns (B, *shape) and newest choices (B, M); returns their numbers (B,)."""
        first = self.num_states
        for name, column in self.columns.items():
            column.add(columns[name])
        self.newest.add(newest)
        return np.arange(first, self.num_states)

    def add(self, steps: Steps) -> None:
        """Add transitions."""
        for rows, added in zip(self._steps, steps, strict=True):
            rows.add(added)

    def states(self, numbers: IntArray) -> tuple[dict[str, Tensor], Tensor]:
        """Columns (B, *shape) by name and newest choices (B, M) of states by their numbers (B,)."""
        columns = {name: torch.from_numpy(column.rows[numbers]) for name, column in self.columns.items()}
        return columns, torch.from_numpy(self.newest.rows[numbers])

    def with_columns(self, columns: Mapping[str, NDArray[Any]]) -> Transitions:
        """The same transitions between states that are made of other columns (B, *shape), a row for each state."""
        kinds = {name: (rows.shape[1:], rows.dtype) for name, rows in columns.items()}
        other = Transitions(kinds, self.newest.rows.shape[1])
        other.add_states(columns, self.newest.rows)
        other.add(self.steps)
        return other

    def state_dict(self) -> dict[str, Any]:
        """All rows, copied."""
        return {
            "columns": {name: column.rows.copy() for name, column in self.columns.items()},
            "newest": self.newest.rows.copy(),
            "steps": {name: rows.copy() for name, rows in self.steps._asdict().items()},
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`, of arrays, where nothing was added yet; ValueError where its columns are others."""
        if set(state["columns"]) != set(self.columns):
            raise ValueError(f"the states on record have {', '.join(state['columns'])}, not {', '.join(self.columns)}")
        self.add_states(state["columns"], state["newest"])
        self.add(Steps(**state["steps"]))
