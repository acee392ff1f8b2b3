"""Images (H, W, C), looked at closely where something stands out."""

import math
from dataclasses import dataclass

from mmrl.modality.declaration import EncoderSpec, Modality, require_sizes, require_units
from mmrl.modality.kinds import Kind, register_kind
from mmrl.settings.documents import fit


@dataclass(frozen=True)
class GlimpseConv(EncoderSpec):
    """Convolutions over a glimpse of an image: sharp around the place that stands out most, coarser farther off.

    The glimpse is that of Mnih et al., "Recurrent models of visual attention" (NeurIPS 2014): patches of `size` pixels
    a side around one place, each of coarser pixels than the one before and wider by as much. What a network learns of
    one place it knows at every other, as convolutions do, and the layer behind them too. Where it looks is not learned:
    it is where the newest channel differs most from the mean of its picture (Itti, Koch and Niebur 1998 call that
    saliency; here it is of one scale).
    """

    size: int = 16
    """Pixels a side of each patch."""
    scales: tuple[int, ...] = (1, 2, 4)
    """Pixels of the image a side of a pixel of each patch."""
    spot: int = 3
    """Side in pixels of what stands out: over so many, squares of differences are averaged."""
    channels: tuple[int, ...] = (32, 32)
    """Output channels of each convolution."""
    kernels: tuple[int, ...] = (4, 3)
    """Side of each square kernel in pixels of a patch."""
    strides: tuple[int, ...] = (2, 1)
    """Stride of each convolution."""
    features: int = 128
    """Size of the encoding."""
    unit: float | None = None
    """Difference of pixel values that is read as 1; unset is the whole range."""

    def __post_init__(self) -> None:
        fit(self, "GlimpseConv.")
        if self.unit is not None and not 0 < self.unit < math.inf:
            raise ValueError(f"GlimpseConv.unit must be finite and > 0, got {self.unit}")
        require_units("GlimpseConv.size", (self.size,))
        require_units("GlimpseConv.spot", (self.spot,))
        require_sizes("GlimpseConv.scales", self.scales)
        require_units("GlimpseConv.channels", self.channels)
        require_sizes("GlimpseConv.kernels", self.kernels)
        require_sizes("GlimpseConv.strides", self.strides)
        require_units("GlimpseConv.features", (self.features,))
        if self.spot % 2 == 0:
            raise ValueError(f"GlimpseConv.spot must be odd, so that it has a middle, got {self.spot}")
        if not len(self.channels) == len(self.kernels) == len(self.strides):
            raise ValueError(
                "GlimpseConv needs channels, kernels and strides of one length, got "
                f"{self.channels}, {self.kernels} and {self.strides}"
            )
        self._sides()

    def check(self, modality: Modality) -> None:
        if len(modality.shape) != 3 or modality.history is not None:
            raise ValueError(
                f"modality {modality.name!r}: GlimpseConv reads one image (H, W, C) without history, "
                f"got shape {modality.shape} and history {modality.history}"
            )
        low, high = modality.bounds
        if not math.isfinite(float((high - low).max())):
            raise ValueError(f"modality {modality.name!r}: GlimpseConv reads pixels with bounds; declare low and high")
        if min(modality.shape[:2]) < self.spot:
            raise ValueError(
                f"modality {modality.name!r}: what stands out has {self.spot} pixels a side, the image only "
                f"{modality.shape[:2]}; give GlimpseConv a smaller spot"
            )

    @property
    def last_side(self) -> int:
        """Side of the last feature map."""
        return self._sides()

    def _sides(self) -> int:
        side = self.size
        for kernel, stride in zip(self.kernels, self.strides, strict=True):
            if side < kernel:
                raise ValueError(
                    f"GlimpseConv: patches of {self.size} pixels a side are too small for kernels {self.kernels} with "
                    f"strides {self.strides}; give it a larger size"
                )
            side = (side - kernel) // stride + 1
        return side


register_kind(Kind("glimpse", GlimpseConv, "mmrl.encoders.glimpse:NETWORKS"))
