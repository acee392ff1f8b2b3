"""Fusions that attend to the tokens of all senses.

K is the number of tokens of all senses together, d the size of an embedded token.
"""

from __future__ import annotations

import math
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from mmrl.encoders import Encoder, Unplaced, build_token_encoder
from mmrl.encoders.layers import orthogonal_
from mmrl.fusion.base import Encodings, Fusion, FusionOptions, Size, require_whole_numbers, sense_key
from mmrl.inputs import Presence
from mmrl.modality import Modality

_EMBEDDING_STD = 0.02  # ViLT, released code


def _require_divisible(options: FusionOptions, dim: int, heads: int) -> None:
    if dim % heads:
        raise ValueError(f"{type(options).__name__}.dim must be a multiple of heads ({heads}), got {dim}")


class TokenFusion(Fusion, ABC):
    """Embeds tokens as ViLT does: a linear map, a vector for the place of the token and one for its sense.

    Tokens in no order, those of a set, get none for their place. The tokens of an absent sense are masked, and so are
    missing ones of one that is there.
    """

    reads_tokens = True

    def __init__(self, sizes: Mapping[str, Size], features: int, dim: int) -> None:
        super().__init__(sizes, features)
        shapes = {sense_key(name): shape for name, shape in self.shapes.items()}
        self.embeddings = nn.ModuleDict({key: nn.Linear(size, dim) for key, (_, size) in shapes.items()})
        placed = [sense_key(name) for name, size in sizes.items() if not isinstance(size, Unplaced)]
        self.positions = nn.ParameterDict({key: _small(shapes[key][0], dim) for key in placed})
        self.types = nn.ParameterDict({key: _small(dim) for key in shapes})
        self.norm = nn.LayerNorm(dim)
        self.pool = nn.Linear(dim, features)
        orthogonal_(self.pool, math.sqrt(2))

    @classmethod
    def make_encoders(cls, modalities: Mapping[str, Modality], options: FusionOptions) -> dict[str, Encoder]:
        """Encoders that give tokens where the parts of a reading can be told from each other."""
        return {name: build_token_encoder(modality) for name, modality in modalities.items()}

    def _embed(self, features: Encodings, present: Presence | None, first: Tensor) -> tuple[Tensor, Tensor]:
        """Embedded tokens (B, 1 + K, d), led by `first` (d,), and the mask (B, 1 + K) of those that are there."""
        tokens, masks = [], []
        for name, (part, mask) in self.masked(features, present).items():
            key = sense_key(name)
            embedded = self.embeddings[key](part)
            placed = embedded + self.positions[key] if key in self.positions else embedded
            tokens.append(placed + self.types[key])
            masks.append(mask.expand(-1, part.shape[1]))
        rows = masks[0].shape[0]
        leading = first.expand(rows, 1, -1).to(tokens[0].dtype)
        return torch.cat([leading, *tokens], dim=1), torch.cat([masks[0].new_ones(rows, 1), *masks], dim=1)

    def _pool(self, x: Tensor) -> Tensor:
        return torch.tanh(self.pool(self.norm(x)))


