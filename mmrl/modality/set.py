"""Sets of elements in no order (K, d + 1), some of which may be missing."""

from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.modality.vector import Squash, require_scales, require_scales_fit
from mmrl.settings.documents import fit


@dataclass(frozen=True)
class DeepSets(EncoderSpec):
    """The same layers for each element of a set (K, d + 1), the largest of what they give, and one layer over that.

    The last feature of an element is 1 where the element exists and 0 where it is missing; whatever else a missing one
    holds changes nothing, nor does the order of the elements. Zaheer et al. 2017, "Deep Sets", eq. 4, with the maximum
    of Qi et al. 2017, "PointNet", in place of the sum.
    """

    hidden: tuple[int, ...] = (64, 64)
    """Sizes of the layers that read an element; each ends in a ReLU. The last is the size of a token."""
    features: int = 64
    """Size of the encoding."""
    squash: Squash = ()
    """Scales s of the inputs tanh(s x), side by side, a number or one for each of the d features of an element; empty
    for x by its running mean and deviation."""

    def __post_init__(self) -> None:
        fit(self, "DeepSets.")
        require_units("DeepSets.hidden", self.hidden)
        require_units("DeepSets.features", (self.features,))
        require_scales("DeepSets.squash", self.squash)

    def check(self, modality: Modality) -> None:
        sets = len(modality.shape) == 2 and modality.shape[1] >= 2
        if not sets or modality.history is not None or modality.dtype != "float32":
            raise ValueError(
                f"modality {modality.name!r}: DeepSets reads float32 sets (K, d + 1) without history, the last feature "
                f"of an element saying whether it exists, got shape {modality.shape} of {modality.dtype} and history "
                f"{modality.history}"
            )
        require_scales_fit("DeepSets.squash", self.squash, modality.name, modality.shape[1] - 1)


register_kind(Kind("set", DeepSets, "mmrl.encoders.set:NETWORKS"))
