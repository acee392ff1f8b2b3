"""Numbers that are read as they are, such as a state that a simulator gives a critic."""

from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality
from mmrl.modality.kinds import Kind, register_kind


@dataclass(frozen=True)
class Unencoded(EncoderSpec):
    """No layer at all: all numbers of a reading or a window side by side, by their running mean and deviation."""

    def check(self, modality: Modality) -> None:
        """Every modality will do."""


register_kind(Kind("unencoded", Unencoded, "mmrl.encoders.unencoded:NETWORKS"))
