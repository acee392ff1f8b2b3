"""Vector infos of Gymnasium, arrays with a leading axis N, as the list of N dicts that SB3 passes round."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

_OF_ENDED = ("final_obs", "final_info")


class InfoRows:
    """Takes vector infos apart, step after step.

    What is known of no episode yet, NaN, becomes None as in a single environment. An info within an info that is the
    same object as in the step before gives the same dicts again: contexts change with episodes only.
    """

    def __init__(self, num_worlds: int) -> None:
        self._num_worlds = num_worlds
        self._nested: dict[str, tuple[Mapping[str, Any], list[dict[str, Any]]]] = {}

    def split(self, info: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A dict for each world, with the entries that its mask says it has."""
        rows: list[dict[str, Any]] = [{} for _ in range(self._num_worlds)]
        for name, values in info.items():
            if name in _OF_ENDED or (name.startswith("_") and name[1:] in info):
                continue
            column = self._nested_rows(name, values) if isinstance(values, Mapping) else _column(values)
            mask = info.get(f"_{name}")
            if mask is None or np.all(mask):
                for row, value in zip(rows, column, strict=True):
                    row[name] = value
            else:
                for world in np.flatnonzero(mask).tolist():
                    rows[world][name] = column[world]
        return rows

    def _nested_rows(self, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        known = self._nested.get(name)
        if known is None or known[0] is not values:
            known = self._nested[name] = (values, InfoRows(self._num_worlds).split(values))
        return known[1]


def _column(values: Any) -> list[Any]:
    """Plain Python numbers and words; arrays for what is more than a number."""
    array = np.asarray(values)
    if array.ndim > 1:
        return list(array)
    column: list[Any] = array.tolist()
    return [None if value != value else value for value in column] if array.dtype.kind == "f" else column