@dataclass(frozen=True)
class AttentionOptions(FusionOptions):
    """Options of `attention`."""

    dim: int = 64
    """Size d of an embedded token."""
    heads: int = 4
    """Attention heads, a divisor of dim."""
    mlp_ratio: int = 2
    """Size of the hidden layer after the attention, in multiples of dim."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "dim", "heads", "mlp_ratio")
        _require_divisible(self, self.dim, self.heads)


class AttentionFusion(TokenFusion):
    """A learned query attends to all tokens: pooling by multi-head attention (J. Lee et al. 2019, "Set Transformer").

    z = q + Attention(q, tokens), z' = z + MLP(z), h = tanh(W z'), normalised before each (attention: Vaswani et al.
    2017, "Attention Is All You Need"). One token stands for nothing: it is always there and may take all attention. The
    tokens of an absent sense are masked.
    """

    options_type = AttentionOptions

    def __init__(
        self, sizes: Mapping[str, Size], features: int, options: AttentionOptions = AttentionOptions()
    ) -> None:
        super().__init__(sizes, features, options.dim)
        self.query = nn.Parameter(_small(options.dim))
        self.nothing = nn.Parameter(_small(options.dim))
        self.block = Block(options.dim, options.heads, options.mlp_ratio)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        tokens, mask = self._embed(features, present, self.nothing)
        query = self.query.expand(tokens.shape[0], 1, -1)
        return self._pool(self.block(query, tokens, mask).squeeze(1))


@dataclass(frozen=True)
class TransformerOptions(FusionOptions):
    """Options of `transformer`."""

    dim: int = 64
    """Size d of an embedded token."""
    layers: int = 2
    """Number of blocks."""
    heads: int = 4
    """Attention heads, a divisor of dim."""
    mlp_ratio: int = 2
    """Size of the hidden layer of a block, in multiples of dim."""

    def __post_init__(self) -> None:
        require_whole_numbers(self, "dim", "layers", "heads", "mlp_ratio")
        _require_divisible(self, self.dim, self.heads)


class TransformerFusion(TokenFusion):
    """Transformer over the tokens of all senses with modal-type embeddings: a small ViLT (Kim et al. 2021).

    "ViLT: Vision-and-Language Transformer Without Convolution or Region Supervision", sec. 3.1: a class token and all
    tokens, each with its place and type embedded, pass blocks of attention and MLP, normalised before each;
    h = tanh(W norm(z_class)). No dropout. The tokens of an absent sense are masked.
    """

    options_type = TransformerOptions

    def __init__(
        self, sizes: Mapping[str, Size], features: int, options: TransformerOptions = TransformerOptions()
    ) -> None:
        super().__init__(sizes, features, options.dim)
        self.class_token = nn.Parameter(_small(options.dim))
        blocks = (Block(options.dim, options.heads, options.mlp_ratio) for _ in range(options.layers))
        self.blocks = nn.ModuleList(blocks)

    def forward(self, features: Encodings, present: Presence | None = None) -> Tensor:
        z, mask = self._embed(features, present, self.class_token)
        for block in self.blocks[:-1]:
            z = block(z, z, mask)
        # Of the last block only the class token is read.
        return self._pool(self.blocks[-1](z[:, :1], z, mask).squeeze(1))

    def encode(self, features: Encodings, present: Presence | None, kept: Tensor, visible: Tensor) -> Tensor:
        """The class token and some of all tokens after all blocks, (B, 1 + V, d), normalised.

        `kept` (B, V) are their places among all K in the order of the senses, `visible` (B, V) says which of these are
        attended to. Nothing depends on the others.
        """
        z, _ = self._embed(features, present, self.class_token)
        places = torch.cat([torch.zeros_like(kept[:, :1]), kept + 1], dim=1)
        mask = torch.cat([torch.ones_like(visible[:, :1]), visible], dim=1)
        chosen = z.gather(1, places.unsqueeze(2).expand(-1, -1, z.shape[2]))
        z = torch.where(mask.unsqueeze(2), chosen, 0)  # no attention of weight 0 hides a NaN
        for block in self.blocks:
            z = block(z, z, mask)
        encoded: Tensor = self.norm(z)
        return encoded


class Block(nn.Module):
    """z' = x + Attention(norm(x), norm(tokens)), then z' + MLP(norm(z')): a transformer block normalised before."""

    def __init__(self, dim: int, heads: int, mlp_ratio: int) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(dim)
        self.attention = Attention(dim, heads)
        self.mlp_norm = nn.LayerNorm(dim)
        self.mlp = nn.Sequential(nn.Linear(dim, mlp_ratio * dim), nn.GELU(), nn.Linear(mlp_ratio * dim, dim))

    def forward(self, x: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Queries (B, Q, d), tokens (B, K, d), mask (B, K) of the tokens to attend to: (B, Q, d)."""
        z = x + self.attention(self.attention_norm(x), self.attention_norm(tokens), mask)
        mixed: Tensor = z + self.mlp(self.mlp_norm(z))
        return mixed


class Attention(nn.Module):
    """Scaled dot-product attention in several heads (Vaswani et al. 2017)."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key_value = nn.Linear(dim, 2 * dim)
        self.output = nn.Linear(dim, dim)

    def forward(self, queries: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        """Queries (B, Q, d), tokens (B, K, d), mask (B, K), true somewhere in every row: (B, Q, d)."""
        key, value = self.key_value(tokens).chunk(2, dim=2)
        # (B, Q or K, d) -> (B, heads, Q or K, d / heads)
        q, k, v = (x.unflatten(2, (self.heads, -1)).transpose(1, 2) for x in (self.query(queries), key, value))
        attended = functional.scaled_dot_product_attention(q, k, v, attn_mask=mask[:, None, None])
        outputs: Tensor = self.output(attended.transpose(1, 2).flatten(2))
        return outputs


def _small(*shape: int) -> Tensor:
    return torch.randn(shape) * _EMBEDDING_STD
