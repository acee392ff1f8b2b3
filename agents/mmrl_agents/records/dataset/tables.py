"""Columns of frames as tables of Arrow."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.dataset.features import IMAGE, Feature, as_png, from_png


def entry_of(feature: Feature, row: NDArray[Any]) -> Any:
    """A frame's entry as Arrow takes it: vectors and windows as lists, a single number as it is."""
    if feature.dtype == IMAGE:
        return {"bytes": as_png(row), "path": None}
    if feature.shape == (1,):
        return row.reshape(-1)[0]
    return row.tolist()


def entries_of(feature: Feature, column: Any) -> NDArray[Any]:
    """The entries of a column, (frames, *shape)."""
    rows = column.to_pylist()
    if feature.dtype == IMAGE:
        return np.stack([from_png(row["bytes"], feature.shape) for row in rows])
    return np.array(rows, feature.dtype).reshape(len(rows), *feature.shape)


def type_of(feature: Feature) -> Any:
    """Arrow's type of a column."""
    tables = arrow()
    if feature.dtype == IMAGE:
        return tables.struct({"bytes": tables.binary(), "path": tables.string()})
    kind = tables.from_numpy_dtype(np.dtype(feature.dtype))
    if feature.shape == (1,):
        return kind
    *outer, last = feature.shape
    kind = tables.list_(kind, last)
    for _ in outer:  # more than one axis is a list of lists
        kind = tables.list_(kind)
    return kind


def arrow() -> Any:
    """The package; raises ImportError that says what to install."""
    try:
        return import_module("pyarrow")
    except ImportError as error:
        raise ImportError("data sets need pyarrow: pip install 'mmrl[data]'") from error
