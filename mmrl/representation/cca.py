"""Canonical correlations: directions in two sets of features along which they say the same.

Shapes: n samples, p and q features of the two sides, k pairs of directions.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor


class CanonicalDirections(NamedTuple):
    """Pairs of directions, those that correlate most first; float64."""

    correlations: Tensor
    """The correlation along each pair, (k,), from 0 to 1; with a ridge less than the samples have."""
    left: Tensor
    """U, (p, k): the left features, less their mean, times U have unit variance and are uncorrelated."""
    right: Tensor
    """V, (q, k), likewise of the right features."""
    left_mean: Tensor
    """(p,)."""
    right_mean: Tensor
    """(q,)."""

    def of_left(self, x: Tensor) -> Tensor:
        """Left features (..., p) along the directions, (..., k)."""
        return (x.double() - self.left_mean) @ self.left

    def of_right(self, y: Tensor) -> Tensor:
        """Right features (..., q) along the directions, (..., k)."""
        return (y.double() - self.right_mean) @ self.right


def canonical_directions(x: Tensor, y: Tensor, most: int | None = None, ridge: float = 0.0) -> CanonicalDirections:
    """Linear canonical correlation analysis in closed form (Hotelling 1936, "Relations Between Two Sets of Variates").

    max tr(U^T S_xy V) with U^T S_xx U = V^T S_yy V = I. The k largest singular values of
    T = S_xx^-1/2 S_xy S_yy^-1/2 = L D R^T are the correlations, U = S_xx^-1/2 L, V = S_yy^-1/2 R. Features that depend
    on each other linearly, or never vary, are no obstacle: k is at most the smaller rank, 0 where a side never varies.

    Args:
        x: left features (n, p).
        y: right features (n, q) of the same samples.
        most: k at most; None for all there are.
        ridge: added to the variances of both sides, in their units.

    Raises:
        ValueError: for other shapes, fewer than two samples, and numbers that are not finite.
    """
    _require_pairs(x, y)
    if not 0 <= ridge < math.inf:
        raise ValueError(f"ridge must be finite and not negative, got {ridge}")
    (left_mean, left_scores, left), (right_mean, right_scores, right) = _whitened(x, ridge), _whitened(y, ridge)
    turned_left, correlations, turned_right = torch.linalg.svd(left_scores.T @ right_scores, full_matrices=False)
    kept = slice(0, most)
    return CanonicalDirections(
        correlations[kept].clamp(max=1.0),
        left @ turned_left[:, kept],
        right @ turned_right.T[:, kept],
        left_mean,
        right_mean,
    )


def total_correlation(x: Tensor, y: Tensor, most: int | None = None, ridge: float = 1e-3) -> Tensor:
    """The sum of the `most` largest canonical correlations of features (n, p) and (n, q), a scalar with a gradient.

    The trace norm of T = S_11^-1/2 S_12 S_22^-1/2 with S_11 = X^T X / (n - 1) + ridge I (Andrew et al. 2013, "Deep
    Canonical Correlation Analysis", sec. 3), as the sum of singular values, in 64 bits. They are those of
    C_1^-1 S_12 C_2^-T as well, S = C C^T after Cholesky, whose gradient stays finite where variances are equal, as that
    of an eigendecomposition does not.

    Raises:
        ValueError: for other shapes, fewer than two samples, and a ridge that is not above 0.
    """
    _require_pairs(x, y, finite=False)
    if not 0 < ridge < math.inf:
        raise ValueError(f"ridge must be finite and above 0, got {ridge}")
    x, y = (side.double() - side.double().mean(dim=0) for side in (x, y))
    left, right = (torch.linalg.cholesky(_variances(side, ridge)) for side in (x, y))
    between = x.T @ y / (len(x) - 1)
    half = torch.linalg.solve_triangular(left, between, upper=False)
    whole = torch.linalg.solve_triangular(right, half.T, upper=False)
    correlations: Tensor = torch.linalg.svdvals(whole)
    return correlations[:most].sum()


def _variances(centred: Tensor, ridge: float) -> Tensor:
    """(n, p) -> (p, p)."""
    identity = torch.eye(centred.shape[1], dtype=centred.dtype, device=centred.device)
    variances: Tensor = centred.T @ centred / (len(centred) - 1) + ridge * identity
    return variances


def _whitened(x: Tensor, ridge: float) -> tuple[Tensor, Tensor, Tensor]:
    """The mean (p,); samples (n, r) of unit variance over n - 1 at most, r the rank; and what made these, (p, r)."""
    x = x.double()
    mean = x.mean(dim=0)
    samples, spread, directions = torch.linalg.svd((x - mean) / math.sqrt(len(x) - 1), full_matrices=False)
    least = spread.max() * max(x.shape) * torch.finfo(x.dtype).eps
    rank = int((spread > least).sum())
    samples, spread, directions = samples[:, :rank], spread[:rank], directions[:rank]
    scale = torch.rsqrt(spread.square() + ridge)
    return mean, samples * (spread * scale), directions.T * scale


def _require_pairs(x: Tensor, y: Tensor, finite: bool = True) -> None:
    shapes = f"{tuple(x.shape)} and {tuple(y.shape)}"
    if x.dim() != 2 or y.dim() != 2 or len(x) != len(y) or 0 in (*x.shape, *y.shape):
        raise ValueError(f"canonical correlations are of features (n, p) and (n, q), got {shapes}")
    if len(x) < 2:
        raise ValueError(f"canonical correlations need two samples or more, got {len(x)}")
    if finite and not (torch.isfinite(x).all() and torch.isfinite(y).all()):
        raise ValueError("canonical correlations need finite numbers, got a NaN or an infinity")
