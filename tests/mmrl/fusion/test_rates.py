"""Rates and their comparison: intervals, paired tests, and what is undefined."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.rates import Paired, Rate, compare


def test_wilson_interval_of_8_in_10() -> None:
    # Wilson: centre (p + z^2/2n) / (1 + z^2/n), half-width z sqrt(p(1-p)/n + z^2/4n^2) divided by
    # the same; with p = 0.8, n = 10, z = 1.959964: centre 0.71674, half-width 0.22656.
    interval = Rate(8, 10).interval
    assert interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert str(Rate(8, 10)) == "80.0 % [49.0, 94.3]"


def test_no_trials_are_undefined_not_zero() -> None:
    assert Rate(0, 0).rate is None
    assert Rate(0, 0).interval is None
    assert str(Rate(0, 0)) == "undefined"
    assert str(Rate(0, 5)).startswith("0.0 %")


def test_exact_mcnemar_of_8_lost_and_2_gained() -> None:
    # Sign test on 10 discordant pairs: 2 * (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 2 * 56 / 1024.
    pair = Paired(lost=8, gained=2, pairs=30)
    assert pair.p_value == pytest.approx(112 / 1024)
    assert pair.difference == pytest.approx(-6 / 30)


def table_of(success: list[bool], judged: list[bool]) -> Episodes:
    size = len(success)
    numbers = np.zeros(size)
    return Episodes(
        world=np.arange(size),
        index_in_world=np.zeros(size, np.int64),
        judged=np.array(judged, np.bool_),
        success_at_end=np.array(success, np.bool_),
        success_once=np.array(success, np.bool_),
        episode_return=numbers,
        length=np.ones(size, np.int64),
        peak_force_n=numbers,
        mean_force_n=numbers,
        physics_error=np.zeros(size, np.bool_),
        cut=np.zeros(size, np.bool_),
        not_finite=np.zeros(size, np.bool_),
    )


pairs_of_outcomes = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30)


@given(pairs_of_outcomes)
def test_comparison_is_antisymmetric_and_equals_the_difference_of_rates(
    outcomes: list[tuple[bool, bool, bool]],
) -> None:
    judged = [judged for _, _, judged in outcomes]
    one, two = (table_of([o[i] for o in outcomes], judged) for i in (0, 1))
    forth, back = compare(one, two), compare(two, one)
    assert (forth.lost, forth.gained, forth.p_value) == (back.gained, back.lost, back.p_value)
    if forth.difference is not None:
        rates = [np.mean(t.success_at_end[t.judged]) for t in (one, two)]
        assert forth.difference == pytest.approx(rates[1] - rates[0])


def test_runs_of_different_worlds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="2 and 3"):
        compare(table_of([True] * 2, [True] * 2), table_of([True] * 3, [True] * 3))


@given(st.integers(0, 200), st.integers(0, 200))
def test_interval_holds_the_rate(first: int, second: int) -> None:
    successes, trials = sorted((first, second))
    rate = Rate(successes, trials)
    if rate.rate is not None and rate.interval is not None:
        low, high = rate.interval
        assert -1e-9 <= low <= rate.rate + 1e-9
        assert rate.rate - 1e-9 <= high <= 1 + 1e-9
