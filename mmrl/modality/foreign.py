"""The senses of foreign Gymnasium environments, declared from their observation spaces."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, Modality
from mmrl.modality.kinds import IGNORE, able_words, certain_word, readers, specs
from mmrl.modality.space_reading import Reading, Space, Unreadable
from mmrl.settings.documents import build

Override = Modality | Mapping[str, Any]
"""How a key is to be read: its declaration, or settings of it such as {"kind": "window", "features": 32}."""

NO_OVERRIDES: Mapping[str, Override] = MappingProxyType({})

_OF_THE_KEY = ("kind", "encoder", "rate_hz", "units", "labels")
"""Settings of a key that are not options of its encoder; `unit` is one of ImageConv."""


@dataclass(frozen=True, eq=False)
class ForeignSense:
    """A sense, and where in an observation it stands and how it is taken from there."""

    modality: Modality
    path: tuple[Any, ...]
    """Keys of the nested Dicts that lead to it; () where the observation is no Dict."""
    reading: Reading

    def read(self, observation: Any) -> NDArray[Any]:
        """The reading (*window_shape) in an observation of the environment, an array of its own.

        Many environments give one array again and again and write into it. ValueError where the observation lacks the
        sense or gives another shape than its space declares.
        """
        for key in self.path:
            if not isinstance(observation, Mapping) or key not in observation:
                raise ValueError(f"the observation has no {self.modality.name!r}, which its space declares")
            observation = observation[key]
        try:
            return np.array(self.reading.convert(observation))
        except (ValueError, TypeError, IndexError) as error:
            raise ValueError(f"observation {self.modality.name!r} is not as its space declares it: {error}") from error


def foreign_senses(
    space: Space, *, rate_hz: float = 1.0, overrides: Mapping[str, Override] = NO_OVERRIDES
) -> dict[str, ForeignSense]:
    """The senses in the observation space of a foreign Gymnasium environment, and how they are read.

    A lone space becomes the one sense "observation"; a Dict one sense per key, nested keys joined by dots, characters
    that no name may have replaced by "_". Only what leaves no doubt is declared: uint8 images (H, W, C) of 1, 3 or 4
    channels or stacks (T, H, W, C) of them, vectors of floats, and choices (one-hot). For any other key give
    `overrides[name]`: a Modality of the shape that the environment gives, or settings as docs/foreign.md lists them.

    Raises ValueError where an override is missing, does not fit its space or matches no key.
    """
    leaves = _leaves(space)
    for name in overrides:
        if name not in leaves:
            raise ValueError(f"override for unknown key {name!r}; known keys: {', '.join(leaves)}")
    senses = {
        name: _sense(name, path, leaf, overrides.get(name, {}), rate_hz)
        for name, (path, leaf) in leaves.items()
        if not _is_ignored(overrides.get(name, {}))
    }
    if not senses:
        raise ValueError(f"nothing is left to observe: all of {', '.join(leaves) or 'no keys'} is ignored")
    return senses


def modalities_of(
    space: Space, *, rate_hz: float = 1.0, overrides: Mapping[str, Override] = NO_OVERRIDES
) -> dict[str, Modality]:
    """The declarations of `foreign_senses` alone."""
    return {name: sense.modality for name, sense in foreign_senses(space, rate_hz=rate_hz, overrides=overrides).items()}


def with_encoders(
    modalities: Mapping[str, Modality], overrides: Mapping[str, Mapping[str, Any]]
) -> dict[str, Modality]:
    """Senses that declare themselves, with the encoders that settings by name ask for.

    `encoder` names another one; all else are fields of it, those not given as declared. Raises ValueError for a sense,
    an encoder or a field that there is not.
    """
    for name in overrides:
        if name not in modalities:
            raise ValueError(f"no sense {name!r}; there are {', '.join(modalities)}")
    encoders = {name: _encoder_over(name, modalities[name].encoder, override) for name, override in overrides.items()}
    return {name: replace(sense, encoder=encoders.get(name, sense.encoder)) for name, sense in modalities.items()}


def _encoder_over(name: str, declared: EncoderSpec, override: Mapping[str, Any]) -> EncoderSpec:
    """The declared encoder with other fields, or another one."""
    for setting in ("kind", "rate_hz"):
        if setting in override:
            raise ValueError(f"{name}.{setting} cannot be set: the environment declares this sense itself")
    if override.get("encoder", type(declared).__name__) != type(declared).__name__:
        return _encoder(name, override, declared)
    kept = {field.name: getattr(declared, field.name) for field in fields(declared)}
    return _encoder(name, {**kept, **override}, declared)


class DeclaredSenses(gym.ObservationWrapper[Any, Any, Any]):
    """A foreign environment whose observation is a dict: name of a declared sense -> array (*window_shape)."""

    def __init__(self, env: gym.Env[Any, Any], overrides: Mapping[str, Override] = NO_OVERRIDES) -> None:
        """Raises ValueError where the observation space leaves a doubt that `overrides` do not settle."""
        super().__init__(env)
        self._senses = foreign_senses(env.observation_space, overrides=overrides)
        self.modalities = {name: sense.modality for name, sense in self._senses.items()}
        self.observation_space = spaces.Dict({name: modality.space for name, modality in self.modalities.items()})

    def observation(self, observation: Any) -> dict[str, NDArray[Any]]:
        """The senses in an observation of the environment."""
        return {name: sense.read(observation) for name, sense in self._senses.items()}


def overrides_from(settings: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Settings by key from what a command line or a config gives: {"force.kind": "window"}, or nested mappings.

    The last dot divides, since names of nested keys have dots of their own. Raises ValueError for a word without one.
    """
    overrides: dict[str, dict[str, Any]] = {}
    for word, value in settings.items():
        if isinstance(value, Mapping):
            overrides.setdefault(word, {}).update(value)
            continue
        name, _, option = word.rpartition(".")
        if not name:
            raise ValueError(f"the reading of a key is set by NAME.OPTION=VALUE, got {word}={value}")
        overrides.setdefault(name, {})[option] = value
    return overrides


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


