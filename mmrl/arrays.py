"""Types of arrays by the numbers in them, of observations, and of the environments that give those."""

from typing import Any, TypeAlias

import numpy as np
from gymnasium.vector import VectorEnv
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
BoolArray: TypeAlias = NDArray[np.bool_]
IntArray: TypeAlias = NDArray[np.intp]
"""Whole numbers as NumPy counts and indexes with."""
Indices: TypeAlias = NDArray[np.integer[Any]]
"""Whole numbers of any width, such as those of the worlds that are meant."""
Observation: TypeAlias = dict[str, NDArray[Any]]
"""Readings by sense, (N, *window_shape) each, as N worlds give them; a network takes them as `mmrl.inputs.Inputs`."""
Envs: TypeAlias = VectorEnv[Any, Any, Any]
"""N environments of any package that step side by side; `mmrl_envs.multimodal.describing` finds those that declare."""
