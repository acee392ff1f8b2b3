"""Clocks and warps that were put into recordings are found again."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mmrl.alignment import ALIGNERS, Recording, align
from mmrl.alignment.canonical import canonical_correlations, canonical_projections, distance
from mmrl.arrays import FloatArray

LEARN_A_MAP = ("ctw", "gtw", "dctw", "information")


def events(times: FloatArray, seed: int) -> FloatArray:
    """Two smooth signals at some times, (n, 2)."""
    rng = np.random.default_rng(seed)
    speeds, phases = rng.uniform(2, 9, (2, 6)), rng.uniform(0, 6, (2, 6))
    return np.sin(times[:, None, None] * speeds + phases).sum(axis=2)


def recorded(name: str, rate: float, mixing: Any, seed: int, lag: float = 0.0, drift: float = 0.0) -> Recording:
    """Six seconds of those events as a sense sees them, on a clock that lags and drifts."""
    times = np.arange(0, 6, 1 / rate)
    noise = 0.02 * np.random.default_rng(seed + 1).normal(size=(len(times), len(mixing[0])))
    return Recording(name, lag + (1 + drift) * times, events(times, seed) @ np.asarray(mixing, float) + noise)


OPTIONS: dict[str, dict[str, Any]] = {"dctw": {"steps": 15, "rounds": 2, "hidden": 16, "rate_hz": 50}}
"""Less work where a test needs no more."""
ONE, THREE = [[1.0], [0.0]], [[1.0, 0.5, -0.3], [0.2, 1.0, 0.4]]


@pytest.mark.parametrize("method", ALIGNERS)
def test_a_lag_is_found(method: str) -> None:
    """Equal senses, which every method can compare, 0.12 s apart; the slower has 20 readings a second."""
    episodes = [[recorded("slow", 20, ONE, e, 0.12), recorded("fast", 100, ONE, e)] for e in range(3)]
    found = align(episodes, method, **OPTIONS.get(method, {}))
    assert found.lag_s("slow", against="fast", time=3.0) == pytest.approx(0.12, abs=0.012)
    assert found.lag_s("fast", against="slow", time=3.0) == pytest.approx(-0.12, abs=0.012)
    for path in found.paths:
        assert (np.diff(path, axis=0) >= -1e-9).all()
        assert np.median(path[:, 0] - path[:, 1]) == pytest.approx(0.12, abs=0.02)


@pytest.mark.parametrize("method", LEARN_A_MAP)
def test_senses_of_other_numbers_are_aligned_with_their_drift(method: str) -> None:
    """One sense shows both signals mixed into three numbers, the other as they are: only a learned map helps."""
    mixed = [[recorded("mixed", 100, THREE, e, -0.08, 0.01), recorded("plain", 100, np.eye(2), e)] for e in range(3)]
    found = align(mixed, method, **OPTIONS.get(method, {}))
    for time in (1.0, 5.0):
        assert found.lag_s("mixed", "plain", time) == pytest.approx(-0.08 + 0.01 * time, abs=0.02)


@pytest.mark.parametrize("method", ["gtw", "information"])
def test_three_senses_are_aligned_together_more_exactly_than_their_readings(method: str) -> None:
    senses = [
        [recorded("a", 20, ONE, e), recorded("b", 100, THREE, e, 0.05, 0.002), recorded("c", 50, THREE, e, -0.11)]
        for e in range(3)
    ]
    found = align(senses, method)
    assert found.lag_s("b", "a", 3.0) == pytest.approx(0.056, abs=0.005)
    assert found.lag_s("c", "b", 3.0) == pytest.approx(-0.11 - 0.056, abs=0.005)
    assert found.paths[0].shape[1] == 3


@pytest.mark.parametrize("method", ["dtw", "ctw"])
def test_more_than_two_senses_go_with_the_first(method: str) -> None:
    found = align([recorded("a", 50, ONE, 0), recorded("b", 50, ONE, 0, 0.1), recorded("c", 50, ONE, 0, -0.1)], method)
    assert [clock.late_s(3.0) for clock in found.clocks] == pytest.approx([0.0, 0.1, -0.1], abs=0.02)
    first, late, early = found.paths[0].T
    assert np.median(late - first) == pytest.approx(0.1, abs=0.02)
    assert np.median(early - first) == pytest.approx(-0.1, abs=0.02)


@pytest.mark.parametrize(
    ("method", "options"), [("dtw", {}), ("dtw", {"slope": 3}), ("ctw", {}), ("gtw", {"stretches": 6})]
)
def test_a_warp_is_found(method: str, options: dict[str, Any]) -> None:
    """A demonstration at another speed, up to 0.3 s away from the first."""
    times = np.arange(0, 6, 0.01)
    warped = times + 0.3 * np.sin(np.pi * times / 6) ** 2
    slow, fast = Recording("slow", times, events(times, 5)), Recording("fast", times, events(warped, 5))
    (path,) = align([slow, fast], method, most_lag_s=0.5, **options).paths
    # An event at time w on the clock of `slow` stands where `warped` is w on that of `fast`.
    expected = np.interp(path[:, 0], warped, times)
    assert np.median(np.abs(path[:, 1] - expected)) < 0.02
    assert np.median(np.abs(path[:, 1] - path[:, 0])) > 0.1


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("method", ["ctw", "gtw"])
def test_the_objective_never_rises_and_is_what_is_left_between_the_senses(method: str, seed: int) -> None:
    first = recorded("mixed", 50, THREE, seed, 0.15, 0.01)
    second = recorded("plain", 50, np.eye(2), seed)
    found = align([first, second], method, dimensions=2)
    assert len(found.history) > 2
    assert (np.diff(found.history) < 0).all()
    # By the definition of the constraint |z - w|^2 / n is sum (1 + 1 - 2 rho) over the dimensions, but for the ridge.
    path = found.paths[0]
    values = [each.at(path[:, k]) - each.at(path[:, k]).mean(axis=0) for k, each in enumerate((first, second))]
    left = 2 * np.sum(1 - canonical_correlations(values[0], values[1]))
    assert found.objective == pytest.approx(left, rel=0.3, abs=0.01)


def test_projections_are_canonical_correlations() -> None:
    """Against the closed form by scikit-learn's PLS-free route: whitened covariances and their singular values."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 3))
    y = np.concatenate([x[:, :2] + rng.normal(size=(500, 2)), rng.normal(size=(500, 2))], axis=1)
    maps = canonical_projections([x, y], 2, ridge=1e-9)
    z, w = maps.project(0, x), maps.project(1, y)
    np.testing.assert_allclose(z.T @ z / 500, np.eye(2), atol=1e-6)
    np.testing.assert_allclose(w.T @ w / 500, np.eye(2), atol=1e-6)
    left, right = (np.linalg.qr(each - each.mean(axis=0))[0] for each in (x, y))
    correlations = np.linalg.svd(left.T @ right, compute_uv=False)[:2]
    np.testing.assert_allclose(np.diag(z.T @ w / 500), correlations, atol=1e-6)
    assert distance([z, w]) == pytest.approx(2 * (1 - correlations).sum(), abs=1e-6)


