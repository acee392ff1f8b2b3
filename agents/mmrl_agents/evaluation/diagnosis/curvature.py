"""The curvature of a loss where a training stands: extreme eigenvalues of its Hessian, without the Hessian.

P parameters.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse.linalg import LinearOperator, eigsh
from torch import Tensor, nn

from mmrl.arrays import FloatArray

SADDLE, MINIMUM, MAXIMUM, UNDECIDED = "saddle", "minimum", "maximum", "undecided"
_FLAT = 1e-3
"""Share of the largest size of an eigenvalue below which another counts as 0."""


@dataclass(frozen=True)
class Curvature:
    """The ends of the spectrum of a Hessian."""

    largest: tuple[float, ...]
    """Its largest eigenvalues, the largest first."""
    smallest: tuple[float, ...]
    """Its smallest eigenvalues, the smallest first."""
    gradient_norm: float
    """Norm of the gradient; where it is far from 0, this is no critical point, but the slope to one."""

    @property
    def verdict(self) -> str:
        """Saddle where the Hessian is indefinite, minimum where it is definite, undecided where it is flat that way."""
        top, bottom = self.largest[0], self.smallest[0]
        flat = _FLAT * max(abs(top), abs(bottom))
        if bottom < -flat and top > flat:
            return SADDLE
        if bottom > flat:
            return MINIMUM
        return MAXIMUM if top < -flat else UNDECIDED


def curvature_of(
    loss: Callable[[], Tensor],
    parameters: Sequence[nn.Parameter],
    count: int = 3,
    seed: int = 0,
    tolerance: float = 1e-2,
) -> Curvature:
    """The `count` largest and smallest eigenvalues of the Hessian of a loss by Lanczos' method.

    A product with the Hessian is the gradient of the product of the gradient with a vector (Pearlmutter 1994), so
    nothing of size P x P is ever made. The same seed gives the same numbers.

    Args:
        loss: computes the loss anew from the parameters as they are.
        parameters: P numbers, at least `count` + 2; those that the loss does not depend on are flat directions.
        count: eigenvalues at either end.
        seed: of the first vector.
        tolerance: relative error at which the method stops.

    Raises ValueError where there are too few parameters.
    """
    size = sum(weights.numel() for weights in parameters)
    if size < count + 2:
        raise ValueError(f"{count} eigenvalues at either end need {count + 2} parameters at least, got {size}")
    gradients = torch.autograd.grad(loss(), parameters, create_graph=True, allow_unused=True, materialize_grads=True)
    flat = torch.cat([gradient.reshape(-1) for gradient in gradients])

    def product(vector: FloatArray) -> FloatArray:
        given = torch.as_tensor(np.asarray(vector).reshape(-1), dtype=flat.dtype, device=flat.device)
        parts = torch.autograd.grad(
            flat, parameters, given, retain_graph=True, allow_unused=True, materialize_grads=True
        )
        result: FloatArray = torch.cat([part.reshape(-1) for part in parts]).double().cpu().numpy()
        return result

    operator = LinearOperator((size, size), matvec=product, dtype=np.float64)
    first = np.random.default_rng(seed).normal(size=size)
    options = {"v0": first, "tol": tolerance, "return_eigenvectors": False}
    largest, smallest = (sorted(map(float, eigsh(operator, count, which=end, **options))) for end in ("LA", "SA"))
    largest.reverse()
    return Curvature(tuple(largest), tuple(smallest), float(flat.detach().norm()))
