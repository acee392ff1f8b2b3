"""States of a batch of transitions: readings as they came, or the encodings of encoders that learn no more.

B is a number of rows, D the features of the joint vector of the senses.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from mmrl.inputs import Inputs
from mmrl.policy.q_network import QNetwork
from mmrl_envs.arguments import machine_memory

Columns = Mapping[str, NDArray[Any]]
"""Rows (B, *shape) by name."""


class QStates(ABC):
    """States as a Q network gets them."""

    def __init__(self, network: QNetwork) -> None:
        self.network = network

    @property
    @abstractmethod
    def columns(self) -> dict[str, tuple[Sequence[int], Any]]:
        """Shape and kind of number of each column."""

    @abstractmethod
    def kept(self, readings: Columns, seen: Tensor) -> dict[str, NDArray[Any]]:
        """Columns of states, from their readings by sense and what the network sees in them, (B, D)."""

    @abstractmethod
    def seen(self, columns: Inputs) -> Tensor:
        """The joint vector (B, D) of states of these columns."""

    @abstractmethod
    def show(self, columns: Inputs) -> None:
        """Let running statistics learn from new states of these columns, each to be shown once."""

    @property
    @abstractmethod
    def weights(self) -> list[nn.Parameter]:
        """The weights that a fit of the values moves."""

    def require_room(self, total_steps: int) -> None:
        """Raise ValueError where the states of so many steps outgrow the memory of the machine."""
        each = sum(math.prod(shape) * np.dtype(kind).itemsize for shape, kind in self.columns.values())
        memory = machine_memory()
        if total_steps * each > memory:
            raise ValueError(
                f"a batch of all {total_steps:,} steps takes {total_steps * each / 2**30:,.1f} GiB of readings, and "
                f"there are {memory / 2**30:,.1f}: at most {memory // each:,} steps fit, or any number with an "
                "objective that teaches the encoders first, such as --objectives autoencoder.sense=camera"
            )


class StatesOfReadings(QStates):
    """Readings as they came: the encoders learn with the values."""

    @property
    def columns(self) -> dict[str, tuple[Sequence[int], Any]]:
        senses = self.network.modalities.items()
        return {name: (sense.window_shape, np.dtype(sense.dtype)) for name, sense in senses}

    def kept(self, readings: Columns, seen: Tensor) -> dict[str, NDArray[Any]]:
        return {name: readings[name] for name in self.network.modalities}

    def seen(self, columns: Inputs) -> Tensor:
        return self.network.see(columns)

    def show(self, columns: Inputs) -> None:
        self.network.perception.update_statistics(columns)

    @property
    def weights(self) -> list[nn.Parameter]:
        return [*self.network.perception.parameters(), *self.network.critic.parameters()]


class StatesOfEncodings(QStates):
    """Encodings by encoders that learn no more: the values alone are learned."""

    @property
    def columns(self) -> dict[str, tuple[Sequence[int], Any]]:
        return {"seen": ((self.network.perception.features,), np.dtype(np.float32))}

    def kept(self, readings: Columns, seen: Tensor) -> dict[str, NDArray[Any]]:
        return {"seen": seen.detach().cpu().numpy()}

    def seen(self, columns: Inputs) -> Tensor:
        return columns["seen"]

    def show(self, columns: Inputs) -> None:
        """Nothing: they were shown to the encoders while these were taught."""

    @property
    def weights(self) -> list[nn.Parameter]:
        return list(self.network.critic.parameters())


@torch.no_grad()
def encodings(network: QNetwork, columns: Columns, batch: int) -> dict[str, NDArray[Any]]:
    """Columns of `StatesOfEncodings` from those of `StatesOfReadings`, made of `batch` rows at once."""
    device, rows = network.actions.device, len(next(iter(columns.values())))
    parts = [slice(start, start + batch) for start in range(0, max(rows, 1), batch)]
    seen = [network.see({name: torch.from_numpy(x[part]).to(device) for name, x in columns.items()}) for part in parts]
    return {"seen": torch.cat(seen).cpu().numpy()}
