"""A network of the user's own, by its import path."""

import re
from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.settings.documents import fit

_TARGET = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


@dataclass(frozen=True)
class Custom(EncoderSpec):
    """An encoder of the user's own, found by its import path."""

    target: str
    """Import path "package.module:factory"; it takes the Modality and returns the network."""
    features: int = 64
    """Size of the encoding."""

    def __post_init__(self) -> None:
        fit(self, "Custom.")
        if not _TARGET.fullmatch(self.target):
            raise ValueError(f"Custom.target must read 'package.module:factory', got {self.target!r}")
        require_units("Custom.features", (self.features,))

    def check(self, modality: Modality) -> None:
        """Every modality is accepted: only the user's factory knows what it reads."""


register_kind(Kind("custom", Custom, "mmrl.encoders.custom:NETWORKS"))
