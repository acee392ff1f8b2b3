"""Readings, checked with numpy alone, above all on their way into a policy that acts.

N is the number of worlds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mmrl.modality import Modality


def checked_readings(
    observation: Mapping[str, ArrayLike],
    present: Mapping[str, NDArray[np.bool_]],
    modalities: Mapping[str, Modality],
) -> dict[str, NDArray[Any]]:
    """Arrays (N, *window_shape) of the declared dtypes; whatever converts to them without loss of meaning is taken.

    Raises ValueError for an unknown sense, a wrong shape, floats or numbers off 0..255 where bytes are declared, and a
    NaN or an infinity in a row in which the sense is not marked absent.
    """
    readings = {}
    for name, given in observation.items():
        if name not in modalities:
            raise ValueError(f"unknown sense {name!r}; known: {', '.join(modalities)}")
        sense = modalities[name]
        array = _shaped(given, sense)
        readings[name] = _bytes(array, sense) if sense.dtype == "uint8" else _finite(array, sense, present.get(name))
    return readings


def finite_rows(rows: NDArray[Any]) -> NDArray[np.bool_]:
    """Whether each row (N, ...) holds finite numbers alone, (N,)."""
    finite: NDArray[np.bool_] = np.isfinite(rows).reshape(len(rows), -1).all(axis=1)
    return finite


def _shaped(given: ArrayLike, sense: Modality) -> NDArray[Any]:
    try:
        array = np.asarray(given)
    except ValueError as error:
        raise ValueError(f"observation {sense.name!r} is no array of numbers: {error}") from error
    if array.dtype.kind not in "biuf":
        raise ValueError(f"observation {sense.name!r} must hold numbers, got {array.dtype}")
    if array.shape[1:] != sense.window_shape or array.ndim == 0:
        expected = ", ".join(map(str, ("N", *sense.window_shape)))
        raise ValueError(f"observation {sense.name!r} needs shape ({expected}), worlds first, got {array.shape}")
    return array


def _bytes(array: NDArray[Any], sense: Modality) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if array.dtype.kind == "f":
        what = f"{array.dtype} in [{low:g}, {high:g}]"
        raise ValueError(f"observation {sense.name!r} is declared as bytes 0..255, got {what}: give the bytes")
    if low < 0 or high > 255:
        raise ValueError(f"observation {sense.name!r} is declared as bytes 0..255, got integers in [{low}, {high}]")
    return array.astype(np.uint8)


def _finite(array: NDArray[Any], sense: Modality, mask: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    with np.errstate(over="ignore"):
        floats = array.astype(np.float32, copy=False)
    finite = finite_rows(floats)
    # A mask of another length is refused by the policy itself.
    bad = np.flatnonzero(~finite if mask is None or mask.shape != finite.shape else ~finite & mask)
    if bad.size:
        raise ValueError(
            f"observation {sense.name!r} is not finite in row {bad[0]}: where a sense gives nothing, mark it absent, "
            f"present[{sense.name!r}][{bad[0]}] = False"
        )
    return floats
