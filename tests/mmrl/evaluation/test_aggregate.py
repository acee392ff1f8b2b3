"""Interquartile means and their intervals, against scipy's and by hand."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import bootstrap, trim_mean

from mmrl.evaluation.aggregate import aggregate, interquartile_mean


def test_the_interquartile_mean_by_hand() -> None:
    # Of eight scores the lowest two and the highest two are left out: (2 + 3 + 4 + 5) / 4.
    scores = np.array([[100.0, 2.0], [0.0, 3.0], [4.0, 1.0], [5.0, 90.0]])
    assert interquartile_mean(scores) == 3.5
    # Of three a quarter is less than one: their mean.
    assert interquartile_mean(np.array([[0.0], [0.3], [0.9]])) == pytest.approx(0.4)


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.integers(1, 4)), elements=st.floats(-100, 100)))
def test_it_is_the_trimmed_mean_of_all_scores(scores: np.ndarray) -> None:
    # rliable.metrics.aggregate_iqm is scipy.stats.trim_mean(scores, proportiontocut=0.25, axis=None).
    assert interquartile_mean(scores) == pytest.approx(trim_mean(scores, proportiontocut=0.25, axis=None))
    both = interquartile_mean(np.stack([scores, -scores]))
    np.testing.assert_allclose(both, [both[0], -both[0]], atol=1e-9)


@given(arrays(np.float64, st.tuples(st.integers(2, 6), st.integers(1, 3), st.just(2)), elements=st.floats(0, 1)))
def test_the_interval_lies_among_the_scores(scores: np.ndarray) -> None:
    result = aggregate(scores, resamples=50)
    assert (result.low <= result.high).all()
    assert (result.low >= scores.min(axis=(0, 1)) - 1e-12).all()
    assert (result.high <= scores.max(axis=(0, 1)) + 1e-12).all()


def test_the_interval_of_one_task_is_scipys_percentile_bootstrap() -> None:
    scores = np.random.default_rng(1).normal(0.6, 0.2, 12)
    ours = aggregate(scores[:, None, None], resamples=20_000)
    theirs = bootstrap(
        (scores,),
        lambda x, axis: trim_mean(x, 0.25, axis=axis),
        method="percentile",
        n_resamples=20_000,
        rng=np.random.default_rng(2),
    ).confidence_interval
    # Monte Carlo error of a percentile at 20,000 resamples: far below a hundredth at this spread.
    assert ours.low[0] == pytest.approx(theirs.low, abs=0.005)
    assert ours.high[0] == pytest.approx(theirs.high, abs=0.005)


def test_tasks_are_resampled_by_themselves() -> None:
    """Two tasks that differ from each other and not within: no resample can mix them, so nothing varies."""
    scores = np.tile(np.array([0.0, 1.0]), (6, 1))[:, :, None]
    result = aggregate(scores)
    assert result.value[0] == result.low[0] == result.high[0] == 0.5


def test_curves_are_resampled_whole() -> None:
    """Every resample of curves that differ by an offset differs by an offset, so the width is the same everywhere."""
    scores = np.array([0.1, 0.2, 0.5, 0.9])[:, None, None] + np.arange(3.0)
    result = aggregate(scores)
    np.testing.assert_allclose(result.high - result.low, (result.high - result.low)[0])
    np.testing.assert_allclose(np.diff(result.value), 1.0)


def test_a_single_run_has_no_interval() -> None:
    result = aggregate(np.array([[[0.7]]]))
    assert result.value[0] == 0.7
    assert np.isnan([result.low[0], result.high[0]]).all()


@pytest.mark.parametrize(
    ("scores", "message"),
    [
        (np.zeros((3, 2)), r"runs, tasks and points, none of them empty, got shape \(3, 2\)"),
        (np.zeros((0, 1, 1)), r"got shape \(0, 1, 1\)"),
        (np.array([[[np.nan]], [[1.0]]]), "must be finite, 1 of 2 are not"),
    ],
)
def test_scores_that_cannot_be_aggregated_are_refused(scores: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        aggregate(scores)
