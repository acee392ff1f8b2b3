"""Noise: what each kind does to readings, and that it is the same for a world in any company."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.modality.noise import Bias, Chain, Dropout, Gaussian, Noise, NoiseProcess, Quantisation
from mmrl.modality.tabled_noise import TabledGaussian
from mmrl.streams import Streams

EVERY_KIND = [
    Gaussian(0.5),
    Gaussian((0.1, 0.2, 0.3)),
    TabledGaussian(0.5),
    Bias(1.0),
    Bias(std=(1.0, 2.0, 0.0), drift_std=0.5),
    Quantisation(0.25),
    Dropout(0.5),
    Chain(Bias(1.0, 0.1), Gaussian(0.5), Quantisation(0.25), Dropout(0.5)),
]


def start(noise: Noise, shape: tuple[int, ...], num_worlds: int = 1, period_s: float = 0.01) -> NoiseProcess:
    process = noise.start(shape, num_worlds, period_s, Streams(0, "sense", num_worlds))
    process.begin(np.arange(num_worlds))
    return process


def test_gaussian_has_the_std_of_each_feature() -> None:
    # 8 worlds x 5,000 readings: the std of a sample std is std / sqrt(2 * 40000) = 0.35 % of it.
    process = start(Gaussian((0.0, 1.0, 10.0)), (3,), num_worlds=8)
    noisy = process.apply(np.arange(8), np.full((8, 5000, 3), 7.0)).reshape(-1, 3)
    assert (noisy[:, 0] == 7.0).all()
    np.testing.assert_allclose(noisy.std(axis=0), [0, 1, 10], rtol=0.02)
    np.testing.assert_allclose(noisy.mean(axis=0), 7.0, atol=5 * 10 / np.sqrt(40000))


def test_a_table_of_normal_numbers_is_as_good_as_drawing_them() -> None:
    process = start(TabledGaussian(4.0), (20, 20), num_worlds=8)
    noisy = process.apply(np.arange(8), np.full((8, 2, 20, 20), 7.0)) - 7.0
    np.testing.assert_allclose(noisy.std(), 4.0, rtol=0.05)
    # 16 readings, all different: the correlation of two is 1 / sqrt(400) = 0.05 by chance
    rows = noisy.reshape(16, 400)
    correlations = np.corrcoef(rows)[~np.eye(16, dtype=bool)]
    assert np.abs(correlations).max() < 0.25
    one, other = (start(TabledGaussian(4.0), (20, 20), n) for n in (1, 8))
    world = np.array([0])
    np.testing.assert_array_equal(
        one.apply(world, np.zeros((1, 1, 20, 20))), other.apply(world, np.zeros((1, 1, 20, 20)))
    )


def test_bias_is_constant_in_an_episode_and_new_in_the_next() -> None:
    process = start(Bias(2.0), (3,), num_worlds=2)
    worlds = np.arange(2)
    first = process.apply(worlds, np.zeros((2, 4, 3)))
    assert (first == first[:, :1]).all()
    np.testing.assert_array_equal(process.apply(worlds, np.zeros((2, 1, 3))), first[:, :1])
    process.begin(np.array([1]))
    second = process.apply(worlds, np.zeros((2, 1, 3)))
    np.testing.assert_array_equal(second[0], first[0, :1])
    assert (second[1] != first[1, :1]).all()


def test_bias_starts_with_std() -> None:
    process = start(Bias(3.0, drift_std=100.0), (1,), num_worlds=4000)
    # The first reading has seen no drift yet; std of the sample std is 3 / sqrt(8000) = 0.034.
    offsets = process.apply(np.arange(4000), np.zeros((4000, 1, 1)))
    assert offsets.std() == pytest.approx(3.0, abs=5 * 0.034)


@pytest.mark.parametrize("period_s", [0.01, 0.04])
def test_drift_grows_with_the_root_of_time(period_s: float) -> None:
    # After 1 s a drift of 0.5 per sqrt(s) has std 0.5, whatever the rate; std of the sample std is
    # 0.5 / sqrt(8000) = 0.0056.
    process = start(Bias(0.0, drift_std=0.5), (1,), num_worlds=4000, period_s=period_s)
    k = round(1.0 / period_s)
    walk = process.apply(np.arange(4000), np.zeros((4000, k + 1, 1)))
    assert (walk[:, 0] == 0).all()
    assert walk[:, -1].std() == pytest.approx(0.5, abs=5 * 0.0056)


def test_quantisation_rounds_to_multiples() -> None:
    process = start(Quantisation((0.5, 10.0)), (2,))
    readings = np.array([[[0.24, 4.0], [0.26, 6.0], [-0.8, -14.0]]])
    # 0.24 / 0.5 = 0.48 -> 0, 0.26 / 0.5 = 0.52 -> 1, -0.8 / 0.5 = -1.6 -> -2.
    expected = [[[0.0, 0.0], [0.5, 10.0], [-1.0, -10.0]]]
    np.testing.assert_allclose(process.apply(np.array([0]), readings), expected)


@given(calls=st.lists(st.integers(1, 6), min_size=1, max_size=5), seed=st.integers(0, 100))
def test_dropped_reading_repeats_the_last_one_that_arrived(calls: list[int], seed: int) -> None:
    process = Dropout(0.5).start((2,), 1, 0.01, Streams(seed, "sense", 1))
    process.begin(np.array([0]))
    times = np.arange(sum(calls), dtype=np.float64)
    parts = np.split(times, np.cumsum(calls)[:-1])
    # Readings that tell their own index: (0, 0), (1, 1), ...
    seen = np.concatenate([process.apply(np.array([0]), np.stack([p, p], axis=1)[None])[0] for p in parts])
    assert (seen[:, 0] == seen[:, 1]).all(), "a reading is lost as a whole"
    assert seen[0, 0] == 0, "the first reading arrives"
    for now, shown in enumerate(seen[:, 0]):
        previous = seen[now - 1, 0] if now else 0.0
        assert shown in (now, previous)


def test_dropout_loses_the_stated_share() -> None:
    process = start(Dropout(0.3), (), num_worlds=1)
    seen = process.apply(np.array([0]), np.arange(20000.0)[None])[0]
    # Binomial: std of the share is sqrt(0.3 * 0.7 / 20000) = 0.0032.
    assert (seen != np.arange(20000)).mean() == pytest.approx(0.3, abs=5 * 0.0032)


def test_dropout_forgets_the_last_episode() -> None:
    process = start(Dropout(0.99), (1,))
    process.apply(np.array([0]), np.full((1, 3, 1), 5.0))
    process.begin(np.array([0]))
    assert process.apply(np.array([0]), np.full((1, 1, 1), 6.0)) == 6.0


def test_chain_applies_in_order() -> None:
    # Rounding last leaves multiples only, rounding first does not.
    worlds, readings = np.array([0]), np.zeros((1, 50, 1))
    rounded = start(Chain(Gaussian(1.0), Quantisation(0.5)), (1,)).apply(worlds, readings)
    assert (rounded % 0.5 == 0).all()
    assert len(np.unique(rounded)) > 3
    not_rounded = start(Chain(Quantisation(0.5), Gaussian(1.0)), (1,)).apply(worlds, readings)
    assert (not_rounded % 0.5 != 0).all()


@pytest.mark.parametrize("noise", EVERY_KIND, ids=repr)
def test_world_gets_the_same_in_any_company(noise: Noise) -> None:
    readings = np.random.default_rng(0).normal(size=(3, 4, 5, 3))  # (calls, worlds, k, features)
    together, alone = start(noise, (3,), num_worlds=4), start(noise, (3,), num_worlds=3)
    for call in readings:
        received = together.apply(np.array([3, 2, 0]), call[[3, 2, 0]])
        np.testing.assert_array_equal(alone.apply(np.array([2]), call[[2]])[0], received[1])


# Not of a chain: its noises draw by turns, once per call.
@pytest.mark.parametrize("noise", EVERY_KIND[:-1], ids=repr)
def test_grouping_of_readings_does_not_matter(noise: Noise) -> None:
    readings = np.random.default_rng(0).normal(size=(2, 12, 3))
    worlds = np.arange(2)
    whole = start(noise, (3,), num_worlds=2).apply(worlds, readings)
    process = start(noise, (3,), num_worlds=2)
    parts = [process.apply(worlds, part) for part in np.split(readings, [1, 5], axis=1)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), whole, rtol=1e-12)


@pytest.mark.parametrize("noise", EVERY_KIND, ids=repr)
def test_readings_are_not_written_to(noise: Noise) -> None:
    readings = np.ones((1, 4, 3))
    start(noise, (3,)).apply(np.array([0]), readings)
    assert (readings == 1).all()


@pytest.mark.parametrize("noise", EVERY_KIND, ids=repr)
def test_saved_state_continues_exactly(noise: Noise) -> None:
    streams = Streams(0, "sense", 2)
    process, worlds = noise.start((3,), 2, 0.01, streams), np.arange(2)
    process.begin(worlds)
    readings = np.random.default_rng(0).normal(size=(2, 6, 3))
    process.apply(worlds, readings)
    state, stream_state = process.state_dict(), streams.state_dict()
    expected = process.apply(worlds, readings + 1)
    other_streams = Streams(9, "sense", 2)
    resumed = noise.start((3,), 2, 0.01, other_streams)
    resumed.load_state_dict(state)
    other_streams.load_state_dict(stream_state)
    np.testing.assert_array_equal(resumed.apply(worlds, readings + 1), expected)


def test_noises_are_values() -> None:
    assert Chain(Gaussian(0.1), Dropout(0.2)) == Chain(Gaussian(0.1), Dropout(0.2))
    assert len({Gaussian(0.1), Gaussian(0.1), Gaussian(0.2)}) == 2
    assert replace(Bias(1.0), drift_std=2.0) == Bias(1.0, 2.0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(-0.1), r"Gaussian.std must be finite and >= 0, got -0.1"),
        (lambda: Gaussian((0.1, float("nan"))), r"Gaussian.std must be finite and >= 0"),
        (lambda: Bias(1.0, -1.0), r"Bias.drift_std must be finite and >= 0, got -1.0"),
        (lambda: Quantisation(0.0), r"Quantisation.step must be finite and > 0, got 0.0"),
        (lambda: Dropout(1.0), r"Dropout.probability must be in \[0, 1\), got 1.0"),
        (lambda: Chain(), r"Chain needs at least 1 noise, got 0"),
        (
            lambda: Gaussian((0.1, 0.2)).check((3,)),
            r"Gaussian.std gives 2 values, readings of shape \(3,\) have 3 features",
        ),
        (lambda: Chain(Bias(1.0, (1.0,))).check((2,)), r"Bias.drift_std gives 1 values"),
    ],
)
def test_bad_values_are_named(make: object, message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()


def test_chain_takes_noise_only() -> None:
    with pytest.raises(TypeError, match=r"Chain takes Noise values, got 0\.1"):
        Chain(0.1)  # type: ignore[arg-type]  # what a user might try
