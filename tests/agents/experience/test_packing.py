import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl_agents.experience.packing import Packing


@given(
    shape=st.lists(st.integers(1, 5), min_size=1, max_size=3).map(tuple),
    high=st.sampled_from([1, 2, 255]),
    rows=st.integers(1, 4),
    seed=st.integers(0, 2**32 - 1),
)
def test_integers_come_back_as_they_were(shape: tuple[int, ...], high: int, rows: int, seed: int) -> None:
    packing = Packing(spaces.Box(0, high, shape, np.uint8))
    readings = np.random.default_rng(seed).integers(0, high + 1, (rows, *shape), dtype=np.uint8)
    packed = packing.pack(readings)
    assert packed.shape[0] == rows
    back = packing.unpack(list(packed))
    assert back.dtype == torch.uint8
    np.testing.assert_array_equal(back, readings)


def test_pixels_of_0_and_1_take_a_bit_each() -> None:
    binary, grey = (Packing(spaces.Box(0, high, (80, 80, 2), np.uint8)) for high in (1, 255))
    frames = np.ones((3, 80, 80, 2), np.uint8)
    # 80 * 80 * 2 / 8
    assert binary.pack(frames).nbytes == 3 * 1600
    assert grey.pack(frames).nbytes == 3 * 12_800


@pytest.mark.parametrize("high", [1, 255])
def test_what_is_packed_outlives_its_source(high: int) -> None:
    packing = Packing(spaces.Box(0, high, (2, 2), np.uint8))
    readings: NDArray[np.uint8] = np.eye(2, dtype=np.uint8)[None].copy()
    packed = packing.pack(readings)
    readings[:] = 0
    assert packing.unpack(list(packed)).tolist() == [[[1, 0], [0, 1]]]


def test_other_numbers_are_kept_as_float32() -> None:
    packing = Packing(spaces.Box(0, 1, (2,), np.float64))
    back = packing.unpack(list(packing.pack(np.array([[0.25, 0.5], [1.0, 0.1]]))))
    assert back.dtype == torch.float32
    assert back.tolist() == [[0.25, 0.5], [1.0, pytest.approx(0.1)]]
