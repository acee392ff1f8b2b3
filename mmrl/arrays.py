"""Types of arrays by the numbers in them, and of observations."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.intp]
"""Whole numbers as NumPy counts and indexes with."""
Indices: TypeAlias = NDArray[np.integer[Any]]
"""Whole numbers of any width, such as those of the worlds that are meant."""
Observation: TypeAlias = dict[str, NDArray[Any]]
"""Readings by sense, (N, *window_shape) each, as N worlds give them; a network takes them as `mmrl.inputs.Inputs`."""
