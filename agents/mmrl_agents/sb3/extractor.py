"""Our encoders and fusion where Stable-Baselines3 expects a features extractor.

Shapes: B rows, D features. SB3 hands over floats, transposes what it takes for an image to (B, C, H, W) and divides
it by 255; the encoders read what the sense declares.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ActorCriticPolicy
from stable_baselines3.common.preprocessing import is_image_space
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor, CombinedExtractor
from torch import Tensor, nn

from mmrl.fusion import FUSIONS, RecurrentFusion, find_fusion
from mmrl.fusion.late import HybridFusion, LateFusion
from mmrl.inputs import Presence
from mmrl.modality import Modality
from mmrl.modality.foreign import flatten_observation
from mmrl.normalization import RunningStatistics
from mmrl.perception import Perception
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.older_weights import rename_older_weights

ENCODED = "mmrl.encoded"
"""Name of joint vectors in place of readings, which `EncodedReplayBuffer` keeps."""


class MultimodalExtractor(CombinedExtractor):
    """The encoders of declared senses and their fusion: observations of SB3 -> (B, D).

    With the weights of an `ActorCritic` (`load_native`) it gives that network's joint vector.

    Whether images come transposed follows from the space, whether they come divided by 255 from `normalize_images`
    of the policy. SB3 tells that to subclasses of its `CombinedExtractor` only, as `normalized_image`, which is why
    this is one; nothing else is inherited.

    Running statistics of readings are learned from the batches of training, as batch normalisation does it, and SB3
    copies them to target networks like those of batch normalisation, by the "running_" in their name.

    Args:
        observation_space: what SB3 found: a flat Dict of the senses by name, or the Box of the only one.
        modalities: the senses, as `WorldsVecEnv.modalities` gives them.
        fusion: how they are joined, a name in `mmrl.fusion.FUSIONS`.
        fusion_options: options of that fusion by name.
        features: D; 0 takes the encoding of an only sense as it is.
        normalized_image: whether the policy has `normalize_images=False`; SB3 sets it.

    Raises:
        ValueError: for a fusion that gives no joint vector of a step alone, and where a sense does not reach the
            network as it is declared: stacked, normalised or missing.
    """

    def __init__(
        self,
        observation_space: spaces.Space[Any],
        modalities: Mapping[str, Modality],
        fusion: str = "concat",
        fusion_options: Mapping[str, Any] | None = None,
        features: int = 128,
        normalized_image: bool = False,
    ) -> None:
        found = _spaces_of(observation_space, modalities)
        BaseFeaturesExtractor.__init__(self, observation_space, features_dim=1)
        self._readers = {
            name: _Reader(modality, found[name], not normalized_image) for name, modality in modalities.items()
        }
        _require_momentary(fusion, fusion_options)
        self.perception = Perception(modalities, fusion, features, fusion_options)
        if self.perception.experts is not None:
            raise ValueError(_refusal(fusion, "decides by a head for each sense and has no joint features"))
        self._features_dim = self.perception.features
        # A second name for them, by which SB3 finds what to copy to target networks.
        self.running_statistics = nn.ModuleList(
            module for module in self.perception.encoders.modules() if isinstance(module, RunningStatistics)
        )
        rename_older_weights(self, [("encoders.", "perception.encoders."), ("fusion.", "perception.fusion.")])
        self._present: Presence | None = None

    def forward(self, observations: Any) -> Tensor:
        """The joint vector (B, D) of preprocessed observations, or those that are given as `ENCODED`."""
        if isinstance(observations, dict) and ENCODED in observations:
            encoded: Tensor = observations[ENCODED]
            return encoded
        readings = self.readings(observations)
        if self.training:
            self.perception.update_statistics(readings)
        fused: Tensor = self.perception(readings, self._present).fused
        return fused

    def readings(self, observations: Any) -> dict[str, Tensor]:
        """Preprocessed observations as the senses declare them: name -> (B, *window_shape), images uint8."""
        given = flatten_observation(observations)
        return {name: reader.read(given[name]) for name, reader in self._readers.items()}

    def load_native(self, policy: ActorCritic) -> None:
        """Copy encoders, their statistics and the fusion of a network of ours; RuntimeError where they differ."""
        self.perception.load_state_dict(policy.perception.state_dict())

    def apply(self, fn: Callable[[nn.Module], object]) -> MultimodalExtractor:
        """As in any module, but SB3's `ortho_init` ends here: these networks have initial weights of their own.

        It would fail besides: it cannot fill convolutions whose weights lie in the memory order of NHWC images.
        """
        if isinstance(fn, partial) and fn.func is ActorCriticPolicy.init_weights:
            return self
        return super().apply(fn)  # type: ignore[arg-type]  # what fn returns is dropped

    @contextmanager
    def sensing(self, present: Presence | None) -> Iterator[None]:
        """While inside, a sense is absent where its bool mask (B,) is false."""
        self._present = present
        try:
            yield
        finally:
            self._present = None


class _Reader:
    """Undoes what SB3 did to one sense on its way to the network."""

    def __init__(self, modality: Modality, space: spaces.Space[Any], scaling: bool) -> None:
        shape, declared = tuple(space.shape or ()), modality.window_shape
        transposed = (declared[-1], *declared[:-1]) if len(declared) == 3 else declared
        if shape not in (declared, transposed):
            raise ValueError(
                f"sense {modality.name!r} is declared as {declared} and reaches the network as {shape}; VecFrameStack "
                f"joins windows along their features: let the sense have a longer history instead"
            )
        if modality.dtype == "uint8" and space.dtype != "uint8":
            raise ValueError(
                f"sense {modality.name!r} is declared as uint8 and reaches the network as {space.dtype}; VecNormalize "
                f"normalises images too unless norm_obs_keys names the others"
            )
        self._integer = modality.dtype == "uint8"
        # SB3 never transposes where all three sides are equal.
        self._transposed = shape != declared
        self._scaled = scaling and is_image_space(space)

    def read(self, x: Tensor) -> Tensor:
        x = x.permute(0, 2, 3, 1) if self._transposed else x
        if not self._integer:
            return x
        return (x * 255).round_().to(torch.uint8) if self._scaled else x.to(torch.uint8)


def _spaces_of(space: spaces.Space[Any], modalities: Mapping[str, Modality]) -> dict[str, spaces.Space[Any]]:
    found = dict(space.spaces) if isinstance(space, spaces.Dict) else flatten_observation(space)
    if set(found) != set(modalities):
        raise ValueError(
            f"the senses declared are {', '.join(modalities)}, the observation space has {', '.join(found)}"
        )
    return found


REFUSED = tuple(name for name, kind in FUSIONS.items() if issubclass(kind, RecurrentFusion | LateFusion | HybridFusion))
"""Fusions that give no joint vector of a step alone."""


def _require_momentary(name: str, given: Mapping[str, Any] | None) -> None:
    kind, _ = find_fusion(name, given)
    if issubclass(kind, RecurrentFusion):
        raise ValueError(_refusal(name, "remembers what came before, which a features extractor does not get"))


def _refusal(name: str, why: str) -> str:
    others = ", ".join(name for name in FUSIONS if name not in REFUSED)
    return f"fusion {name!r} {why}: train it with mmrl's own PPO, or take one of {others}"
