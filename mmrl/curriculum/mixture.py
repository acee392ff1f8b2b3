"""Mixtures of Gaussians with full covariances, fitted by expectation-maximisation.

Dempster, Laird & Rubin, "Maximum Likelihood from Incomplete Data via the EM Algorithm" (1977); initial clusters by
k-means++ (Arthur & Vassilvitskii, 2007) and Lloyd's iterations.

Letters: M = points, D = their dimension, K = components.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp

from mmrl.arrays import FloatArray

# On the diagonal of each covariance, so that points in a plane do not make it singular.
_RIDGE = 1e-6
_LLOYD_ITERATIONS = 50


@dataclass(frozen=True, eq=False)
class Mixture:
    """A density: sum over k of weights[k] * normal(means[k], covariances[k])."""

    weights: FloatArray
    """Positive, of sum 1, (K,)."""
    means: FloatArray
    """Centres, (K, D)."""
    covariances: FloatArray
    """Positive definite, (K, D, D)."""

    @property
    def num_parameters(self) -> int:
        """Free numbers: K - 1 weights, K D of the means, K D (D + 1) / 2 of the covariances."""
        k, d = map(int, self.means.shape)
        return (k - 1) + k * d + k * d * (d + 1) // 2

    def log_densities(self, points: FloatArray) -> FloatArray:
        """log(weights[k] * normal(point; k)) of points (M, D), (M, K)."""
        cholesky = np.linalg.cholesky(self.covariances)  # (K, D, D)
        offset = points.T - self.means[:, :, None]  # (K, D, M)
        distance = np.square(np.linalg.solve(cholesky, offset)).sum(axis=1)  # (K, M)
        log_det = 2.0 * np.log(np.diagonal(cholesky, axis1=1, axis2=2)).sum(axis=1)
        constant = points.shape[1] * np.log(2.0 * np.pi) + log_det - 2.0 * np.log(self.weights)
        log_density: FloatArray = -0.5 * (distance + constant[:, None]).T
        return log_density

    def log_likelihood(self, points: FloatArray) -> float:
        """Sum over points (M, D) of their log density."""
        return float(logsumexp(self.log_densities(points), axis=1).sum())

    def aic(self, points: FloatArray) -> float:
        """Akaike's information criterion, 2 parameters - 2 log likelihood: the smaller the better."""
        return 2.0 * self.num_parameters - 2.0 * self.log_likelihood(points)

    def draw(self, component: int, generator: np.random.Generator) -> FloatArray:
        """A point (D,) of one component."""
        noise = generator.standard_normal(self.means.shape[1])
        point: FloatArray = self.means[component] + np.linalg.cholesky(self.covariances[component]) @ noise
        return point


def fit_best(points: FloatArray, counts: Sequence[int], generator: np.random.Generator) -> Mixture:
    """The mixture of smallest AIC among those with the given numbers of components, fitted to (M, D).

    Numbers above that of the different points are left out, all but 1. Raises ValueError without points.
    """
    if not len(points):
        raise ValueError("a mixture needs points to be fitted to, got none")
    distinct = len(np.unique(points, axis=0))
    usable = [count for count in counts if count <= distinct] or [1]
    fitted = [expectation_maximisation(points, cluster(points, count, generator)) for count in usable]
    return min(fitted, key=lambda mixture: mixture.aic(points))


def cluster(points: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """Memberships (M, K), each row one 1 and else 0, of `count` non-empty clusters of points (M, D)."""
    centres = _seed_centres(points, count, generator)
    nearest = _nearest(points, centres)
    for _ in range(_LLOYD_ITERATIONS):
        centres = np.stack([points[nearest == k].mean(axis=0) for k in range(len(centres))])
        moved = _nearest(points, centres)
        # A cluster that would lose its last point keeps it: nothing can be estimated from none.
        if len(np.unique(moved)) < count or np.array_equal(moved, nearest):
            break
        nearest = moved
    memberships: FloatArray = np.eye(count)[nearest]
    return memberships


def expectation_maximisation(
    points: FloatArray, memberships: FloatArray, *, tolerance: float = 1e-3, iterations: int = 100
) -> Mixture:
    """Fit to points (M, D), from memberships (M, K) of row sum 1 on.

    Ends once the mean log likelihood rises by less than `tolerance`, or after so many iterations.
    """
    mixture = _maximise(points, memberships)
    before = -np.inf
    for _ in range(iterations):
        log_densities = mixture.log_densities(points)
        total = logsumexp(log_densities, axis=1)
        mixture = _maximise(points, np.exp(log_densities - total[:, None]))
        likelihood = float(total.mean())
        if abs(likelihood - before) < tolerance:
            break
        before = likelihood
    return mixture


def _maximise(points: FloatArray, memberships: FloatArray) -> Mixture:
    # The constant keeps a component that lost all its points from dividing by zero.
    mass = memberships.sum(axis=0) + 10 * np.finfo(np.float64).eps  # (K,)
    means = memberships.T @ points / mass[:, None]
    offset = points - means[:, None]  # (K, M, D)
    covariances = np.einsum("mk,kmi,kmj->kij", memberships, offset, offset, optimize=True) / mass[:, None, None]
    covariances += _RIDGE * np.eye(points.shape[1])
    return Mixture(mass / mass.sum(), means, covariances)


def _seed_centres(points: FloatArray, count: int, generator: np.random.Generator) -> FloatArray:
    """k-means++: each further centre is a point drawn by its squared distance from those there are."""
    centres = [points[generator.integers(len(points))]]
    for _ in range(count - 1):
        gap = np.min([np.square(points - centre).sum(axis=1) for centre in centres], axis=0)
        centres.append(points[generator.choice(len(points), p=gap / gap.sum())])
    return np.stack(centres)


def _nearest(points: FloatArray, centres: FloatArray) -> NDArray[np.intp]:
    nearest: NDArray[np.intp] = np.square(points[:, None] - centres).sum(axis=2).argmin(axis=1)
    return nearest