GOOD = recorded("good", 50, ONE, 0)


@pytest.mark.parametrize(
    ("recordings", "options", "message"),
    [
        ([GOOD], {}, "needs two recordings of an episode at least, got 1"),
        ([GOOD, recorded("wide", 50, THREE, 0)], {"method": "dtw"}, r"numbers one by one.*\{'good': 1, 'wide': 3\}"),
        ([GOOD, GOOD], {"method": "waltz"}, "unknown method of alignment 'waltz'; there are correlation, dtw"),
        ([GOOD, GOOD], {"method": "ctw", "rounds": 0}, "alignment 'ctw': dimensions and rounds must be at least 1"),
        ([GOOD, GOOD], {"method": "dtw", "dimensions": 2}, "alignment 'dtw': DTW has no dimensions"),
        ([GOOD, GOOD], {"method": "dtw", "slope": 0}, "slope must be at least 1, got 0"),
        ([GOOD, GOOD], {"most_lag_s": 4.0, "precision_s": 1.0}, "good: 5.98 s are too short for lags of 4 s"),
        ([GOOD, GOOD], {"most_lag_s": -1}, "most_lag_s must lie in 0 to 60"),
        ([[GOOD, GOOD], [GOOD, recorded("other", 50, ONE, 0)]], {}, r"episode 1 has .*'other'.* the first has"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(recordings: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        align(recordings, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"times": GOOD.times[::-1]}, r"good: times must rise, but 5\.98 s is followed by 5\.96 s"),
        ({"values": np.full((300, 1), np.nan)}, "good: times and values must be finite"),
        ({"values": GOOD.values[:, 0]}, r"good: needs times \(n,\) and values \(n, d\), got \(300,\) and \(300,\)"),
        ({"times": GOOD.times[:3], "values": GOOD.values[:3]}, "good: needs at least 4 readings"),
    ],
)
def test_a_bad_recording_is_refused_by_name(change: dict[str, FloatArray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(GOOD, **change)


def test_an_unknown_sense_has_no_lag() -> None:
    found = align([GOOD, recorded("late", 50, ONE, 0, 0.1)], "correlation")
    with pytest.raises(ValueError, match="nothing was aligned that is called 'smell'; there are good, late"):
        found.lag_s("smell", against="good")
