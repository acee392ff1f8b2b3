"""Join the encodings of several senses into one vector, whichever of them are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from mmrl.fusion.attention import AttentionFusion, TransformerFusion
from mmrl.fusion.base import NO_OPTIONS, Fusion, FusionOptions, Size, sense_key
from mmrl.fusion.early import EarlyFusion
from mmrl.fusion.gated import GatedFusion
from mmrl.fusion.late import HybridFusion, LateFusion
from mmrl.fusion.multiview import MFNFusion, MVLSTMFusion
from mmrl.fusion.poe import ProductOfExpertsFusion
from mmrl.fusion.recurrent import GRUFusion, LSTMFusion, RecurrentFusion, TAGMFusion
from mmrl.fusion.simple import ConcatFusion, MLPFusion, ProductFusion, SumFusion
from mmrl.fusion.tensor import LowRankFusion, TensorFusion
from mmrl.fusion.unfused import Unfused

__all__ = [
    "FUSIONS",
    "NO_OPTIONS",
    "ConcatFusion",
    "Fusion",
    "FusionOptions",
    "RecurrentFusion",
    "Unfused",
    "find_fusion",
    "make_fusion",
    "sense_key",
]

FUSIONS: dict[str, type[Fusion]] = {
    "concat": ConcatFusion,
    "sum": SumFusion,
    "product": ProductFusion,
    "mlp": MLPFusion,
    "tensor": TensorFusion,
    "lowrank": LowRankFusion,
    "gated": GatedFusion,
    "poe": ProductOfExpertsFusion,
    "early": EarlyFusion,
    "late": LateFusion,
    "hybrid": HybridFusion,
    "attention": AttentionFusion,
    "transformer": TransformerFusion,
    "lstm": LSTMFusion,
    "gru": GRUFusion,
    "mvlstm": MVLSTMFusion,
    "mfn": MFNFusion,
    "tagm": TAGMFusion,
}
"""Fusions by the name that a policy configuration uses; add your own here."""


def find_fusion(name: str, options: Mapping[str, Any] | None = None) -> tuple[type[Fusion], FusionOptions]:
    """The fusion of that name and its options, those not given at their defaults.

    ValueError for a name or an option that does not exist, and for a value out of bounds.
    """
    if name not in FUSIONS:
        raise ValueError(f"unknown fusion {name!r}; known fusions: {', '.join(sorted(FUSIONS))}")
    options_type, given = FUSIONS[name].options_type, options or {}
    defaults = {field.name: field.default for field in fields(options_type)}
    unknown = ", ".join(repr(key) for key in given if key not in defaults)
    if unknown:
        raise ValueError(f"fusion {name!r} has no option {unknown}; it has {', '.join(defaults) or 'none'}")
    values = {key: _sequence(value) if isinstance(defaults[key], tuple) else value for key, value in given.items()}
    return FUSIONS[name], options_type(**values)


def _sequence(value: Any) -> tuple[Any, ...]:
    """A tuple of what JSON or a command line gives for one: a list, or a single item."""
    return tuple(value) if isinstance(value, list | tuple) else (value,)


def make_fusion(
    name: str, sizes: Mapping[str, Size], features: int, options: Mapping[str, Any] | None = None
) -> Fusion:
    """An untrained fusion of senses with encodings of `sizes`; ValueError as `find_fusion`."""
    fusion, chosen = find_fusion(name, options)
    return fusion(sizes, features, chosen)
