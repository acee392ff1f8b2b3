"""ModalityBuffer: which readings a policy sees, when, and how they err.

The sensors here tell the time: a reading is the number of physics steps since its world's reset.
"""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.modality import Custom, Modality
from mmrl.modality.noise import Bias, Chain, Dropout, Gaussian, Quantisation
from mmrl.streams import Streams
from mmrl_envs.sensors.sensing.buffer import ModalityBuffer

CLOCK = Modality("clock", (1,), 1000, Custom("user.networks:make"))
PHYSICS_HZ, CONTROL_HZ = 1000, 20
S = 50  # physics steps per control step, 1000 / 20


class Rig:
    """N worlds whose sensor tells the time, and an environment's loop around one buffer."""

    def __init__(self, modality: Modality, num_worlds: int = 1, seed: int = 0, noise_unit: Any = 1.0) -> None:
        self.shape = modality.shape
        self.dtype = modality.dtype
        streams = Streams(seed, modality.name, num_worlds)
        self.buffer = ModalityBuffer(modality, num_worlds, PHYSICS_HZ, CONTROL_HZ, streams, noise_unit)
        self.every = np.arange(num_worlds)
        self.time = np.zeros(num_worlds, dtype=np.int64)
        self.reset(self.every)

    def reset(self, worlds: np.ndarray) -> None:
        self.time[worlds] = 0
        self.buffer.reset(worlds, np.zeros((len(worlds), *self.shape), dtype=self.dtype))

    def step(self) -> np.ndarray:
        self.time += S
        self.buffer.tick(self.every)
        due = self.buffer.due_worlds(self.every)
        if len(due):
            # Record j of a control step is taken j + 1 physics steps after the last one ended.
            times = self.time[due, None] - S + self.buffer.substeps + 1  # (n, k)
            readings = times.reshape(*times.shape, *(1,) * len(self.shape)) * np.ones(self.shape)
            self.buffer.push(due, readings.astype(self.dtype))
        return self.buffer.observe()

    def times_seen(self) -> list[float]:
        """One control step of world 0, one number per reading."""
        seen: list[float] = self.step()[0].reshape(-1).tolist()
        return seen


def clock(rate_hz: float, history: int | None = None, latency_s: float = 0.0) -> Rig:
    return Rig(replace(CLOCK, rate_hz=rate_hz, history=history, latency_s=latency_s))


def test_reset_backfills_with_the_first_reading() -> None:
    buffer = clock(1000, history=3, latency_s=0.002).buffer
    buffer.reset(np.array([0]), np.array([[7.0]]))
    np.testing.assert_array_equal(buffer.observe(), [[[7.0], [7.0], [7.0]]])


def test_fast_sensor_keeps_the_newest_of_a_control_step() -> None:
    rig = clock(1000, history=4)
    assert rig.buffer.substeps.tolist() == list(range(50))
    assert rig.times_seen() == [47, 48, 49, 50]
    assert rig.times_seen() == [97, 98, 99, 100]


def test_sensor_slower_than_physics_reads_every_fifth_step() -> None:
    # 200 Hz on 1000 Hz physics: a reading every 5 steps, the last as the control step ends.
    rig = clock(200, history=4)
    assert rig.buffer.substeps.tolist() == [4, 9, 14, 19, 24, 29, 34, 39, 44, 49]
    assert rig.times_seen() == [35, 40, 45, 50]


def test_sensor_at_control_rate_reads_the_end_of_each_step() -> None:
    rig = clock(20, history=2)
    assert rig.buffer.substeps.tolist() == [49]
    assert [rig.times_seen() for _ in range(3)] == [[0, 50], [50, 100], [100, 150]]


def test_slow_sensor_is_held_for_two_control_steps() -> None:
    rig = clock(10)
    assert rig.buffer.substeps.tolist() == [49]
    assert [rig.times_seen() for _ in range(5)] == [[0], [100], [100], [200], [200]]


def test_slow_sensor_with_history_counts_readings_not_steps() -> None:
    rig = clock(10, history=3)
    assert [rig.times_seen() for _ in range(4)][-1] == [0, 100, 200]


