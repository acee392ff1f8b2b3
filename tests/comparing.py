"""Comparing trees of arrays: states, observations, histories."""

from collections.abc import Collection
from typing import Any

import numpy as np
import torch


def assert_same(one: Any, other: Any, where: str = "state", but: Collection[str] = ()) -> None:
    """Equal to the last bit, and of the same types: dicts, lists, tuples, arrays, tensors; NaN equals itself.

    Entries named in `but` may differ, at any depth.
    """
    assert type(one) is type(other), where
    if isinstance(other, dict):
        assert one.keys() == other.keys(), where
        for key in other.keys() - set(but):
            assert_same(one[key], other[key], f"{where}/{key}", but)
    elif isinstance(other, list | tuple) or (isinstance(other, np.ndarray) and other.dtype == object):
        assert len(one) == len(other), where
        for index, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, f"{where}[{index}]", but)
    elif isinstance(other, torch.Tensor):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True, msg=where)
    elif isinstance(other, np.ndarray):
        assert one.shape == other.shape, where
        assert one.dtype == other.dtype, where
        np.testing.assert_array_equal(one, other, where)
    else:
        assert one == other or (one != one and other != other), where
