"""Fusions that remember.

T steps of B rows, M = `RecurrentFusion.state_size`, H units. Whatever an absent sense lacks is filled with a learned
vector, so that the memory goes on without it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from mmrl.encoders.layers import orthogonal_, spread_keeping_
from mmrl.fusion.base import (
    NO_OPTIONS,
    Encodings,
    Fusion,
    FusionOptions,
    Size,
    count_rows,
    require_number,
    require_whole_numbers,
)
from mmrl.inputs import Presence


class RecurrentFusion(Fusion, ABC):
    """A fusion whose joint vector depends on what came before in the episode.

    All it remembers is a state (B, M), which is zeros where an episode starts and is handed from step to step by the
    caller: `unroll`. Called as any other fusion it gives the joint vectors of first steps.
    """

    state_size: int
    """Numbers M carried from step to step."""

    def __init__(self, sizes: Mapping[str, Size], features: int) -> None:
        super().__init__(sizes, features)
        self.absent = nn.Parameter(torch.zeros(sum(self.sizes.values())))

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        """Encodings (B, D_s) by sense that each begin an episode, masks (B,): (B, D)."""
        rows = count_rows(features, present or {})
        start = torch.ones(1, rows, dtype=torch.bool, device=self.absent.device)
        steps = {name: x.unsqueeze(0) for name, x in features.items()}
        masks = {name: mask.unsqueeze(0) for name, mask in (present or {}).items()}
        fused, _ = self.unroll(steps, masks, self.absent.new_zeros(rows, self.state_size), start)
        return fused.squeeze(0)

    def unroll(
        self, features: Encodings, present: Presence | None, state: Tensor, episode_start: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Joint vectors (T, B, D) of T consecutive steps, and the state (B, M) after them.

        Takes encodings (T, B, D_s) by sense, bool masks (T, B), the state (B, M) before the first step, and where
        episodes start, bool (T, B): there whatever was remembered is forgotten.
        """
        steps = {name: x.flatten(0, 1) for name, x in features.items()}
        masks = {name: mask.flatten(0, 1) for name, mask in (present or {}).items()}
        inputs = self._read_senses(self.filled(steps, masks, self.absent)).unflatten(0, episode_start.shape)
        states = []
        for step, start in zip(inputs.unbind(), episode_start.unbind(), strict=True):
            state = self._step(step, torch.where(start.unsqueeze(1), 0, state)).to(state.dtype)
            states.append(state)
        return self._join(torch.stack(states)), state

    @abstractmethod
    def _read_senses(self, parts: Sequence[Tensor]) -> Tensor:
        """Contributions of the senses (T * B, D_s) at each step, before any memory: (T * B, ...)."""

    @abstractmethod
    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        """One step: the next state (B, M), given a row of `_read_senses` (B, ...)."""

    @abstractmethod
    def _join(self, states: Tensor) -> Tensor:
        """The joint vectors (T, B, D) that follow from the states (T, B, M) after each step."""


class ConcatRecurrentFusion(RecurrentFusion, ABC):
    """A linear layer over the concatenation of the senses, and one memory for all of them."""

    def __init__(self, sizes: Mapping[str, Size], features: int, inputs: int) -> None:
        """`inputs` is the size of what a step is given of the senses."""
        super().__init__(sizes, features)
        self.input = nn.Linear(sum(self.sizes.values()), inputs)
        orthogonal_(self.input, 1.0)

    def _read_senses(self, parts: Sequence[Tensor]) -> Tensor:
        inputs: Tensor = self.input(torch.cat(list(parts), dim=1))
        return inputs


