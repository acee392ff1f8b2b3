"""The windows that a robot's readings become: those of the simulator, whatever the rates."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl.deploy.feed import FastFeed, make_feed
from mmrl.modality import MLP, ImageConv, Modality
from mmrl.streams import Streams
from mmrl_envs.sensors.sensing.buffer import ModalityBuffer

PHYSICS_HZ, HZ = 1000, 20
FAST = Modality("wrench", (2,), 100.0, MLP(), history=5)


def in_the_simulator(modality: Modality, readings: NDArray[np.float64], steps: int) -> list[NDArray[np.float32]]:
    """The windows at the reset and after each control step, of a sensor that reads `readings` (instants, 2)."""
    buffer = ModalityBuffer(modality, 1, PHYSICS_HZ, HZ, Streams(0, "sense", 1))
    world = np.zeros(1, np.int64)
    buffer.reset(world, readings[:1])
    seen = [buffer.observe()[0]]
    for step in range(steps):
        buffer.tick(world)
        if len(buffer.due_worlds(world)):
            instants = step * PHYSICS_HZ // HZ + buffer.substeps + 1
            buffer.push(world, readings[None, instants])
        seen.append(buffer.observe()[0])
    return seen


@settings(max_examples=60, deadline=None)
@given(
    rate=st.sampled_from([1000.0, 500.0, 200.0, 40.0, 20.0, 15.0, 10.0, 7.0, 100 / 3]),
    history=st.sampled_from([None, 1, 3, 32]),
    latency_ms=st.integers(0, 120),
)
def test_the_windows_are_those_of_the_simulator(rate: float, history: int | None, latency_ms: int) -> None:
    """A robot that reads at every instant of the simulator at which its sensor may read sees the same."""
    steps = 12
    rate = 20.0 if rate > HZ and (PHYSICS_HZ % rate or rate % HZ) else rate
    modality = Modality("wrench", (2,), rate, MLP(), history=history, latency_s=latency_ms / 1000)
    readings = np.random.default_rng(0).normal(size=(steps * PHYSICS_HZ // HZ + 1, 2)).astype(np.float32)
    feed = make_feed(modality, HZ)
    period = max(1, round(PHYSICS_HZ / rate)) if rate > HZ else PHYSICS_HZ // HZ
    pushed = 0
    for step, expected in enumerate(in_the_simulator(modality, readings, steps)):
        now = step * PHYSICS_HZ // HZ
        while pushed * period <= now:
            feed.push(pushed * period / PHYSICS_HZ, readings[pushed * period])
            pushed += 1
        window = feed.window(now / PHYSICS_HZ)
        assert window is not None
        np.testing.assert_array_equal(window.readings, expected)
        assert window.readings.dtype == expected.dtype


def test_before_the_first_reading_there_is_nothing_to_see() -> None:
    feed = make_feed(FAST, HZ)
    assert feed.window(1.0) is None
    feed.push(1.0, [1.0, 2.0])
    window = feed.window(1.0)
    assert window is not None
    assert window.readings.tolist() == [[1.0, 2.0]] * 5
    feed.forget()
    assert feed.window(2.0) is None


def test_readings_that_come_too_often_are_skipped_and_gaps_are_held() -> None:
    feed = make_feed(FAST, HZ)
    for time, value in ((0.0, 1.0), (0.003, 99.0), (0.0102, 2.0), (0.0398, 3.0)):
        feed.push(time, [value, 0.0])
    window = feed.window(0.05)
    assert window is not None
    assert window.readings[:, 0].tolist() == [1.0, 2.0, 2.0, 2.0, 3.0]
    assert (feed.skipped, feed.held) == (1, 2)
    assert window.newest == 0.0398


def test_half_a_period_of_jitter_loses_no_reading() -> None:
    feed = FastFeed(FAST, HZ)
    rng = np.random.default_rng(1)
    for number in range(200):
        feed.push(10.0 + number / 100 + (rng.uniform(-0.0049, 0.0049) if number else 0.0), [number, 0.0])
    assert (feed.skipped, feed.held) == (0, 0)


def test_a_slow_sense_is_held_until_it_is_due() -> None:
    """15 Hz under 20 Hz of control: read at 0, 100, 150, 200, 300 ms, as in the simulator."""
    feed = make_feed(Modality("gauge", (1,), 15.0, MLP()), HZ)
    seen = []
    for step in range(7):
        feed.push(step / HZ, [step])
        window = feed.window(step / HZ)
        assert window is not None
        seen.append(window.readings[0])
    assert seen == [0, 0, 2, 3, 4, 4, 6]


@pytest.mark.parametrize(("rate", "history"), [(20.0, None), (15.0, None), (100.0, 5)])
def test_an_action_some_milliseconds_late_sees_what_one_in_time_would(rate: float, history: int | None) -> None:
    in_time, late = (make_feed(Modality("wrench", (1,), rate, MLP(), history=history), HZ) for _ in range(2))
    for step in range(12):
        for feed, now in ((in_time, step / HZ), (late, step / HZ + 0.005)):
            for instant in range(5 * step - 4 if step else 0, 5 * step + 1):  # of 100 Hz
                feed.push(instant / 100, [instant])
            window = feed.window(now)
            assert window is not None
            if feed is in_time:
                expected = window
        np.testing.assert_array_equal(window.readings, expected.readings)
        assert window.newest == expected.newest


@pytest.mark.parametrize(
    ("time", "reading", "message"),
    [
        (0.5, [0.0, 0.0], r"before the last reading at 1\.000000 s: it is left out"),
        (math.nan, [0.0, 0.0], "no instant"),
        (2.0, [0.0], r"shape \(2,\), got \(1,\)"),
        (2.0, [0.0, math.nan], "'wrench' is not finite"),
        (2.0, ["a", "b"], "must hold numbers"),
    ],
)
def test_a_reading_that_cannot_be_is_refused_and_nothing_is_lost(
    time: float, reading: list[float], message: str
) -> None:
    feed = make_feed(FAST, HZ)
    feed.push(1.0, [1.0, 2.0])
    with pytest.raises(ValueError, match=message):
        feed.push(time, reading)
    feed.push(1.01, [3.0, 4.0])
    window = feed.window(1.01)
    assert window is not None
    assert window.readings[-1].tolist() == [3.0, 4.0]


def test_readings_are_kept_within_their_bounds_and_bytes_stay_bytes() -> None:
    bounded = make_feed(Modality("gauge", (1,), 10.0, MLP(), low=-1.0, high=1.0), HZ)
    bounded.push(0.0, [7.0])
    window = bounded.window(0.0)
    assert window is not None
    assert window.readings.tolist() == [1.0]
    camera = make_feed(Modality("camera", (36, 36, 3), 20.0, ImageConv(), dtype="uint8"), HZ)
    with pytest.raises(ValueError, match="declared as bytes"):
        camera.push(0.0, np.full((36, 36, 3), 0.5))
    camera.push(0.0, np.full((36, 36, 3), 200, np.uint8))
    picture = camera.window(0.0)
    assert picture is not None
    assert picture.readings.dtype == np.uint8
