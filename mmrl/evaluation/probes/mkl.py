"""Multiple kernel learning: a kernel for each part, weights on the simplex that say which part an answer comes from.

n rows, K_s the kernel (n, n) of part s, C outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from scipy.linalg import cho_factor, cho_solve
from scipy.spatial.distance import cdist

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes.base import Prepared, Probe, ReadOff, folds, loss, side_by_side
from mmrl.evaluation.probes.rows import FeatureSource

RIDGES = (0.03, 0.3, 3.0)
_ROUNDS, _STILL = 60, 1e-4


def kernel_weights(kernels: Sequence[FloatArray], targets: FloatArray, ridge: float) -> tuple[FloatArray, FloatArray]:
    """The weights w (S,) on the simplex that minimise tr Y^T (sum_s w_s K_s + ridge I)^-1 Y, and the dual A (n, C).

    Kernel ridge regression over a combination of kernels (Lanckriet et al. 2004, with the squared loss): the minimum is
    that of sum_s |f_s|^2 / w_s + |Y - sum_s f_s|^2 / ridge. For given w the f_s follow in closed form, for given norms
    w_s = |f_s| / sum |f| with |f_s|^2 = w_s^2 tr A^T K_s A (Xu et al. 2010), in turns; no turn raises the value.
    """
    weights = np.full(len(kernels), 1 / len(kernels))
    dual = np.zeros_like(targets)
    for _ in range(_ROUNDS):
        combined = np.tensordot(weights, np.stack(kernels), axes=1) + ridge * np.eye(len(targets))
        dual = cho_solve(cho_factor(combined), targets)
        norms = weights * np.sqrt([max(float(np.sum(dual * (kernel @ dual))), 0.0) for kernel in kernels])
        new = norms / norms.sum() if norms.sum() > 0 else weights
        moved, weights = float(np.abs(new - weights).max()), new
        if moved < _STILL:
            break
    return weights, dual


class MultipleKernels(Probe):
    """Multiple kernel learning: a Gaussian kernel for each sense, their weights on the simplex."""

    weighs_parts = True

    def prepare(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> Prepared:
        return _Kernels(train, test, episodes)


class _Kernels(Prepared):
    """The kernels of all parts, which are those of every target."""

    def __init__(self, train: FeatureSource, test: FeatureSource, episodes: IntArray) -> None:
        self._parts, self._folds = tuple(train), folds(episodes)
        pairs = [_gaussian(*side_by_side({part: train[part]}, {part: test[part]})) for part in self._parts]
        self._within, self._across = [within for within, _ in pairs], [across for _, across in pairs]

    def read(self, targets: FloatArray, is_class: bool) -> ReadOff:
        outputs, back = _coded(targets, is_class)

        def tried(ridge: float) -> float:
            total = 0.0
            for kept, rows in self._folds:
                weights, dual = kernel_weights([k[np.ix_(kept, kept)] for k in self._within], outputs[kept], ridge)
                answer = sum(w * k[np.ix_(rows, kept)] @ dual for w, k in zip(weights, self._within, strict=True))
                total += loss(targets[rows], back(answer), is_class)
            return total

        best = min(RIDGES, key=tried)
        weights, dual = kernel_weights(self._within, outputs, best)
        answer = sum(w * k @ dual for w, k in zip(weights, self._across, strict=True))
        by_part: Mapping[str, float] = dict(zip(self._parts, map(float, weights), strict=True))
        return ReadOff(back(answer), {"ridge": best}, by_part)


def _gaussian(train: FloatArray, test: FloatArray) -> tuple[FloatArray, FloatArray]:
    """exp(-|x - y|^2 / median) within the rows to learn from, and from those to read to them."""
    within, across = cdist(train, train, "sqeuclidean"), cdist(test, train, "sqeuclidean")
    width = float(np.median(within[~np.eye(len(train), dtype=bool)])) or 1.0
    return np.exp(-within / width), np.exp(-across / width)


def _coded(targets: FloatArray, is_class: bool) -> tuple[FloatArray, Callable[[FloatArray], FloatArray]]:
    """Targets as outputs (n, C) about 0, and the way back: of classes one output for each, the largest answers."""
    if not is_class:
        centre, scale = float(targets.mean()), float(targets.std()) or 1.0
        return ((targets - centre) / scale)[:, None], lambda answer: answer[:, 0] * scale + centre
    classes = np.unique(targets)
    of_class = (targets[:, None] == classes).astype(np.float64)
    # Outputs are about 0 and as large for each class, however rare it is.
    shares = of_class.mean(axis=0)
    return of_class / shares - 1, lambda answer: classes[answer.argmax(axis=1)]