class LSTMFusion(ConcatRecurrentFusion):
    """Concatenation into an LSTM (Hochreiter & Schmidhuber 1997; as a policy Hausknecht & Stone 2015).

    i, f, o = sigmoid(W x + U h + b), g = tanh(W x + U h + b), c' = f c + i g, h' = o tanh(c'), with b_f = 1 at first.
    The joint vector is h' after layer normalisation, as it is small for long: without, learning takes half as long
    again. An absent sense contributes a learned vector.
    """

    def __init__(self, sizes: Mapping[str, Size], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features, 4 * features)
        self.state_size = 2 * features
        self.recurrent = nn.Linear(features, 4 * features, bias=False)
        orthogonal_(self.recurrent, 1.0)
        nn.init.ones_(self.input.bias[features : 2 * features])
        self.norm = nn.LayerNorm(features)

    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        h, c = state.chunk(2, dim=1)
        i, f, g, o = (inputs + self.recurrent(h)).chunk(4, dim=1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.cat([torch.sigmoid(o) * torch.tanh(c), c], dim=1)

    def _join(self, states: Tensor) -> Tensor:
        joint: Tensor = self.norm(states[..., : self.features])
        return joint


class GRUFusion(ConcatRecurrentFusion):
    """Concatenation into a gated recurrent unit (Cho et al. 2014).

    r, z = sigmoid(W x + U h + b), n = tanh(W x + b + r (U h + b')), h' = (1 - z) n + z h, the form of cuDNN and of
    `torch.nn.GRU`: the paper resets before the matrix, n = tanh(W x + U (r h)). The joint vector is h'. An absent sense
    contributes a learned vector.
    """

    def __init__(self, sizes: Mapping[str, Size], features: int, options: FusionOptions = NO_OPTIONS) -> None:
        super().__init__(sizes, features, 3 * features)
        spread_keeping_(self.input)
        self.state_size = features
        self.recurrent = nn.Linear(features, 3 * features)
        orthogonal_(self.recurrent, 1.0)

    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        seen, remembered = inputs.chunk(3, dim=1), self.recurrent(state).chunk(3, dim=1)
        r, z = (torch.sigmoid(x + h) for x, h in zip(seen[:2], remembered[:2], strict=True))
        n = torch.tanh(seen[2] + r * remembered[2])
        return (1 - z) * n + z * state

    def _join(self, states: Tensor) -> Tensor:
        return states


@dataclass(frozen=True)
class TAGMOptions(FusionOptions):
    """Options of `tagm`."""

    attention: int = 64
    """Units of the recurrent network that decides how salient a step is."""
    sharpness: float = 3.0
    """Factor s on what the salience is the sigmoid of; Pei et al. tried 1, 3 and 5."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "attention")
        require_number(self, "sharpness", 0)


class TAGMFusion(ConcatRecurrentFusion):
    """Temporal Attention-Gated Model (Pei et al. 2017): a memory that opens in salient steps, here looking back only.

    "Temporal Attention-Gated Model for Robust Sequence Classification". Salience a = sigmoid(s (m^T k + b)) of a
    recurrent network k = tanh(W x + V k + b), then h' = (1 - a) h + a ReLU(U x + R h + b); the joint vector is h'. The
    paper's k also runs backwards from the end of the sequence, which an acting policy does not know; its units are a
    softplus in the released code, tanh here, since episodes have no given length over which they could grow. An absent
    sense contributes a learned vector.
    """

    options_type = TAGMOptions

    def __init__(self, sizes: Mapping[str, Size], features: int, options: TAGMOptions = TAGMOptions()) -> None:
        super().__init__(sizes, features, options.attention + features)
        self._split = (options.attention, features, 1)
        self.state_size = sum(self._split)
        self.sharpness = options.sharpness
        self.attention = nn.Linear(options.attention, options.attention, bias=False)
        self.recurrent = nn.Linear(features, features, bias=False)
        self.gate = nn.Linear(options.attention, 1)
        for layer in (self.attention, self.recurrent, self.gate):
            orthogonal_(layer, 1.0)

    def salience(self, state: Tensor) -> Tensor:
        """How far the memory opened in the step before a state (..., M), from 0 to 1, (...)."""
        return state[..., -1]

    def _step(self, inputs: Tensor, state: Tensor) -> Tensor:
        k, h, _ = state.split(self._split, dim=1)
        for_attention, for_memory = inputs.split(self._split[:2], dim=1)
        k = torch.tanh(for_attention + self.attention(k))
        a = torch.sigmoid(self.sharpness * self.gate(k))
        h = (1 - a) * h + a * torch.relu(for_memory + self.recurrent(h))
        return torch.cat([k, h, a], dim=1)

    def _join(self, states: Tensor) -> Tensor:
        h: Tensor = states.split(self._split, dim=-1)[1]
        return h
