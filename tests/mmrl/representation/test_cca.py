"""Canonical correlations against scikit-learn, against the paper's gradient, and against finite differences."""

import numpy as np
import pytest
import torch
from sklearn.cross_decomposition import CCA
from torch import Tensor

from mmrl.representation.cca import canonical_directions, total_correlation


def two_sides(samples: int = 400) -> tuple[Tensor, Tensor]:
    """Features (n, 4) and (n, 3) that share two numbers, under noise of different size, in other units."""
    draw = torch.Generator().manual_seed(0)
    shared, x, y = (torch.randn(samples, size, generator=draw, dtype=torch.float64) for size in (2, 4, 3))
    x[:, :2] += 3 * shared
    y[:, :2] += shared
    mixing = torch.randn(4, 4, generator=draw, dtype=torch.float64)
    return 50 + 10 * x @ mixing, y * torch.tensor([1e-3, 1.0, 5.0])


def test_correlations_are_those_of_scikit_learn() -> None:
    x, y = two_sides()
    ours = canonical_directions(x, y)
    theirs = CCA(n_components=3, max_iter=10_000, tol=1e-12).fit_transform(x.numpy(), y.numpy())
    expected = [np.corrcoef(theirs[0][:, i], theirs[1][:, i])[0, 1] for i in range(3)]
    assert ours.correlations.tolist() == pytest.approx(expected, abs=1e-5)
    # Of two shared numbers 3 s + 1 and s + 1 of noise: 3 / sqrt(10 * 2) = 0.67 twice, then chance.
    assert ours.correlations.tolist() == pytest.approx([0.67, 0.67, 0.1], abs=0.1)


def test_directions_are_uncorrelated_and_of_unit_variance() -> None:
    x, y = two_sides()
    found = canonical_directions(x, y, most=2)
    left, right = found.of_left(x), found.of_right(y)
    assert left.shape == right.shape == (400, 2)
    for side in (left, right):
        torch.testing.assert_close(torch.cov(side.T), torch.eye(2, dtype=torch.float64))
    torch.testing.assert_close(left.T @ right / 399, torch.diag(found.correlations))


def test_features_that_say_the_same_twice_or_nothing_are_no_obstacle() -> None:
    x, y = two_sides()
    twice = torch.cat([x, x[:, :2] + x[:, 2:], torch.ones(400, 1)], dim=1)
    torch.testing.assert_close(canonical_directions(twice, y).correlations, canonical_directions(x, y).correlations)
    nothing = canonical_directions(torch.ones(400, 2), y)
    assert nothing.correlations.shape == (0,)
    assert nothing.of_left(torch.ones(5, 2)).shape == (5, 0)


def test_a_ridge_lowers_correlations() -> None:
    x, y = two_sides()
    free, held = canonical_directions(x, y), canonical_directions(x, y, ridge=1.0)
    assert (held.correlations < free.correlations).all()


def test_the_total_is_the_trace_norm_of_the_paper() -> None:
    x, y = two_sides()
    ridge = 1e-3
    roots = []
    for side in (x, y):
        values, vectors = torch.linalg.eigh(torch.cov(side.T) + ridge * torch.eye(side.shape[1]))
        roots.append(vectors @ torch.diag(values.rsqrt()) @ vectors.T)
    between = (x - x.mean(dim=0)).T @ (y - y.mean(dim=0)) / 399
    values = torch.linalg.svdvals(roots[0] @ between @ roots[1])
    torch.testing.assert_close(total_correlation(x, y, ridge=ridge), values.sum())
    torch.testing.assert_close(total_correlation(x, y, most=2, ridge=ridge), values[:2].sum())


def test_the_gradient_is_that_of_finite_differences() -> None:
    x, y = (side[:12].clone().requires_grad_() for side in two_sides())
    for most in (None, 2):
        assert torch.autograd.gradcheck(lambda a, b, k=most: total_correlation(a, b, k, 0.1), (x, y))


def test_the_gradient_is_that_of_the_paper() -> None:
    """Andrew et al. 2013, eq. 11 to 13: (2 N11 H1 + N12 H2) / (m - 1), H of features by samples."""
    x, y = two_sides(50)
    x, ridge = x.requires_grad_(), 0.1
    total_correlation(x, y, ridge=ridge).backward()
    with torch.no_grad():
        h1, h2 = (x - x.mean(dim=0)).T, (y - y.mean(dim=0)).T
        roots = []
        for h in (h1, h2):
            values, vectors = torch.linalg.eigh(h @ h.T / 49 + ridge * torch.eye(len(h)))
            roots.append(vectors @ torch.diag(values.rsqrt()) @ vectors.T)
        u, d, vt = torch.linalg.svd(roots[0] @ h1 @ h2.T @ roots[1] / 49, full_matrices=False)
        n12 = roots[0] @ u @ vt @ roots[1]
        n11 = -0.5 * roots[0] @ u @ torch.diag(d) @ u.T @ roots[0]
        expected = (2 * n11 @ h1 + n12 @ h2) / 49
    assert x.grad is not None
    torch.testing.assert_close(x.grad.T, expected)


def test_equal_variances_leave_the_gradient_finite() -> None:
    """Where eigenvalues are equal the gradient of an eigendecomposition divides by their difference."""
    x = torch.eye(4, dtype=torch.float64).repeat(3, 1).requires_grad_()
    total_correlation(x, torch.eye(4).repeat(3, 1).flip(1)).backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()


@pytest.mark.parametrize(
    ("shapes", "message"),
    [
        (((5, 2), (6, 2)), r"features \(n, p\) and \(n, q\), got \(5, 2\) and \(6, 2\)"),
        (((5,), (5, 2)), r"got \(5,\) and \(5, 2\)"),
        (((5, 0), (5, 2)), r"got \(5, 0\) and \(5, 2\)"),
        (((1, 2), (1, 2)), "need two samples or more, got 1"),
    ],
)
def test_what_is_no_pair_of_features_is_refused(shapes: tuple[tuple[int, ...], ...], message: str) -> None:
    x, y = (torch.ones(shape) for shape in shapes)
    with pytest.raises(ValueError, match=message):
        canonical_directions(x, y)
    with pytest.raises(ValueError, match=message):
        total_correlation(x, y)


def test_numbers_that_cannot_be_are_refused() -> None:
    x, y = two_sides()
    with pytest.raises(ValueError, match="need finite numbers"):
        canonical_directions(torch.where(x > 50, x, torch.nan), y)
    with pytest.raises(ValueError, match=r"ridge must be finite and not negative, got -1"):
        canonical_directions(x, y, ridge=-1)
    with pytest.raises(ValueError, match=r"ridge must be finite and above 0, got 0"):
        total_correlation(x, y, ridge=0)