def _leaves(space: Space) -> dict[str, tuple[tuple[Any, ...], Space]]:
    """Name -> keys that lead to it and the space there."""
    leaves: dict[str, tuple[tuple[Any, ...], Space]] = {}
    for path, leaf in _paths((), space):
        name = ".".join(map(_identifier, path)) or "observation"
        if name in leaves:
            raise ValueError(f"observation key {name!r} occurs twice once nested keys are joined by dots")
        leaves[name] = (path, leaf)
    return leaves


def _paths(prefix: tuple[Any, ...], space: Space) -> list[tuple[tuple[Any, ...], Space]]:
    if not isinstance(space, spaces.Dict):
        return [(prefix, space)]
    return [found for key, leaf in space.spaces.items() for found in _paths((*prefix, key), leaf)]


def _identifier(key: Any) -> str:
    """A key as a name may have it: letters, digits, underscores and dots, no digit first."""
    words = re.sub(r"[^\w.]", "_", str(key), flags=re.ASCII).split(".")
    return ".".join(re.sub(r"^(?=\d|$)", "_", word) for word in words)


def _is_ignored(override: Override) -> bool:
    return isinstance(override, Mapping) and override.get("kind") == IGNORE


def _sense(name: str, path: tuple[Any, ...], leaf: Space, override: Override, rate_hz: float) -> ForeignSense:
    if isinstance(override, Modality):
        return ForeignSense(_fitting(override, name, leaf), path, _as_it_is(override))
    kind, known = override.get("kind") or certain_word(leaf), readers()
    if kind is None:
        raise ValueError(_doubt(name, leaf))
    if kind not in known:
        raise ValueError(f"observation {name!r}: no kind {kind!r}; there are {', '.join((*known, IGNORE))}")
    try:
        reading = known[kind].read(leaf)
    except Unreadable as error:
        raise ValueError(f"observation {name!r}: kind {kind!r} {error}") from error
    modality = Modality(
        name,
        reading.shape,
        float(override.get("rate_hz", rate_hz)),
        _encoder(name, override, reading.encoder),
        history=reading.history,
        low=reading.low,
        high=reading.high,
        dtype=reading.dtype,
        unit=units if isinstance(units := override.get("units", ""), str) else tuple(units),
        labels=(labels,) if isinstance(labels := override.get("labels", ()), str) else tuple(labels),
    )
    return ForeignSense(modality, path, reading)


def _encoder(name: str, override: Mapping[str, Any], usual: EncoderSpec) -> EncoderSpec:
    """The encoder that settings choose, and its options, which are all the settings that are not of the key."""
    known_specs = {**specs(), type(usual).__name__: type(usual)}
    chosen = override.get("encoder", type(usual).__name__)
    if chosen not in known_specs:
        raise ValueError(f"observation {name!r}: no encoder {chosen!r}; there are {', '.join(sorted(specs()))}")
    options = {key: value for key, value in override.items() if key not in _OF_THE_KEY}
    known = [field.name for field in fields(known_specs[chosen])]
    for option in options:
        if option not in known:
            listed = ", ".join((*_OF_THE_KEY, *known))
            raise ValueError(f"observation {name!r} has no setting {option!r}; with {chosen} there are {listed}")
    # What is left open stays as it suits the space, such as convolutions for a small image.
    given = vars(usual) if chosen == type(usual).__name__ else {}
    return build(known_specs[chosen], {**given, **options}, f"{name}.")


def _doubt(name: str, space: Space) -> str:
    """Why a space is not declared, and how to say what it is."""
    able = able_words(space)
    if not able:
        return (
            f"observation {name!r} is {space}, which no sense can be read from: turn it into a Box with gymnasium."
            f"wrappers.TransformObservation, or override it with --modalities {name}.kind={IGNORE} to leave it out"
        )
    what = f"of shape {space.shape} and dtype {space.dtype}" if isinstance(space, spaces.Box) else f"of {space}"
    ways = ", ".join(f"{name}.kind={kind}" for kind in (*able, IGNORE))
    return (
        f"observation {name!r} {what} may mean several things and is not guessed: override it, on the command line "
        f"with one of --modalities {ways}; in Python with overrides={{{name!r}: Modality(...)}}"
    )


def _fitting(override: Modality, key: str, space: Space) -> Modality:
    if override.name != key:
        raise ValueError(f"override for key {key!r} must have that name, got {override.name!r}")
    if not isinstance(space, spaces.Box):
        raise ValueError(f"observation {key!r} is {space}: only a Box can be overridden by a Modality")
    if override.window_shape != space.shape:
        raise ValueError(
            f"override for {key!r} observes shape {override.window_shape}, the environment gives {space.shape}"
        )
    if override.dtype == "uint8" and space.dtype != np.uint8:
        raise ValueError(f"override for {key!r} is uint8, the environment gives {space.dtype}")
    return override


def _as_it_is(modality: Modality) -> Reading:
    def convert(value: Any) -> NDArray[Any]:
        return np.asarray(value, dtype=modality.dtype)

    return Reading(modality.shape, convert, modality.encoder, modality.history, modality.dtype)
