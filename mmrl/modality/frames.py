"""Two frames of a game (H, W, 2): what changed between them."""

from dataclasses import dataclass

import numpy as np

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.settings.documents import fit


@dataclass(frozen=True)
class DifferenceMLP(EncoderSpec):
    """One layer without bias over what changed from the previous to the newest of two frames (H, W, 2)."""

    features: int = 200
    """Size of the encoding, the number of hidden units of the layer."""

    def __post_init__(self) -> None:
        fit(self, "DifferenceMLP.")
        require_units("DifferenceMLP.features", (self.features,))

    def check(self, modality: Modality) -> None:
        name = f"modality {modality.name!r}"
        if len(modality.shape) != 3 or modality.shape[2] != 2 or modality.history is not None:
            raise ValueError(
                f"{name}: DifferenceMLP reads the previous and the newest frame (H, W, 2) without history, "
                f"got shape {modality.shape} and history {modality.history}"
            )
        if not np.isfinite([*np.ravel(modality.low), *np.ravel(modality.high)]).all():
            raise ValueError(
                f"{name}: DifferenceMLP counts changes in units of high - low and needs both declared, "
                f"got low {modality.low} and high {modality.high}"
            )


register_kind(Kind("frames", DifferenceMLP, "mmrl.encoders.frames:NETWORKS"))