def test_window_longer_than_a_control_step() -> None:
    rig = clock(1000, history=80)
    # 80 = 50 readings of the first step and 30 times the backfilled reading of t = 0.
    assert rig.times_seen() == [0] * 30 + list(range(1, 51))
    assert rig.times_seen() == list(range(21, 101))


@pytest.mark.parametrize(
    ("rate_hz", "latency_s", "expected"),
    [
        # 3 ms: at 50 everything up to 47, at 100 up to 97.
        (1000, 0.003, [[45, 46, 47], [95, 96, 97]]),
        # 7 ms at 200 Hz: at 50 everything up to 43, of which 40 was the last.
        (200, 0.007, [[30, 35, 40], [80, 85, 90]]),
        # More than a control step, 60 ms: at 50 nothing but t = 0, at 100 everything up to 40.
        (1000, 0.060, [[0, 0, 0], [38, 39, 40]]),
    ],
)
def test_latency_of_a_fast_sensor(rate_hz: float, latency_s: float, expected: list[list[float]]) -> None:
    rig = clock(rate_hz, history=3, latency_s=latency_s)
    assert [rig.times_seen() for _ in range(2)] == expected


def test_latency_of_a_slow_sensor() -> None:
    # 10 Hz and 30 ms: the reading of 100 may be seen at 130, so first at the control step at 150.
    rig = clock(10, latency_s=0.030)
    assert [rig.times_seen() for _ in range(5)] == [[0], [0], [100], [100], [200]]


