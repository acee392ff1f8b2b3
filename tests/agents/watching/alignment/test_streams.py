"""Streams of senses out of frames: each reading once, at its time."""

import numpy as np
import pytest

from mmrl.alignment.encoding import encoded
from mmrl.modality import MLP, ImageConv, Modality
from mmrl_agents.watching.alignment.streams import SenseOnRecord, readings_of

FPS = 20.0


def on_record(rate_hz: float, history: int | None) -> SenseOnRecord:
    return SenseOnRecord.of(Modality("wrench", (2,), rate_hz, MLP(), history=history, unit=("N", "N m")).describe())


def test_windows_that_leave_gaps_give_all_their_readings() -> None:
    # 3 of the 5 readings of each twentieth of a second; the number of a reading is its time in hundredths.
    entries = (np.arange(4)[:, None] * 5 + np.arange(-2, 1))[..., None] * np.ones(2)
    times, readings = readings_of(on_record(100, 3), entries.astype(np.float32), FPS)
    np.testing.assert_allclose(100 * times, [0, 3, 4, 5, 8, 9, 10, 13, 14, 15], atol=1e-9)
    np.testing.assert_allclose(readings[:, 0], 100 * times, atol=1e-5)


def test_windows_that_overlap_give_each_reading_once() -> None:
    entries = (np.arange(3)[:, None] * 2 + np.arange(-4, 1))[..., None] * np.ones(2)
    times, readings = readings_of(on_record(40, 5), entries.astype(np.float32), FPS)
    np.testing.assert_allclose(40 * times, [0, 1, 2, 3, 4], atol=1e-9)
    np.testing.assert_allclose(readings[:, 1], [0, 1, 2, 3, 4])


def test_a_slow_sense_that_is_held_gives_each_reading_once() -> None:
    times, readings = readings_of(on_record(10, None), np.repeat(np.arange(3.0), 2)[:, None] * np.ones(2), FPS)
    np.testing.assert_allclose(times, [0, 0.1, 0.2])
    np.testing.assert_allclose(readings[:, 0], [0, 1, 2])


def test_the_motion_of_pictures_is_their_shift() -> None:
    """A smooth pattern that moves to the right by half a pixel of 32 a picture, 20 a second."""
    y, x = np.mgrid[:32, :32] / 32.0
    moved = np.arange(6)[:, None, None] * 0.5 / 32
    grey = 127 + 60 * np.sin(7 * (x - moved) + 1) * np.cos(5 * y)
    pictures = np.repeat(grey[..., None], 3, axis=3).astype(np.uint8)
    stream = encoded("camera", np.arange(6) / 20, pictures)
    np.testing.assert_allclose(stream.times, (np.arange(5) + 0.5) / 20)
    energy, right, down, growth, turn = np.abs(stream.values).mean(axis=0)
    assert energy > 0.5
    # In units of their medians all are about 1; their sizes tell the motion from its absence.
    still = encoded("camera", np.arange(6) / 20, np.repeat(pictures[:1], 6, axis=0))
    assert (still.values == 0).all()
    assert min(right, down, growth, turn) >= 0


def test_the_first_number_of_a_wrench_says_when_something_happens() -> None:
    times = np.arange(100) / 100
    force = np.where(times[:, None] < 0.5, 0.0, 5.0) * [1.0, 0.0, 0.1]
    stream = encoded("wrench", times, force.astype(np.float32), ("N", "N", "N m"))
    assert times[stream.values[:, 0].argmax()] == pytest.approx(0.5, abs=0.011)
    assert stream.values.shape == (100, 1 + 2 + 3 + 2 + 3)


@pytest.mark.parametrize("readings", [np.zeros((9, 4, 3), np.float32), np.zeros((9, 5), np.uint8)])
def test_sets_and_words_are_refused(readings: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"holes: pictures .* and numbers .* can be aligned, not"):
        encoded("holes", np.arange(9) / 20, readings)


def test_a_sense_that_says_too_little_is_refused() -> None:
    assert SenseOnRecord.of(
        Modality("camera", (8, 8, 3), 20, ImageConv((4,), (3,), (2,)), dtype="uint8").describe()
    ).can_be_aligned
    with pytest.raises(ValueError, match="a sense on record lacks something: KeyError: 'rate_hz'"):
        SenseOnRecord.of({"name": "wrench", "shape": [2], "unit": "N"})
