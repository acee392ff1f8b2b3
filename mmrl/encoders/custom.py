"""Networks of the user's own, by their import path."""

from __future__ import annotations

import importlib

import numpy as np
import torch
from torch import Tensor, nn

from mmrl.encoders.base import Encoder, Networks
from mmrl.modality import Custom, Modality


def build_custom(spec: Custom, modality: Modality) -> Encoder:
    """Import and call the user's factory, and try its network on two rows of zeros.

    Raises ValueError naming the target where nothing can be imported under it or where the network
    does not return (2, features); an error inside the user's code passes through with a note.
    """
    module_name, _, factory_name = spec.target.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"modality {modality.name!r}: cannot import encoder {spec.target!r}: {error}") from error
    try:
        network = factory(modality)
        _check_network(network, spec, modality)
    except Exception as error:
        error.add_note(f"in the custom encoder {spec.target!r} of modality {modality.name!r}")
        raise
    return network if isinstance(network, Encoder) else _CustomEncoder(network, spec.features)


class _CustomEncoder(Encoder):
    def __init__(self, network: nn.Module, features: int) -> None:
        super().__init__()
        self.network = network
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        encoding: Tensor = self.network(x)
        return encoding


def _check_network(network: object, spec: Custom, modality: Modality) -> None:
    if not isinstance(network, nn.Module):
        raise ValueError(f"{spec.target!r} must return a torch.nn.Module, got {network!r}")
    dummy = torch.as_tensor(np.zeros((2, *modality.window_shape), modality.dtype))
    training = network.training
    with torch.no_grad():
        output = network.eval()(dummy)
    network.train(training)
    if not isinstance(output, Tensor) or output.shape != (2, spec.features):
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{spec.target!r} must map {tuple(dummy.shape)} to (2, {spec.features}), got {got}")


NETWORKS = Networks(build_custom)
