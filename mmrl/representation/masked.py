"""Masked autoencoding over the tokens of all senses.

Shapes: B rows, K_s tokens of sense s and K of all, V of them that are kept, P_s numbers that a token of s stands for,
d the size of a token in the fusion, D that in the decoder.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn

from mmrl.encoders import Unplaced
from mmrl.fusion import sense_key
from mmrl.fusion.attention import Block, TransformerFusion
from mmrl.inputs import Inputs
from mmrl.modality import Modality
from mmrl.modality.declaration import require_units
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception, Seen
from mmrl.representation.base import Batch, DecodingObjective, Objective, ObjectiveConfig, Reconstructed
from mmrl.representation.draws import Draws
from mmrl.representation.senses import mean_over, reading_of, total

_SMALL = 0.02


@dataclass(frozen=True)
class Masked(ObjectiveConfig):
    """The error of the parts of readings whose tokens are hidden, as decoded from the tokens that are not."""

    ratio: float = 0.75
    """Share of the tokens of each sense that are hidden; 0.95 in M3L."""
    whole: float = 0.1
    """Share of the rows in which one sense, any of them, is hidden altogether."""
    dim: int = 64
    """Size D of a token in the decoder."""
    layers: int = 2
    """Blocks of the decoder."""
    heads: int = 4
    """Attention heads of the decoder, a divisor of dim."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, value in (("ratio", self.ratio), ("whole", self.whole)):
            if not 0 <= value <= 1:
                raise ValueError(f"Masked.{name} must lie in [0, 1], got {value}")
        if not self.ratio and not self.whole:
            raise ValueError("Masked.ratio and Masked.whole are 0, which hides nothing")
        for name, size in (("dim", self.dim), ("layers", self.layers), ("heads", self.heads)):
            require_units(f"Masked.{name}", (size,))
        if self.dim % self.heads:
            raise ValueError(f"Masked.dim must be a multiple of heads ({self.heads}), got {self.dim}")

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        if not isinstance(perception.fusion, TransformerFusion):
            raise ValueError(
                "objective 'masked' needs a fusion in which tokens attend to each other, --fusion transformer; "
                f"{type(perception.fusion).__name__} has no tokens that come out"
            )
        return MaskedAutoencoder(self, perception, perception.fusion)


class Hiding(NamedTuple):
    """The tokens that are hidden, and those that are kept."""

    there: dict[str, Tensor]
    """Which tokens of a sense stand for something, (B, K_s)."""
    hidden: dict[str, Tensor]
    """Which of these are hidden, (B, K_s)."""
    kept: Tensor
    """Places among all tokens of those that the encoder reads, (B, V)."""
    visible: Tensor
    """Which of these it may read, (B, V)."""


