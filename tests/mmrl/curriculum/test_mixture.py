"""Expectation-maximisation against scikit-learn and against what it must never do."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.curriculum.mixture import Mixture, cluster, expectation_maximisation, fit_best


def blobs(centres: list[list[float]], each: int = 80, spread: float = 0.05, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return np.concatenate([centre + spread * random.standard_normal((each, len(centre))) for centre in centres])


@pytest.mark.parametrize("count", [1, 2, 3, 5])
def test_the_fit_is_that_of_scikit_learn_from_the_same_start(count: int) -> None:
    sklearn = pytest.importorskip("sklearn.mixture")
    points = blobs([[0.1, 0.2, 0.3], [0.8, 0.7, 0.1], [0.5, 0.1, 0.9]], seed=count)
    memberships = cluster(points, count, np.random.default_rng(1))
    start = expectation_maximisation(points, memberships, iterations=0)
    theirs = sklearn.GaussianMixture(
        count,
        weights_init=start.weights,
        means_init=start.means,
        precisions_init=np.linalg.inv(start.covariances),
        reg_covar=1e-6,
    ).fit(points)
    ours = expectation_maximisation(points, memberships)
    np.testing.assert_allclose(ours.weights, theirs.weights_, atol=1e-8)
    np.testing.assert_allclose(ours.means, theirs.means_, atol=1e-8)
    np.testing.assert_allclose(ours.covariances, theirs.covariances_, atol=1e-8)
    assert ours.aic(points) == pytest.approx(theirs.aic(points))
    assert ours.log_likelihood(points) == pytest.approx(theirs.score(points) * len(points))


def test_log_density_is_that_of_the_formula() -> None:
    mixture = Mixture(np.array([0.25, 0.75]), np.array([[0.0], [2.0]]), np.array([[[1.0]], [[4.0]]]))
    # 0.25 N(1; 0, 1) + 0.75 N(1; 2, 4) = 0.25 * 0.2419707 + 0.75 * 0.1760327 = 0.1925172
    assert mixture.log_likelihood(np.array([[1.0]])) == pytest.approx(np.log(0.1925172), rel=1e-6)
    # 1 weight, 2 means, 2 variances are free
    assert mixture.aic(np.array([[1.0]])) == pytest.approx(2 * 5 - 2 * np.log(0.1925172), rel=1e-6)


def test_akaike_finds_the_number_of_clusters() -> None:
    points = blobs([[0.1, 0.1], [0.9, 0.1], [0.5, 0.9]], each=100, spread=0.03)
    best = fit_best(points, range(1, 7), np.random.default_rng(0))
    assert len(best.weights) == 3
    order = np.argsort(best.means[:, 0])
    np.testing.assert_allclose(best.means[order], [[0.1, 0.1], [0.5, 0.9], [0.9, 0.1]], atol=0.02)
    np.testing.assert_allclose(best.weights, 1 / 3, atol=0.01)


def test_draws_have_the_moments_of_the_component() -> None:
    covariance = np.array([[0.04, 0.01], [0.01, 0.09]])
    mixture = Mixture(np.array([1.0]), np.array([[1.0, -2.0]]), covariance[None])
    random = np.random.default_rng(3)
    drawn = np.array([mixture.draw(0, random) for _ in range(4000)])
    # deviation of a mean: 0.3 / sqrt(4000) = 0.005; of a covariance: about 0.09 sqrt(2 / 4000) = 0.002
    np.testing.assert_allclose(drawn.mean(axis=0), [1.0, -2.0], atol=0.02)
    np.testing.assert_allclose(np.cov(drawn.T), covariance, atol=0.008)


@given(
    rows=st.lists(st.tuples(*[st.sampled_from([0.0, 0.25, 1.0])] * 2), min_size=1, max_size=12),
    seed=st.integers(0, 1000),
)
def test_points_that_coincide_or_lie_on_a_line_are_fitted(rows: list[tuple[float, float]], seed: int) -> None:
    points = np.array(rows)
    best = fit_best(points, range(2, 6), np.random.default_rng(seed))
    assert np.isfinite(best.aic(points))
    assert best.weights.sum() == pytest.approx(1.0)
    assert (best.weights > 0).all()
    assert len(best.weights) <= max(len(set(rows)), 1)


def test_no_points_are_refused() -> None:
    with pytest.raises(ValueError, match="needs points to be fitted to, got none"):
        fit_best(np.zeros((0, 2)), [1], np.random.default_rng(0))
