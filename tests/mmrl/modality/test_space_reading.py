"""Entries of foreign spaces as vectors, windows, images and choices."""

import numpy as np
import pytest
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from mmrl.modality import Modality
from mmrl.modality.kinds import able_words, certain_word, readers
from mmrl.modality.space_reading import Unreadable

SMALL = st.integers(1, 4)


@given(shape=st.lists(SMALL, max_size=4), seed=st.integers(0, 99))
def test_a_vector_holds_every_number_in_order(shape: list[int], seed: int) -> None:
    space = spaces.Box(-5, 5, tuple(shape), np.float64, seed=seed)
    value, reading = space.sample(), readers()["vector"].read(space)
    assert reading.shape == (value.size,)
    np.testing.assert_array_equal(reading.convert(value), value.ravel().astype(np.float32))


def test_a_window_keeps_time_first() -> None:
    low = np.array([[-1, -2, -3], [-4, -1, -3]], np.float32)
    reading = readers()["window"].read(spaces.Box(low, np.ones((2, 3), np.float32)))
    assert (reading.history, reading.shape) == (2, (3,))
    # of a reading at any instant: the least of both rows
    assert reading.low == (-4, -2, -3)
    np.testing.assert_array_equal(reading.convert(low), low)
    one = readers()["window"].read(spaces.Box(-1, 1, (5,)))
    assert (one.history, one.shape, one.convert(np.arange(5)).shape) == (5, (1,), (5, 1))


def test_images_end_with_their_channels() -> None:
    pixels = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)  # (C, H, W)
    chw = readers()["image_chw"].read(spaces.Box(0, 255, (2, 4, 3), np.uint8))
    assert (chw.shape, chw.dtype) == ((4, 3, 2), "uint8")
    assert chw.convert(pixels)[3, 1, 0] == pixels[0, 3, 1]
    grey = readers()["image"].read(spaces.Box(0, 255, (4, 3), np.uint8))
    assert grey.shape == (4, 3, 1)
    assert grey.convert(pixels[0])[2, 1, 0] == pixels[0, 2, 1]
    mask = readers()["image"].read(spaces.Box(0, 1, (4, 3, 1), np.int64))
    assert (mask.dtype, mask.low, mask.high) == ("float32", 0, 1)


def test_stacked_frames_are_one_image_of_all_their_channels() -> None:
    space = spaces.Box(0, 255, (4, 5, 6, 3), np.uint8, seed=0)
    frames, reading = space.sample(), readers()["image_stack"].read(space)
    assert certain_word(space) == "image_stack"
    assert (reading.shape, reading.dtype, reading.high) == ((5, 6, 12), "uint8", 255)
    image = reading.convert(frames)
    for frame in range(4):
        np.testing.assert_array_equal(image[:, :, 3 * frame : 3 * frame + 3], frames[frame])


@given(n=st.integers(1, 9), start=st.integers(-3, 3), data=st.data())
def test_a_choice_is_a_one_among_zeros(n: int, start: int, data: st.DataObject) -> None:
    choice = data.draw(st.integers(start, start + n - 1))
    array = readers()["one_hot"].read(spaces.Discrete(n, start=start)).convert(choice)
    assert array.tolist() == [float(start + i == choice) for i in range(n)]


def test_several_choices_stand_in_a_row() -> None:
    reading = readers()["one_hot"].read(spaces.MultiDiscrete([2, 3]))
    assert reading.convert(np.array([1, 2])).tolist() == [0, 1, 0, 0, 1]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_beyond_float32_or_without_room_are_none(dtype: type) -> None:
    largest = np.finfo(dtype).max
    space = spaces.Box(np.array([-largest, 2, -1], dtype), np.array([largest, 2, 1], dtype), dtype=dtype)
    reading = readers()["vector"].read(space)
    modality = Modality("x", reading.shape, 1, reading.encoder, low=reading.low, high=reading.high)
    bound = np.float32(largest) if dtype is np.float32 else np.inf
    assert modality.space.low.tolist() == [-bound, -np.inf, -1]
    assert modality.space.high.tolist() == [bound, np.inf, 1]


@pytest.mark.parametrize(
    ("kind", "space", "message"),
    [
        ("window", spaces.Box(-1, 1, (2, 3, 4)), r"reads a Box \(T,\) or \(T, d\), time first, not one of shape"),
        ("image", spaces.Box(-1, 1, (6,)), r"reads a Box \(H, W, C\) or \(H, W\), not one of shape \(6,\)"),
        ("image_chw", spaces.Box(-1, 1, (6, 6)), r"reads a Box \(C, H, W\), not one of shape \(6, 6\)"),
        ("one_hot", spaces.Box(-1, 1, (6,)), "reads a Discrete or a MultiDiscrete, not Box"),
        ("vector", spaces.Discrete(3), r"reads a Box or a MultiBinary, not Discrete\(3\)"),
    ],
)
def test_a_kind_refuses_what_it_does_not_read(kind: str, space: spaces.Space[object], message: str) -> None:
    with pytest.raises(Unreadable, match=message):
        readers()[kind].read(space)


def test_what_leaves_no_doubt() -> None:
    assert certain_word(spaces.Box(-1, 1, ())) == "vector"
    assert certain_word(spaces.MultiBinary(3)) == "vector"
    assert certain_word(spaces.Box(-1, 1, (32, 6))) is None
    assert sorted(able_words(spaces.Box(-1, 1, (32, 6)))) == ["image", "vector", "window"]
    assert able_words(spaces.Text(3)) == []
