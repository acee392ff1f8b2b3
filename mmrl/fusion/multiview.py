"""Recurrent fusions with a memory for each sense.

S senses ("views"), d units of each, B rows, H = `hidden`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from mmrl.encoders.layers import orthogonal_
from mmrl.fusion.base import FusionOptions, Size, project, require_number, require_whole_numbers, sense_key
from mmrl.fusion.recurrent import RecurrentFusion

_CELL_OUTPUTS: Mapping[str, Callable[[Tensor], Tensor]] = {"linear": lambda c: c, "tanh": torch.tanh}


class ViewCells(nn.Module):
    """LSTM cells of several views, which see parts of each other's last outputs.

    A view sees the first `own` of its own units and the last `others` of every other view's: its weights are the rows
    that the masks of an MV-LSTM leave.
    """

    sources: Tensor

    def __init__(self, sizes: Mapping[str, int], units: int, own: int, others: int, cell: str) -> None:
        super().__init__()
        self.units = units
        self.squash = _CELL_OUTPUTS[cell]
        self.inputs = nn.ModuleDict({sense_key(name): nn.Linear(size, 4 * units) for name, size in sizes.items()})
        seen = [_seen_units(view, len(sizes), units, own, others) for view in range(len(sizes))]
        # It follows from the options, so it stays out of the state dict.
        self.register_buffer("sources", torch.tensor(seen, dtype=torch.int64), persistent=False)  # (S, number seen)
        self.recurrent = nn.Parameter(torch.empty(len(sizes), self.sources.shape[1], 4 * units))
        for layer in self.inputs.values():
            assert isinstance(layer, nn.Linear)
            orthogonal_(layer, 1.0)
            nn.init.ones_(layer.bias[units : 2 * units])  # the forget gate
        for weight in self.recurrent if self.recurrent.numel() else ():
            nn.init.orthogonal_(weight)

    def read(self, parts: Sequence[Tensor]) -> Tensor:
        """Contributions of the views (B, D_s) to their gates: (B, S, 4 d)."""
        return torch.stack([layer(part) for layer, part in zip(self.inputs.values(), parts, strict=True)], dim=1)

    def forward(self, inputs: Tensor, h: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        """Outputs and cells of the next step, (B, S * d) each, from those of the last."""
        gates = inputs + torch.einsum("bsm,smg->bsg", h[:, self.sources], self.recurrent)
        i, f, g, o = gates.chunk(4, dim=2)
        c = torch.sigmoid(f) * c.unflatten(1, (-1, self.units)) + torch.sigmoid(i) * torch.tanh(g)
        return (torch.sigmoid(o) * self.squash(c)).flatten(1), c.flatten(1)


def _seen_units(view: int, views: int, units: int, own: int, others: int) -> list[int]:
    """Positions in (S * d) of the units that a view sees, its own first."""
    mine = range(view * units, view * units + own)
    theirs = [range((k + 1) * units - others, (k + 1) * units) for k in range(views) if k != view]
    return [*mine, *(unit for part in theirs for unit in part)]


@dataclass(frozen=True)
class MVLSTMOptions(FusionOptions):
    """Options of `mvlstm`."""

    alpha: float = 2 / 3
    """Share of its own units that a view sees: their first round(alpha * units)."""
    beta: float = 1 / 3
    """Share of every other view's units that a view sees: their last round(beta * units)."""
    units: int = 64
    """Units of each view."""
    cell: Literal["linear", "tanh"] = "linear"
    """The value that the output gate scales: the cell as in the paper, or its tanh as in other LSTMs."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "units")
        require_number(self, "alpha", 0, 1)
        require_number(self, "beta", 0, 1)
        if self.cell not in _CELL_OUTPUTS:
            raise ValueError(f"MVLSTMOptions.cell must be one of {', '.join(_CELL_OUTPUTS)}, got {self.cell!r}")


class MVLSTMFusion(RecurrentFusion):
    """Multi-View LSTM (Rajagopalan et al. 2016): an LSTM for each sense, which sees parts of the others' memory.

    "Extending Long Short-Term Memory for Multi-View Structured Learning". For view v
    i, f, o = sigmoid(W x_v + U A h_v + sum_(k != v) U_k B h_k + b), g the same with tanh, c' = f c + i g, h' = o c'.
    A keeps the first alpha d units, B the last beta d. (alpha, beta) = (1, 0) is the topology "view-specific", (0, 1)
    "coupled", (1, 1) "fully connected", and between them "hybrid". The joint vector is tanh(norm(W [h'_1 ... h'_S])).
    An absent sense contributes a learned vector to its own view.
    """

    options_type = MVLSTMOptions

    def __init__(self, sizes: Mapping[str, Size], features: int, options: MVLSTMOptions = MVLSTMOptions()) -> None:
        super().__init__(sizes, features)
        own, others = (round(share * options.units) for share in (options.alpha, options.beta))
        self.cells = ViewCells(self.sizes, options.units, own, others, options.cell)
        self.output = project(len(sizes) * options.units, features)
        self.state_size = 2 * len(sizes) * options.units

    def _read_senses(self, parts: Sequence[Tensor]) -> Tensor:
        return self.cells.read(parts)

    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        return torch.cat(self.cells(inputs, *state.chunk(2, dim=1)), dim=1)

    def _join(self, states: Tensor) -> Tensor:
        joint: Tensor = self.output(states.chunk(2, dim=-1)[0])
        return joint


@dataclass(frozen=True)
class MFNOptions(FusionOptions):
    """Options of `mfn`."""

    units: int = 64
    """Units of the LSTM of each sense."""
    memory: int = 128
    """Size of the memory that they share."""
    hidden: int = 64
    """Size of the hidden layer of each of the networks around that memory."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "units", "memory", "hidden")


