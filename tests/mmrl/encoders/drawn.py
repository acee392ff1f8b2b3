"""Readings drawn at random, for tests of the networks that encode them."""

import numpy as np
import torch
from torch import Tensor

from mmrl.modality import Modality


def readings(modality: Modality, rows: int) -> Tensor:
    """(rows, *window_shape), whole numbers of the image or normally distributed."""
    rng = np.random.default_rng(0)
    shape = (rows, *modality.window_shape)
    if modality.dtype == "uint8":
        return torch.from_numpy(rng.integers(0, 256, shape, dtype=np.uint8))
    return torch.from_numpy(rng.normal(size=shape).astype(np.float32))
