"""The kinds of senses there are: each is declared here without torch, and names the module that holds its networks.

A kind is one word in two rooms: `mmrl/modality/<kind>.py` declares it, `mmrl/encoders/<kind>.py` has its networks. A
kind of your own is a spec, a subclass of `EncoderSpec`, and one call of `register_kind`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mmrl.modality.declaration import EncoderSpec
from mmrl.modality.space_reading import Space, SpaceReader, Unreadable

IGNORE = "ignore"
"""The word for an entry of an observation space that no policy shall see."""


@dataclass(frozen=True)
class Kind:
    """A kind of sense."""

    name: str
    """Its word, such as "image"."""
    spec: type[EncoderSpec]
    """The class that declares a sense of this kind, and how it is encoded; subclasses of it are of the same kind."""
    networks: str
    """Where its `mmrl.encoders.Networks` are, as "module:NAME"; imported when a network is built."""
    readers: Mapping[str, SpaceReader] = field(default_factory=dict)
    """Ways to read an entry of another package's observation space as such a sense, by the word that asks for it."""


KINDS: dict[str, Kind] = {}
"""Kinds by their names, in the order of their registration."""


def register_kind(kind: Kind) -> None:
    """Let senses be of this kind. ValueError where its name, its spec or the word of a reader is taken."""
    for name, other in KINDS.items():
        shared = [word for word in (*kind.readers, IGNORE) if word in other.readers]
        if name == kind.name or other.spec is kind.spec or shared:
            what = f"the reader {shared[0]!r}" if shared else f"the name and spec ({kind.name}, {kind.spec.__name__})"
            raise ValueError(f"kind {kind.name!r}: {what} must differ from those of kind {name!r}")
    KINDS[kind.name] = kind


def kind_of(spec: EncoderSpec) -> Kind:
    """The kind that a spec is of; TypeError, listing the known specs, where it is of none."""
    kinds = {kind.spec: kind for kind in KINDS.values()}
    for base in type(spec).__mro__:
        if base in kinds:
            return kinds[base]
    raise TypeError(f"{type(spec).__name__} is no spec of a registered kind; known specs: {', '.join(sorted(specs()))}")


def specs() -> dict[str, type[EncoderSpec]]:
    """The specs of all kinds by their names, such as "ImageConv"."""
    return {kind.spec.__name__: kind.spec for kind in KINDS.values()}


def readers() -> dict[str, SpaceReader]:
    """The ways to read an entry of an observation space, of all kinds, by the words that ask for them."""
    return {word: reader for kind in KINDS.values() for word, reader in kind.readers.items()}


def certain_word(space: Space) -> str | None:
    """The word of the only way in which a space can be meant; None where somebody has to say."""
    return next((word for word, reader in readers().items() if reader.certain(space)), None)


def able_words(space: Space) -> list[str]:
    """The words of all ways in which a space could be read."""
    return [word for word, reader in readers().items() if _reads(reader, space)]


def _reads(reader: SpaceReader, space: Space) -> bool:
    try:
        reader.read(space)
    except Unreadable:
        return False
    return True
