"""Infos of vector environments: beside each entry a mask of the worlds that it is about.

Letters: N = worlds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

BoolArray = NDArray[np.bool_]


def masked(entries: Mapping[str, Any], worlds: BoolArray) -> dict[str, Any]:
    """The entries, and beside each a mask of its own that says it is about these worlds, (N,)."""
    return {**entries, **masks(entries, worlds)}


def masks(names: Iterable[str], worlds: BoolArray) -> dict[str, BoolArray]:
    """A mask of its own for each name, under "_name"."""
    return {f"_{name}": worlds.copy() for name in names}


def only_of(worlds: BoolArray, info: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of a masked info that says it is about these worlds, (N,), and so does the context in it."""
    return {
        name: worlds.copy() if name.startswith("_") else only_of(worlds, value) if name == "context" else value.copy()
        for name, value in info.items()
    }
