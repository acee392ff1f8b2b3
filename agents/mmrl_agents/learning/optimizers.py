"""Optimisers by name: how a gradient becomes a step.

Goodfellow et al. 2016, sections 8.3 and 8.5, element by element; g is the gradient and e the step size:

    sgd       w -= e g
    momentum  v = momentum v + g                        w -= e v
    adagrad   r = r + g^2                               w -= e g / (sqrt(r) + eps)
    rmsprop   r = rms_decay r + (1 - rms_decay) g^2     w -= e g / (sqrt(r) + eps)
    adadelta  r = rms_decay r + (1 - rms_decay) g^2     w -= e d, d = g sqrt(u + eps) / sqrt(r + eps)
              u = rms_decay u + (1 - rms_decay) d^2     after the step (Zeiler 2012)
    adam      s = b1 s + (1 - b1) g                     w -= e s' / (sqrt(r') + eps)
              r = b2 r + (1 - b2) g^2                   s' = s / (1 - b1^k) and r' = r / (1 - b2^k) at update k
    adamw     that of adam                              after w -= e weight_decay w (Loshchilov and Hutter 2019)
"""

from collections.abc import Callable, Mapping
from typing import Any, Literal, Protocol, TypeAlias

import torch
from torch import nn

from mmrl.settings.effects import Reads

OptimizerName: TypeAlias = Literal["sgd", "momentum", "adagrad", "adadelta", "rmsprop", "adam", "adamw"]


class StepSettings(Protocol):
    """The settings of an algorithm that its optimiser reads."""

    @property
    def optimizer(self) -> OptimizerName:
        """Name of the optimiser."""

    @property
    def learning_rate(self) -> float:
        """Step size at the start."""

    @property
    def momentum(self) -> float:
        """Share of the last step that `momentum` takes again."""

    @property
    def rms_decay(self) -> float:
        """Decay per update of the mean squares of `rmsprop` and `adadelta`."""

    @property
    def adam_betas(self) -> tuple[float, float]:
        """Decays per update of the mean and the mean square of `adam` and `adamw`."""

    @property
    def eps(self) -> float:
        """Added to roots of squares; `adadelta` adds it within."""

    @property
    def weight_decay(self) -> float:
        """Share of a weight, times the step size, that `adamw` takes off at each update."""


Weights: TypeAlias = list[nn.Parameter]


class MakeOptimizer(Protocol):
    """Makes an optimiser."""

    def __call__(self, weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
        """One of some weights; `fused` takes one kernel for all of them, where the optimiser has such."""


def _sgd(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, config.learning_rate, fused=fused)


def _momentum(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.SGD(weights, config.learning_rate, config.momentum, fused=fused)


def _adagrad(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.Adagrad(weights, config.learning_rate, eps=config.eps, fused=fused)


def _adadelta(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.Adadelta(weights, config.learning_rate, config.rms_decay, config.eps)


def _rmsprop(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.RMSprop(weights, config.learning_rate, config.rms_decay, config.eps)


def _adam(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    return torch.optim.Adam(weights, config.learning_rate, config.adam_betas, config.eps, fused=fused)


def _adamw(weights: Weights, config: StepSettings, *, fused: bool | None = None) -> torch.optim.Optimizer:
    rate, betas, decay = config.learning_rate, config.adam_betas, config.weight_decay
    return torch.optim.AdamW(weights, rate, betas, config.eps, decay, fused=fused)


OPTIMIZERS: Mapping[str, MakeOptimizer] = {
    "sgd": _sgd,
    "momentum": _momentum,
    "adagrad": _adagrad,
    "adadelta": _adadelta,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
}
"""Optimisers by name."""

READERS: Mapping[str, tuple[str, ...]] = {
    "momentum": ("momentum",),
    "rms_decay": ("rmsprop", "adadelta"),
    "adam_betas": ("adam", "adamw"),
    "eps": ("adagrad", "adadelta", "rmsprop", "adam", "adamw"),
    "weight_decay": ("adamw",),
}
"""The optimisers that read a setting; the others do without it."""


def reads_of_optimizers(part: str) -> tuple[Reads, ...]:
    """Settings of an optimiser that the one chosen in this part of a config does without."""

    def chosen_among(readers: tuple[str, ...]) -> Callable[[Any], bool]:
        return lambda config: vars(config)[part].optimizer in readers

    why = f"{part}.optimizer {{{part}.optimizer}} does without"
    return tuple(Reads((f"{part}.{setting}",), chosen_among(readers), why) for setting, readers in READERS.items())


def require_steps(settings: StepSettings, part: str) -> None:
    """Raise ValueError, with the name of the part, for a setting of an optimiser that is out of bounds."""
    shares = {"momentum": (settings.momentum,), "rms_decay": (settings.rms_decay,), "adam_betas": settings.adam_betas}
    for name, values in shares.items():
        if not all(0 <= value < 1 for value in values):
            shown = values if len(values) > 1 else values[0]
            raise ValueError(f"{part}.{name} must lie in [0, 1), got {shown}")
    if not 0 < settings.eps < float("inf"):
        raise ValueError(f"{part}.eps must be above 0 and finite, got {settings.eps}")
    if not 0 <= settings.weight_decay < float("inf"):
        raise ValueError(f"{part}.weight_decay must be finite and not negative, got {settings.weight_decay}")


def require_same_optimizer(part: str, name: OptimizerName, state: Mapping[str, object]) -> None:
    """Raise ValueError where the state of an agent is that of another optimiser; older checkpoints do not tell."""
    trained = state.get("optimizer_name", name)
    if trained != name:
        raise ValueError(f"{part}.optimizer is {name}, but the run was trained with {trained}")
