"""Canonical correlation of two or more sets of variables, the spatial half of canonical time warping.

n instants, m sets of d_k numbers, b dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import block_diag, eigh

from mmrl.arrays import FloatArray

RIDGE = 1e-3
"""Share of the mean variance of a set that is added to each of its variances."""


@dataclass(frozen=True, eq=False)
class Projections:
    """Linear maps of the sets to b shared dimensions."""

    means: tuple[FloatArray, ...]
    """(d_k,) each."""
    maps: tuple[FloatArray, ...]
    """V_k, (d_k, b) each."""

    def project(self, which: int, values: FloatArray) -> FloatArray:
        """Values (n, d_k) of a set in the shared dimensions, (n, b)."""
        projected: FloatArray = (values - self.means[which]) @ self.maps[which]
        return projected


def canonical_projections(sets: Sequence[FloatArray], dimensions: int, ridge: float = RIDGE) -> Projections:
    """The maps that bring m sets (n, d_k) nearest to each other.

    They minimise sum_{i<j} |(X_i - mean) V_i - (X_j - mean) V_j|^2 / n under sum_k V_k^T S_kk V_k = m I: the leading
    eigenvectors of the covariances between the sets against those within (multi-set CCA, Kettenring 1971; Hotelling's
    CCA for two sets, where each V_k^T S_kk V_k is I). `dimensions` are cut to the smallest d_k.
    """
    means = tuple(each.mean(axis=0) for each in sets)
    centred = [each - mean for each, mean in zip(sets, means, strict=True)]
    joint = np.concatenate(centred, axis=1)
    within = block_diag(*[_covariance(each, ridge) for each in centred])
    between = joint.T @ joint / len(joint) - block_diag(*[each.T @ each / len(each) for each in centred])
    size, width = min(dimensions, *(each.shape[1] for each in sets)), len(within)
    _, vectors = eigh(between, within, subset_by_index=(width - size, width - 1))
    scaled = np.sqrt(len(sets)) * vectors[:, ::-1]
    return Projections(means, tuple(np.split(scaled, np.cumsum([each.shape[1] for each in sets])[:-1])))


def distance(projected: Sequence[FloatArray]) -> float:
    """Mean over n of sum_{i<j} |Z_i - Z_j|^2 of m projected sets (n, b)."""
    total, squares = np.sum(projected, axis=0), np.sum([np.square(each).sum() for each in projected])
    return float((len(projected) * squares - np.square(total).sum()) / len(total))


def canonical_correlations(first: FloatArray, second: FloatArray, ridge: float = RIDGE) -> FloatArray:
    """The correlations of two sets (n, d_1) and (n, d_2) of mean 0, largest first, (min(d_1, d_2),)."""
    halves = [np.linalg.cholesky(_covariance(each, ridge)) for each in (first, second)]
    whitened = np.linalg.solve(halves[0], np.linalg.solve(halves[1], second.T @ first / len(first)).T)
    values: FloatArray = np.linalg.svd(whitened, compute_uv=False)
    return values


def _covariance(centred: FloatArray, ridge: float) -> FloatArray:
    covariance: FloatArray = centred.T @ centred / len(centred)
    width = len(covariance)
    regularised: FloatArray = covariance + (ridge * np.trace(covariance) / width + 1e-12) * np.eye(width)
    return regularised
