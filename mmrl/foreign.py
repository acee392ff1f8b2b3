"""The senses of foreign Gymnasium environments, declared from their observation spaces."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from mmrl.modality import MLP, ImageConv, Modality

IMAGE_CHANNELS = (1, 3, 4)


def modalities_of(
    space: spaces.Space[Any],
    *,
    rate_hz: float = 1.0,
    overrides: Mapping[str, Modality] | None = None,
) -> dict[str, Modality]:
    """Declarations for the observation space of a foreign Gymnasium environment.

    A Box becomes the one modality "observation"; a Dict one modality per key, nested keys joined by
    dots. Only what leaves no doubt is declared: uint8 images (H, W, C) of 1, 3 or 4 channels, and
    vectors of floats. For any other key give `overrides[key]`. Raises ValueError where one is
    missing, does not fit its space or matches no key.
    """
    overrides = overrides or {}
    leaves = _leaves(space)
    for key in overrides:
        if key not in leaves:
            raise ValueError(f"override for unknown key {key!r}; known keys: {', '.join(leaves)}")
    return {
        key: _fitting(overrides[key], key, leaf) if key in overrides else _declared(key, leaf, rate_hz)
        for key, leaf in leaves.items()
    }


def flatten_observation(observation: Any) -> dict[str, Any]:
    """Arrays of a Box or Dict observation under the keys that `modalities_of` gives its space."""
    if not isinstance(observation, Mapping):
        return {"observation": observation}
    return _flatten("", observation)


def _flatten(prefix: str, tree: Mapping[str, Any]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        flat |= _flatten(f"{prefix}{key}.", value) if isinstance(value, Mapping) else {prefix + key: value}
    return flat


def _leaves(space: spaces.Space[Any]) -> dict[str, spaces.Space[Any]]:
    if not isinstance(space, spaces.Dict):
        return {"observation": space}
    return _nested("", space)


def _nested(prefix: str, space: spaces.Dict) -> dict[str, spaces.Space[Any]]:
    leaves: dict[str, spaces.Space[Any]] = {}
    for key, leaf in space.spaces.items():
        found = _nested(f"{prefix}{key}.", leaf) if isinstance(leaf, spaces.Dict) else {prefix + key: leaf}
        for name in found:
            if name in leaves:
                raise ValueError(f"observation key {name!r} occurs twice once nested keys are joined by dots")
        leaves |= found
    return leaves


def _declared(key: str, space: spaces.Space[Any], rate_hz: float) -> Modality:
    if not isinstance(space, spaces.Box):
        raise ValueError(
            f"observation {key!r} is {space}, not a Box: wrap the environment in "
            f"gymnasium.wrappers.FlattenObservation, or override with a Box-shaped encoding"
        )
    if space.dtype == np.uint8 and len(space.shape) == 3 and space.shape[-1] in IMAGE_CHANNELS:
        return Modality(key, space.shape, rate_hz, ImageConv(), dtype="uint8")
    if np.issubdtype(space.dtype, np.floating) and len(space.shape) == 1:
        low, high = (tuple(side.astype(np.float64).tolist()) for side in (space.low, space.high))
        return Modality(key, space.shape, rate_hz, MLP(), low=low, high=high)
    raise ValueError(
        f"observation {key!r} of shape {space.shape} and dtype {space.dtype} is neither a uint8 "
        f"image (H, W, C) with C in {IMAGE_CHANNELS} nor a vector of floats, and is not guessed: "
        f"pass overrides={{{key!r}: Modality({key!r}, shape=..., history=..., encoder=..., ...)}}"
    )


def _fitting(override: Modality, key: str, space: spaces.Space[Any]) -> Modality:
    if override.name != key:
        raise ValueError(f"override for key {key!r} must have that name, got {override.name!r}")
    if not isinstance(space, spaces.Box):
        raise ValueError(f"observation {key!r} is {space}: only a Box can be overridden")
    if override.window_shape != space.shape:
        raise ValueError(
            f"override for {key!r} observes shape {override.window_shape}, the environment gives {space.shape}"
        )
    if override.dtype == "uint8" and space.dtype != np.uint8:
        raise ValueError(f"override for {key!r} is uint8, the environment gives {space.dtype}")
    return override
