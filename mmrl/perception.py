"""From an observation to what a policy sees: the encoders of the senses and their fusion together.

Shapes: B rows, which with a recurrent fusion are T consecutive steps of N worlds, step by step (row t * N + n); D_s the
size of the encoding of sense s, D that of the joint vector, M numbers carried from step to step.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, cast

import torch
from torch import Tensor, nn

from mmrl.encoders import Encoder
from mmrl.fusion import NO_OPTIONS, Fusion, RecurrentFusion, Unfused, find_fusion, sense_key
from mmrl.inputs import Inputs, Memory, Presence, blanked, require_memory, require_observation
from mmrl.modality import Modality


class Seen(NamedTuple):
    """An observation as a perception sees it."""

    encodings: Mapping[str, Tensor]
    """The encoding of each sense that was given, (B, D_s), or its tokens where the fusion reads tokens."""
    fused: Tensor
    """The joint vector of the senses, (B, D)."""
    memory: Tensor | None
    """The memory after the last step, (N, M); None without a recurrent fusion."""
    perception: Perception
    """The perception itself, to look again: at other readings, or with other senses."""


class Perception(nn.Module):
    """Encoders of declared senses, any of which may be absent, and their fusion.

    `present` maps a sense to a bool tensor (B,); a sense without one is present in every row. Only
    a sense that is absent in every row may be missing from the observation. What an absent sense's
    reading holds, NaN included, has no effect.

    Args:
        modalities: the senses by name; an observation may hold others, which are not read.
        fusion: how they are joined, a name in `mmrl.fusion.FUSIONS`.
        features: size of the joint vector, or of that of each expert; 0 takes the encoding of an only sense as it is.
        options: options of that fusion by name.

    Raises:
        ValueError: for a fusion or an option that does not exist, and for several senses where `features` is 0.
    """

    def __init__(
        self,
        modalities: Mapping[str, Modality],
        fusion: str = "concat",
        features: int = 128,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        kind, chosen = find_fusion(fusion, options)
        if features == 0:
            kind, chosen = Unfused, NO_OPTIONS
        self.modalities = dict(modalities)
        self._shapes = {name: sense.window_shape for name, sense in modalities.items()}
        encoders = kind.make_encoders(modalities, chosen)
        self.encoders = nn.ModuleDict({sense_key(name): encoder for name, encoder in encoders.items()})
        self.fusion: Fusion = kind({name: encoder.size for name, encoder in encoders.items()}, features, chosen)
        self.width = features or self.fusion.features
        """Size of the joint vector, or of that of each expert."""
        self.state_size = self.fusion.state_size if isinstance(self.fusion, RecurrentFusion) else 0
        """Numbers M carried from step to step; 0 for a fusion that remembers nothing."""

    @property
    def features(self) -> int:
        """Size D of the joint vector, those of all experts side by side."""
        return self.fusion.features

    @property
    def experts(self) -> int | None:
        """How many vectors lie side by side in the joint one; None for one."""
        return self.fusion.experts

    def encoder(self, name: str) -> Encoder:
        """The encoder of a sense."""
        return cast(Encoder, self.encoders[sense_key(name)])

    def require(self, observation: Inputs, present: Presence | None, others: Collection[str] = ()) -> None:
        """Raise ValueError, naming the sense, where a reading or a mask is not of the declared shape.

        So it does for a name that is neither a sense of this perception nor one of `others`.
        """
        require_observation(observation, present, self._shapes, others)

    def forward(self, observation: Inputs, present: Presence | None = None, memory: Memory | None = None) -> Seen:
        """See readings (B, *window_shape) by sense; it trusts their shapes, which `require` checks.

        ValueError where the fusion remembers and `memory` is not that of these rows.
        """
        present = {} if present is None else present
        readings = {name: blanked(observation[name], present.get(name)) for name in self._shapes if name in observation}
        encodings = {name: self.encoder(name)(reading) for name, reading in readings.items()}
        present = self.token_masks(readings, present)
        if not isinstance(self.fusion, RecurrentFusion):
            return Seen(encodings, self.fusion(encodings, present), None, self)
        rows = next(x.shape[0] for x in (*encodings.values(), *present.values()))
        state, start = require_memory(memory, rows, self.state_size)
        steps = {name: x.unflatten(0, start.shape) for name, x in encodings.items()}
        masks = {name: mask.unflatten(0, start.shape) for name, mask in present.items()}
        fused, state = self.fusion.unroll(steps, masks, state, start)
        return Seen(encodings, fused.flatten(0, 1), state, self)

    def token_masks(self, readings: Inputs, present: Presence) -> Presence:
        """Masks (B,) of the senses, and in place of some those of their tokens, (B, K_s), of which some are missing."""
        masks = dict(present)
        for name, reading in readings.items():
            tokens = self.encoder(name).mask(reading)
            if tokens is not None:
                masks[name] = tokens & present[name].unsqueeze(1) if name in present else tokens
        return masks

    @torch.no_grad()
    def update_statistics(self, observation: Inputs, present: Presence | None = None) -> None:
        """Let every normaliser learn from new readings; rows in which a sense is absent teach it nothing.

        ValueError, naming the sense, on NaN or infinity.
        """
        present = {} if present is None else present
        for name in self._shapes:
            if name not in observation:
                continue
            reading = observation[name]
            try:
                self.encoder(name).update_statistics(reading[present[name]] if name in present else reading)
            except ValueError as error:
                raise ValueError(f"observation {name!r}: {error}") from error
