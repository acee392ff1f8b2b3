"""Intervals of differences on the same episodes, against the definition and against chance itself."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, multinomial, norm

from mmrl.evaluation.paired import difference_interval, mean_interval
from mmrl.evaluation.rates import Paired

Z = norm.ppf(0.975)


@st.composite
def counts(draw: st.DrawFn) -> tuple[int, int, int]:
    pairs = draw(st.integers(2, 200))
    gained = draw(st.integers(0, pairs))
    return gained, draw(st.integers(0, pairs - gained)), pairs


def score(gained: int, lost: int, pairs: int, difference: float) -> float:
    """The score statistic, its nuisance parameter found by maximising the likelihood of the four cells instead."""

    def surprise(share: float) -> float:
        cells = np.array([share + difference, share, 1 - 2 * share - difference])
        seen = np.array([gained, lost, pairs - gained - lost])
        return -float(np.sum(seen * np.log(np.maximum(cells, 1e-300))))

    low, high = max(0.0, -difference), (1 - difference) / 2
    best = minimize_scalar(surprise, bounds=(low, high), method="bounded", options={"xatol": 1e-12}).x
    return (gained - lost - pairs * difference) / np.sqrt(pairs * (2 * best + difference * (1 - difference)))


@given(counts())
def test_both_ends_are_where_the_score_test_just_rejects(cells: tuple[int, int, int]) -> None:
    gained, lost, pairs = cells
    low, high = difference_interval(gained, lost, pairs)
    assert -1 <= low <= (gained - lost) / pairs <= high <= 1
    if low > -1:
        assert score(gained, lost, pairs, low) == pytest.approx(Z, abs=2e-3)
    if high < 1:
        assert score(gained, lost, pairs, high) == pytest.approx(-Z, abs=2e-3)


@given(counts())
def test_turned_round_the_interval_is_mirrored(cells: tuple[int, int, int]) -> None:
    gained, lost, pairs = cells
    low, high = difference_interval(gained, lost, pairs)
    assert difference_interval(lost, gained, pairs) == pytest.approx((-high, -low))


@given(st.integers(1, 500))
def test_without_discordant_pairs_it_is_not_a_point(pairs: int) -> None:
    # (n d)^2 = z^2 n d (1 - d), so d = z^2 / (n + z^2)
    end = Z**2 / (pairs + Z**2)
    assert difference_interval(0, 0, pairs) == pytest.approx((-end, end), rel=1e-6)


def test_all_pairs_lost_reaches_the_end_of_the_scale() -> None:
    # Of a difference -1 + e the likeliest shares are 1 - e/2 lost, e/2 gained: variance 1 - (1 - e)^2. So the end is
    # where n e^2 = z^2 (2 e - e^2), e = 2 z^2 / (n + z^2).
    assert difference_interval(0, 50, 50) == pytest.approx((-1, -1 + 2 * Z**2 / (50 + Z**2)), rel=1e-6)


@pytest.mark.parametrize("truth", [(0.2, 0.1), (0.02, 0.02), (0.5, 0.05)])
def test_it_covers_the_truth_as_often_as_it_says(truth: tuple[float, float]) -> None:
    pairs, covered = 40, 0.0
    for gained in range(pairs + 1):
        for lost in range(pairs + 1 - gained):
            chance = multinomial.pmf([gained, lost, pairs - gained - lost], pairs, [*truth, 1 - sum(truth)])
            if chance > 1e-7:
                low, high = difference_interval(gained, lost, pairs)
                covered += chance * (low <= truth[0] - truth[1] <= high)
    assert 0.93 < covered < 0.995


@given(counts())
def test_the_test_of_a_row_is_the_exact_binomial_one(cells: tuple[int, int, int]) -> None:
    gained, lost, pairs = cells
    paired = Paired(lost=lost, gained=gained, pairs=pairs)
    expected = binomtest(gained, gained + lost, 0.5).pvalue if gained + lost else 1.0
    assert paired.p_value == pytest.approx(expected)
    assert paired.interval == difference_interval(gained, lost, pairs)
    assert paired.to_json()["difference_95"] == list(difference_interval(gained, lost, pairs))


def test_without_pairs_nothing_is_said() -> None:
    assert Paired(0, 0, 0).interval is None
    for bad in ((1, 1, 1), (-1, 0, 4), (0, 0, 0)):
        with pytest.raises(ValueError, match="at most pairs >= 1"):
            difference_interval(*bad)


def test_mean_interval_is_that_of_resampling() -> None:
    values = np.random.default_rng(0).normal(3.0, 2.0, 400)
    mean, low, high = mean_interval(values)
    # Of so many normal values the bootstrap is near to mean +- 1.96 deviation / sqrt(400).
    half = 1.96 * values.std() / 20
    assert (mean, low, high) == pytest.approx((values.mean(), values.mean() - half, values.mean() + half), abs=0.03)
    assert mean_interval(np.full(5, 2.5)) == (2.5, 2.5, 2.5)