class MaskedAutoencoder(DecodingObjective):
    """The mean squared error of hidden parts in variances, the mean over senses.

    He et al. 2022, "Masked Autoencoders Are Scalable Vision Learners", over the tokens of all senses as in Sferrazza et
    al. 2024, "The Power of the Senses: Generalizable Manipulation from Vision and Touch through Masked Multimodal
    Learning" (M3L): the fusion reads visible tokens only, a shallow decoder gets these, a mask token for each other
    one, and places and senses of all. Tokens are what the encoders make of a reading, so that those of neighbours may
    have looked at a part that is hidden, as after the early convolutions of M3L; the error counts hidden parts alone.
    Words are marks of which. What is hidden is drawn anew each time.
    """

    def __init__(self, config: Masked, perception: Perception, fusion: TransformerFusion) -> None:
        super().__init__()
        self.config, self.shapes = config, dict(fusion.shapes)
        self.windows = {name: sense.window_shape for name, sense in perception.modalities.items()}
        numbers = {name: _part_size(perception, name) for name in self.shapes}
        self.inward = nn.Linear(fusion.class_token.shape[0], config.dim)
        self.mask_token = nn.Parameter(torch.randn(config.dim) * _SMALL)
        placed = [name for name in self.shapes if not isinstance(perception.encoder(name).size, Unplaced)]
        self.places = nn.ParameterDict(
            {sense_key(name): torch.randn(self.shapes[name][0], config.dim) * _SMALL for name in placed}
        )
        self.types = nn.ParameterDict({sense_key(name): torch.randn(config.dim) * _SMALL for name in self.shapes})
        self.blocks = nn.ModuleList(Block(config.dim, config.heads, 2) for _ in range(config.layers))
        self.norm = nn.LayerNorm(config.dim)
        self.heads = nn.ModuleDict({sense_key(name): nn.Linear(config.dim, size) for name, size in numbers.items()})
        self.scales = nn.ModuleDict(
            {sense_key(name): RunningStatistics((self.shapes[name][0], size)) for name, size in numbers.items()}
        )
        self.draws = Draws()
        self._parts = {name: perception.encoder(name).parts for name in self.shapes}

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        hiding = self.hide(batch, seen)
        losses = []
        for name, decoded in self.decoded(hiding, batch, seen).items():
            errors = (decoded - self._scale(name)(self._parts_of(batch, name))).square().mean(dim=2)
            losses.append(mean_over(errors.flatten(), hiding.hidden[name].flatten()))
        return total(losses)

    def hide(self, batch: Batch, seen: Seen) -> Hiding:
        """Draw which tokens are hidden; of each sense as many as `ratio` says on average, in every row."""
        readings = {name: reading_of(batch, name) for name in self.shapes}
        masks = seen.perception.token_masks(readings, batch.present or {})
        rows, device = len(batch.actions), batch.actions.device
        generator = self.draws(device)
        altogether = torch.randint(len(self.shapes), (rows, 1), generator=generator, device=device)
        altogether[torch.rand((rows, 1), generator=generator, device=device) >= self.config.whole] = -1
        there, hidden = dict[str, Tensor](), dict[str, Tensor]()
        kept, visible = list[Tensor](), list[Tensor]()
        first = 0
        for number, (name, (tokens, _)) in enumerate(self.shapes.items()):
            mask = masks.get(name, torch.ones((rows, 1), dtype=torch.bool, device=device))
            there[name] = (mask.unsqueeze(1) if mask.dim() == 1 else mask).expand(rows, tokens)
            shares = torch.rand((rows, tokens + 1), generator=generator, device=device)
            order = (shares[:, 1:] + 2.0 * ~there[name]).argsort(dim=1)  # missing ones last
            least = (1 - self.config.ratio) * tokens
            slots = order[:, : min(tokens, math.floor(least) + 1)]
            shown = torch.arange(slots.shape[1], device=device) < (least + shares[:, :1]).floor()
            shown = shown & there[name].gather(1, slots) & (altogether != number)
            hidden[name] = there[name] & ~torch.zeros_like(there[name]).scatter(1, slots, shown)
            kept.append(slots + first)
            visible.append(shown)
            first += tokens
        return Hiding(there, hidden, torch.cat(kept, dim=1), torch.cat(visible, dim=1))

    def decoded(self, hiding: Hiding, batch: Batch, seen: Seen) -> dict[str, Tensor]:
        """The parts of all tokens of each sense on a common scale, (B, K_s, P_s), from the visible tokens."""
        fusion = cast(TransformerFusion, seen.perception.fusion)
        encoded = self.inward(fusion.encode(seen.encodings, batch.present, hiding.kept, hiding.visible))
        shown = torch.where(hiding.visible.unsqueeze(2), encoded[:, 1:], self.mask_token)
        full = self.mask_token.expand(len(shown), sum(tokens for tokens, _ in self.shapes.values()), -1)
        full = full.scatter(1, hiding.kept.unsqueeze(2).expand_as(shown), shown)
        tokens = torch.cat([encoded[:, :1], full + self._places()], dim=1)
        mask = torch.cat([torch.ones_like(hiding.visible[:, :1]), *hiding.there.values()], dim=1)
        for block in self.blocks:
            tokens = block(tokens, tokens, mask)
        of_senses = self.norm(tokens)[:, 1:].split([count for count, _ in self.shapes.values()], dim=1)
        return {name: self.heads[sense_key(name)](part) for name, part in zip(self.shapes, of_senses, strict=True)}

    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        """The visible parts as they are, the hidden ones as they come back."""
        hiding, found = self.hide(batch, seen), []
        for name, decoded in self.decoded(hiding, batch, seen).items():
            hidden = hiding.hidden[name].unsqueeze(2)
            parts = torch.where(hidden, self._scale(name).restored(decoded), self._parts_of(batch, name))
            whole = seen.perception.encoder(name).whole(parts, self.windows[name])
            found.append(Reconstructed(name, "visible tokens", whole))
        return found

    def update_statistics(self, observations: Inputs) -> None:
        for name in self.shapes:
            if name in observations:
                self._scale(name).update(self._parts[name](observations[name]))

    def _parts_of(self, batch: Batch, name: str) -> Tensor:
        return self._parts[name](reading_of(batch, name))

    def _places(self) -> Tensor:
        """A vector for the sense of each token, and one for its place where it has one, (K, D)."""
        places = []
        for name, (tokens, _) in self.shapes.items():
            key = sense_key(name)
            kind = self.types[key].expand(tokens, -1)
            places.append(kind + self.places[key] if key in self.places else kind)
        return torch.cat(places)

    def _scale(self, name: str) -> RunningStatistics:
        return cast(RunningStatistics, self.scales[sense_key(name)])


def _part_size(perception: Perception, name: str) -> int:
    """P_s. Raises ValueError for an encoder that does not say what its tokens stand for."""
    sense = perception.modalities[name]
    kind = torch.uint8 if sense.dtype == "uint8" else torch.float32
    return int(perception.encoder(name).parts(torch.zeros((1, *sense.window_shape), dtype=kind)).shape[2])
