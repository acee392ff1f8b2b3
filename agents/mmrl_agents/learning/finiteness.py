"""Saying where a number that is not finite came from, so that somebody can mend it."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn


def first_not_finite(tensors: Mapping[str, Tensor | None]) -> str:
    """The first of the named tensors that holds a NaN or an infinity, "" without any.

    Said are how many values are concerned and one of them: "returns (3 of 512 values, such as inf)".
    """
    for name, tensor in tensors.items():
        if tensor is None or not tensor.is_floating_point():
            continue
        wrong = ~torch.isfinite(tensor)
        if bool(wrong.any()):
            example = float(tensor[wrong].flatten()[0])
            return f"{name} ({int(wrong.sum())} of {tensor.numel()} values, such as {example})"
    return ""


def first_weight_not_finite(module: nn.Module) -> str:
    """As `first_not_finite`, of the module's parameters."""
    return first_not_finite({f"the weights {name}": weight.detach() for name, weight in module.named_parameters()})


def first_gradient_not_finite(module: nn.Module) -> str:
    """As `first_not_finite`, of the gradients in the module's parameters."""
    return first_not_finite({f"the gradient of {name}": weight.grad for name, weight in module.named_parameters()})


def clip_gradient(module: nn.Module, most: float) -> Tensor:
    """Scale the gradient down to a norm, and return the norm it had; one that is not finite stays as it is.

    So that `first_gradient_not_finite` still finds the culprit, where torch's function would spread it over all.
    """
    weights = list(module.parameters())
    norm = nn.utils.get_total_norm([weight.grad for weight in weights if weight.grad is not None])
    if bool(torch.isfinite(norm)):
        nn.utils.clip_grads_with_norm_(weights, most, norm)
    return norm


def spoil_gradients(module: nn.Module) -> None:
    """Put what is not a number in the place of the gradient, so that no step is taken."""
    for weight in module.parameters():
        weight.grad = torch.full_like(weight, torch.nan)