@pytest.mark.parametrize(
    ("rate_hz", "read_at"),
    [
        # Due at 66.7, 133.3, 200, 266.7, 333.3, 400 ms; control steps are 50 ms.
        (15, [100, 150, 200, 300, 350, 400]),
        # Due at 125, 250, 375, 500.
        (8, [150, 250, 400, 500]),
        # Due at 333.3 and 666.7.
        (3, [350, 700]),
        # Due at 142.9, 285.7, 428.6.
        (7, [150, 300, 450]),
    ],
)
def test_slow_sensor_is_read_at_the_first_control_step_after_it_is_due(rate_hz: float, read_at: list[float]) -> None:
    rig = clock(rate_hz)
    seen = [rig.times_seen()[0] for _ in range(read_at[-1] // S)]
    assert sorted({*seen} - {0}) == read_at
    # Each is seen from the control step on at which it is read.
    assert all(time <= (step + 1) * S for step, time in enumerate(seen))
    assert [step for step, (a, b) in enumerate(zip([0, *seen], seen, strict=False)) if a != b] == [
        t // S - 1 for t in read_at
    ]


def test_slow_sensor_off_the_control_clock_with_latency_and_history() -> None:
    # 15 Hz and 60 ms: read at 100, 150, 200, 300, 350; each may be seen 60 ms later, so from 200, 250, 300, 400 on.
    rig = clock(15, history=2, latency_s=0.060)
    seen = [rig.times_seen() for _ in range(8)]
    assert seen == [[0, 0], [0, 0], [0, 0], [0, 100], [100, 150], [150, 200], [150, 200], [200, 300]]


def test_a_reset_starts_the_schedule_of_its_world_alone() -> None:
    rig = Rig(replace(CLOCK, rate_hz=10, latency_s=0.03), num_worlds=2)
    seen = []
    for step in range(6):
        if step == 1:
            rig.reset(np.array([1]))
        seen.append(rig.step()[:, 0].tolist())
    # World 0 as above; world 1 lags by one step, so they are due at different times.
    assert seen == [[0, 0], [0, 0], [100, 0], [100, 100], [200, 100], [200, 200]]


@given(
    rate_hz=st.floats(0.5, 20),
    latency=st.integers(0, 260),
    history=st.integers(1, 6),
)
def test_any_slow_rate_shows_the_newest_old_enough_reading(rate_hz: float, latency: int, history: int) -> None:
    rate_hz = round(rate_hz, 3)
    rig = clock(rate_hz, history, latency / PHYSICS_HZ)
    due = np.arange(1, 20) * PHYSICS_HZ / rate_hz
    taken = [0] * history + (np.ceil(np.round(due / S, 9)) * S).tolist()
    for now in range(S, 14 * S, S):
        old_enough = [time for time in taken if time <= now - latency or time == 0]
        assert rig.times_seen() == old_enough[-history:]


@given(
    period=st.sampled_from([1, 2, 5, 10, 25, 50, 100, 200, 500]),
    latency=st.integers(0, 260),
    history=st.integers(1, 70),
    reset_at=st.lists(st.integers(0, 12), min_size=3, max_size=3),
)
def test_every_schedule_shows_the_newest_old_enough_readings(
    period: int, latency: int, history: int, reset_at: list[int]
) -> None:
    modality = replace(CLOCK, rate_hz=1000 / period, history=history, latency_s=latency / PHYSICS_HZ)
    rig = Rig(modality, num_worlds=3)
    for step in range(13):
        rig.reset(np.flatnonzero(np.array(reset_at) == step))
        seen = rig.step()[..., 0]
        newest = (rig.time - latency) // period  # index of the newest reading at or before then
        index = newest[:, None] + np.arange(1 - history, 1)
        np.testing.assert_array_equal(seen, np.maximum(index, 0) * period)


def test_observation_is_in_the_space_and_fresh() -> None:
    for modality in (
        replace(CLOCK, history=5, low=-1, high=30),
        replace(CLOCK, rate_hz=20, shape=(4, 3, 3), dtype="uint8", noise=Gaussian(300.0)),
        replace(CLOCK, history=5, latency_s=0.004, noise=Gaussian(50.0), low=0, high=30),
    ):
        rig = Rig(modality, num_worlds=2)
        first = rig.step()
        kept = first.copy()
        assert all(modality.space.contains(row) for row in first)
        assert first.dtype == modality.dtype
        second = rig.step()
        np.testing.assert_array_equal(first, kept)
        second[...] = 0
        assert rig.buffer.observe().any()
        np.testing.assert_array_equal(rig.buffer.observe(np.array([1])), rig.buffer.observe()[1:])


def test_readings_beyond_the_declared_bounds_are_clipped_and_counted() -> None:
    # Five readings a control step, each of the time in milliseconds.
    rig = Rig(replace(CLOCK, rate_hz=100, shape=(2,), history=5, low=0.0, high=100.0), num_worlds=2)
    rig.step()
    rig.step()  # 10, 20, ..., 100
    assert rig.buffer.clipped == 0
    assert rig.step().max() == 100.0  # 110, ..., 150
    assert rig.buffer.clipped == 5 * 2


def test_what_noise_saturates_is_as_in_a_real_sensor_and_not_counted() -> None:
    rig = Rig(replace(CLOCK, rate_hz=20, low=0.0, high=60.0, noise=Gaussian(1e3)))
    assert rig.step() in (0.0, 60.0)
    assert rig.buffer.clipped == 0


def test_noise_on_images_is_rounded_to_the_nearest_level() -> None:
    # An offset in (-0.5, 0.5) rounds away: |0.05 z| < 0.5 for every normal z below 10.
    rig = Rig(replace(CLOCK, rate_hz=20, shape=(8, 8, 3), dtype="uint8", noise=Gaussian(0.05)))
    assert (rig.step() == 50).all()


NOISE = Chain(Bias(1.0, 1.0), Gaussian(1.0), Quantisation(0.01), Dropout(0.2))
NOISY = replace(CLOCK, shape=(3,), history=7, noise=NOISE, latency_s=0.003)


def test_history_does_not_change_the_noise() -> None:
    short, long = Rig(replace(NOISY, history=5)), Rig(replace(NOISY, history=90))
    for _ in range(4):
        np.testing.assert_array_equal(short.step(), long.step()[:, -5:])


@given(num_worlds=st.integers(1, 5), resets=st.lists(st.integers(0, 4), min_size=4, max_size=4))
def test_world_sees_the_same_in_any_company(num_worlds: int, resets: list[int]) -> None:
    alone, together = Rig(NOISY, num_worlds), Rig(NOISY, 5)
    for world in resets:
        together.reset(np.array([world]))
        alone.reset(alone.every[alone.every == world])
        np.testing.assert_array_equal(alone.step(), together.step()[:num_worlds])


def test_another_sensor_changes_nothing() -> None:
    alone, beside, other = Rig(NOISY, 2), Rig(NOISY, 2), Rig(replace(NOISY, name="other"), 2)
    for _ in range(3):
        seen = alone.step()
        assert (other.step() != seen).any()
        np.testing.assert_array_equal(beside.step(), seen)


def test_seed_changes_the_noise() -> None:
    assert (Rig(NOISY, seed=0).step() != Rig(NOISY, seed=1).step()).any()


def test_context_noise_has_the_unit_of_the_sensor() -> None:
    modality = replace(CLOCK, shape=(3,), history=50)
    rig = Rig(modality, num_worlds=400, noise_unit=(1.0, 0.1, 0.0))
    first = rig.step()
    rig.buffer.context_std[:] = 2.0
    # Without noise every reading of the second step is 50 physics steps later than of the first.
    error = (rig.step() - (first + 50)).reshape(-1, 3)
    # 400 worlds x 50 readings: std of the sample std is 1 / sqrt(40000) = 0.5 % of it.
    np.testing.assert_allclose(error.std(axis=0), [2.0, 0.2, 0.0], rtol=0.025)


def test_context_noise_of_one_world_leaves_the_others_alone() -> None:
    without, within = Rig(NOISY, 3), Rig(NOISY, 3)
    within.buffer.context_std[1] = 1.0
    for _ in range(3):
        same = without.step() == within.step()
        assert same[[0, 2]].all()
        assert not same[1].all()


def test_saved_state_continues_exactly() -> None:
    rig, resumed = Rig(NOISY, 3), Rig(NOISY, 3, seed=8)
    rig.buffer.context_std[:] = [0.0, 1.0, 2.0]
    rig.step()
    rig.reset(np.array([2]))
    rig.step()
    state = rig.buffer.state_dict()
    expected = [rig.step() for _ in range(3)]
    resumed.buffer.load_state_dict(state)
    resumed.time[:] = [2 * S, 2 * S, S]
    for observation in expected:
        np.testing.assert_array_equal(resumed.step(), observation)


def test_readings_of_some_worlds_only() -> None:
    rig = Rig(replace(CLOCK, rate_hz=20), num_worlds=3)
    rig.buffer.tick(rig.every)
    rig.buffer.push(np.array([2, 0]), np.array([[[5.0]], [[6.0]]]))
    np.testing.assert_array_equal(rig.buffer.observe(), [[6.0], [0.0], [5.0]])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"rate_hz": 300}, "'clock': rate_hz 300 must divide physics_hz 1000"),
        ({"rate_hz": 2000}, "'clock': rate_hz 2000 must divide physics_hz 1000"),
        # 250 divides 1000, but 12.5 readings would fall into a control step.
        ({"rate_hz": 250}, "'clock': rate_hz 250 is above control_hz 20 and must be a multiple of it"),
        ({"latency_s": 0.0015}, r"latency_s 0.0015 must be a whole .* of 1 / 1000 s, got 1.5"),
    ],
)
def test_rates_that_do_not_fit_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Rig(replace(CLOCK, **changes))


def test_control_must_divide_physics() -> None:
    with pytest.raises(ValueError, match="control_hz 30 must divide physics_hz 1000"):
        ModalityBuffer(CLOCK, 1, 1000, 30, Streams(0, "clock", 1))


def test_readings_that_are_not_due_are_refused() -> None:
    rig = clock(10)
    reading = np.zeros((1, 1, 1))
    rig.buffer.tick(rig.every)
    with pytest.raises(ValueError, match=r"'clock': not all of the worlds \[0\] are due .* \[50\]"):
        rig.buffer.push(rig.every, reading)
    rig.buffer.tick(rig.every)
    rig.buffer.push(rig.every, reading)
    with pytest.raises(ValueError, match=r"not all of the worlds \[0\] are due .* \[100\]"):
        rig.buffer.push(rig.every, reading)


def test_shape_of_readings_is_checked() -> None:
    rig = clock(1000)
    rig.buffer.tick(rig.every)
    with pytest.raises(ValueError, match=r"must have shape \(1, 50, 1\), got \(1, 49, 1\)"):
        rig.buffer.push(rig.every, np.zeros((1, 49, 1)))