class MFNFusion(RecurrentFusion):
    """Memory Fusion Network (Zadeh et al. 2018): an LSTM for each sense, and a memory of what changes across them.

    "Memory Fusion Network for Multi-view Sequential Learning". With the cells C = [c_1 ... c_S; c'_1 ... c'_S] of the
    last step and this one: a = softmax(D_a(C)), C^ = a C, u^ = tanh(D_u(C^)), g_1, g_2 = sigmoid(D_g([C^; u])),
    u' = g_1 u + g_2 u^, each D a linear layer, ReLU and a linear layer. The joint vector is tanh(norm(D_o([h'; u']))).
    The gates see u as in the released code. No dropout. An absent sense contributes a learned vector to its own LSTM.
    """

    options_type = MFNOptions

    def __init__(self, sizes: Mapping[str, Size], features: int, options: MFNOptions = MFNOptions()) -> None:
        super().__init__(sizes, features)
        cells, memory, hidden = len(sizes) * options.units, options.memory, options.hidden
        self._split = (cells, cells, memory)
        self.state_size = sum(self._split)
        self.cells = ViewCells(self.sizes, options.units, options.units, 0, "tanh")
        self.attention = _two_layers(2 * cells, hidden, 2 * cells)
        self.proposal = _two_layers(2 * cells, hidden, memory)
        self.retain = _two_layers(2 * cells + memory, hidden, memory)
        self.update = _two_layers(2 * cells + memory, hidden, memory)
        self.output = nn.Sequential(nn.Linear(cells + memory, hidden), nn.ReLU(), project(hidden, features))

    def _read_senses(self, parts: Sequence[Tensor]) -> Tensor:
        return self.cells.read(parts)

    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        h, c, u = state.split(self._split, dim=1)
        h, new_c = self.cells(inputs, h, c)
        window = torch.cat([c, new_c], dim=1)
        window = torch.softmax(self.attention(window), dim=1) * window
        seen = torch.cat([window, u], dim=1)
        proposal = torch.tanh(self.proposal(window))
        u = torch.sigmoid(self.retain(seen)) * u + torch.sigmoid(self.update(seen)) * proposal
        return torch.cat([h, new_c, u], dim=1)

    def _join(self, states: Tensor) -> Tensor:
        h, _, u = states.split(self._split, dim=-1)
        joint: Tensor = self.output(torch.cat([h, u], dim=-1))
        return joint


def _two_layers(inputs: int, hidden: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs))
