"""One small network per kind of sense, built from the sense's declaration.

Shapes: B rows, T readings of a window (oldest first), C features of one reading or channels of an
image, H x W pixels, L positions along a convolved window, D = `Encoder.features`, K = `Encoder.tokens`.

An encoder of your own needs a spec: `Custom`, which names a factory, or a subclass of `EncoderSpec`
whose encoder is decorated with `register_encoder`.
"""

from __future__ import annotations

import importlib
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import singledispatch
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from mmrl.image_conv import usual_conv
from mmrl.layers import LEAKY_GAIN, LEAKY_SLOPE, CausalConv, PixelConv, mlp, orthogonal_
from mmrl.modality import MLP, Custom, DifferenceMLP, EncoderSpec, ImageConv, Modality, TemporalConv
from mmrl.normalization import RunningStatistics, make_normalizer

Builder = TypeVar("Builder", bound="Callable[..., Encoder]")


class Encoder(nn.Module, ABC):
    """Turns readings of one sense, (B, *window_shape) in the declared dtype, into (B, features).

    One with `tokens` gives (B, tokens, features) instead, for fusions that ask for it.
    """

    features: int
    tokens: int | None = None

    @property
    def size(self) -> int | tuple[int, int]:
        """Shape of one row of the output: D, or (K, D) for tokens."""
        return self.features if self.tokens is None else (self.tokens, self.features)

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor: ...

    def update_statistics(self, x: Tensor) -> None:
        """Learn the scale of readings (B, *window_shape), if the encoder keeps statistics."""

    def _floats(self, x: Tensor) -> Tensor:
        return x.to(next(self.parameters()).dtype)


@singledispatch
def _build(spec: EncoderSpec, modality: Modality) -> Encoder:
    known = sorted(kind.__name__ for kind in _build.registry if kind is not object)
    raise TypeError(
        f"no encoder for spec {type(spec).__name__} of modality {modality.name!r}; "
        f"known specs: {', '.join(known)} (add one with register_encoder)"
    )


def register_encoder(spec_type: type[EncoderSpec]) -> Callable[[Builder], Builder]:
    """Decorator: build encoders for `spec_type` and its subclasses by calling (spec, modality)."""

    def register(builder: Builder) -> Builder:
        _build.register(spec_type, builder)
        return builder

    return register


def build_encoder(modality: Modality) -> Encoder:
    """The untrained encoder that `modality.encoder` describes; TypeError for an unknown spec."""
    return _build(modality.encoder, modality)


class ImageMaps(Encoder, ABC):
    """Convolutions without padding, each with a ReLU, over one image (H, W, C).

    Bounded pixels are mapped from [low, high] to [-0.5, 0.5], or by `zero` and `unit` of the spec; unbounded ones (a
    depth image without a far limit) are standardised per channel by running statistics. NHWC is the memory order of
    `channels_last` convolutions, so the bytes of a uint8 image are converted but never moved.
    """

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__()
        height, width, channels = modality.shape
        scaling = pixel_scaling(modality, spec.zero, spec.unit)
        self.statistics = None if scaling else RunningStatistics(channels)
        scale, offset = scaling or (np.ones(channels), np.zeros(channels))

        first = nn.Conv2d(channels, spec.channels[0], spec.kernels[0], spec.strides[0])
        layers: list[nn.Module] = [PixelConv(first, scale, offset), nn.ReLU(inplace=True)]
        sizes = itertools.pairwise(spec.channels)
        for size, kernel, stride in zip(sizes, spec.kernels[1:], spec.strides[1:], strict=True):
            convolution = nn.Conv2d(*size, kernel, stride)
            orthogonal_(convolution, math.sqrt(2))
            layers += [convolution, nn.ReLU(inplace=True)]
        self.convolutions = nn.Sequential(*layers)
        nn.utils.convert_conv2d_weight_memory_format(self.convolutions, torch.channels_last)
        self.positions = math.prod(_convolved(side, spec, modality) for side in (height, width))

    def convolve(self, x: Tensor) -> Tensor:
        """(B, H, W, C) -> feature maps (B, channels[-1], H', W') with H' * W' = `positions`."""
        pixels = self._floats(x)
        if self.statistics is not None:
            pixels = self.statistics(pixels)
        maps: Tensor = self.convolutions(pixels.permute(0, 3, 1, 2))  # (B, H, W, C) -> (B, C, H, W)
        return maps

    def update_statistics(self, x: Tensor) -> None:
        if self.statistics is not None:
            self.statistics.update(x)


@register_encoder(ImageConv)
class ImageEncoder(ImageMaps):
    """`ImageMaps` and a linear layer over all positions, with a ReLU."""

    def __init__(self, spec: ImageConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.features = spec.features
        self.linear = nn.Linear(self.positions * spec.channels[-1], spec.features)
        orthogonal_(self.linear, math.sqrt(2))

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.linear(self.convolve(x).flatten(1)))


def pixel_scaling(
    modality: Modality, zero: float | None = None, unit: float | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Scale and offset (C,) that bring the pixels of an image to [-0.5, 0.5]; None where they have no bounds.

    With `zero` that pixel value becomes 0, with `unit` so many steps of it become 1.
    """
    low, high = (bound.astype(np.float64) for bound in modality.bounds)
    low, high = low.min(axis=(0, 1)), high.max(axis=(0, 1))  # (C,)
    if not np.isfinite(high - low).all():
        return None
    scale = np.ones_like(low) / (high - low if unit is None else unit)
    return scale, -scale * ((low + high) / 2 if zero is None else zero)


class CausalWindows(Encoder, ABC):
    """Strided causal convolutions along a window (T, C): the force encoder of Lee et al. (2019).

    The normaliser, then convolutions with a leaky ReLU each. Lee et al. ("Making Sense of Vision and
    Touch", ICRA 2019, and the code released with it) use five convolutions, which leave one position
    of their 32 readings.
    """

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__()
        self.normalizer = make_normalizer(spec.squash, modality.shape[-1])
        length, layers = modality.window_shape[0], list[nn.Module]()
        for size in itertools.pairwise((self.normalizer.features, *spec.channels)):
            layers += [CausalConv(*size, spec.kernel, spec.stride), nn.LeakyReLU(LEAKY_SLOPE, True)]
            length = math.ceil(length / spec.stride)
        self.convolutions = nn.Sequential(*layers)
        self.positions = length

    def convolve(self, x: Tensor) -> Tensor:
        """(B, T, C) -> (B, L, channels[-1]) with L = `positions`.

        Position j before the last depends on no reading among the newest j * stride ** layers.
        """
        positions: Tensor = self.convolutions(self.normalizer(self._floats(x)))
        return positions

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(x)


@register_encoder(TemporalConv)
class CausalTemporalEncoder(CausalWindows):
    """`CausalWindows` and a linear layer over the positions that remain, with a leaky ReLU."""

    def __init__(self, spec: TemporalConv, modality: Modality) -> None:
        super().__init__(spec, modality)
        self.features = spec.features
        self.linear = nn.Linear(self.positions * spec.channels[-1], spec.features)
        orthogonal_(self.linear, LEAKY_GAIN)

    def forward(self, x: Tensor) -> Tensor:
        return functional.leaky_relu(self.linear(self.convolve(x).flatten(1)), LEAKY_SLOPE)


@register_encoder(MLP)
class MLPEncoder(Encoder):
    """Fully connected layers with tanh over a reading (C,), or over a window (T, C) or its last."""

    def __init__(self, spec: MLP, modality: Modality) -> None:
        super().__init__()
        self.features = spec.features
        self.last_only = modality.history is not None and spec.window == "last"
        self.normalizer = make_normalizer(spec.squash, modality.shape[-1])
        readings = 1 if self.last_only else modality.history or 1
        self.layers = mlp((readings * self.normalizer.features, *spec.hidden, spec.features))

    def forward(self, x: Tensor) -> Tensor:
        read = self.normalizer(self._floats(self._read(x)))
        encoding: Tensor = self.layers(read.flatten(1))
        return encoding

    def update_statistics(self, x: Tensor) -> None:
        self.normalizer.update(self._read(x))

    def _read(self, x: Tensor) -> Tensor:
        return x[:, -1] if self.last_only else x


@register_encoder(DifferenceMLP)
class DifferenceEncoder(Encoder):
    """relu(W^T (newest - previous)) of two frames (H, W, 2), in units of the declared range of a pixel.

    Weights start as N(0, 1) / sqrt(H W), as in Karpathy 2016, "Deep Reinforcement Learning: Pong from Pixels".

    From one frame to the next few pixels of a game change. Of integer frames only those are multiplied, which takes a
    quarter of the time of a matrix product where 1 % change and as long as it at 8 %. Frames of floats may need a
    gradient themselves, which every pixel has, and go through the matrix product.
    """

    def __init__(self, spec: DifferenceMLP, modality: Modality) -> None:
        super().__init__()
        self.features = spec.features
        height, width, _ = modality.shape
        low, high = (bound.astype(np.float64) for bound in modality.bounds)
        self.scale = float(1.0 / (high.max() - low.min()))
        # A row per pixel, so that the weights of one pixel lie side by side in memory.
        self.weight = nn.Parameter(torch.randn(height * width, spec.features) / math.sqrt(height * width))

    def forward(self, x: Tensor) -> Tensor:
        previous, newest = x.flatten(1, 2).unbind(-1)  # (B, H, W, 2) -> twice (B, H W)
        if x.is_floating_point():
            return functional.relu(self._floats(newest - previous) * self.scale @ self.weight)
        rows, pixels = (newest != previous).nonzero(as_tuple=True)
        changes = self._floats(newest[rows, pixels]) - self._floats(previous[rows, pixels])
        counts = torch.bincount(rows, minlength=len(x))
        starts = counts.cumsum(0) - counts
        summed = functional.embedding_bag(
            pixels, self.weight, starts, mode="sum", per_sample_weights=changes * self.scale
        )
        return functional.relu(summed)


@register_encoder(Custom)
def build_custom(spec: Custom, modality: Modality) -> Encoder:
    """Import and call the user's factory, and try its network on two rows of zeros.

    Raises ValueError naming the target where nothing can be imported under it or where the network
    does not return (2, features); an error inside the user's code passes through with a note.
    """
    module_name, _, factory_name = spec.target.partition(":")
    try:
        factory = getattr(importlib.import_module(module_name), factory_name)
    except (ImportError, AttributeError) as error:
        raise ValueError(f"modality {modality.name!r}: cannot import encoder {spec.target!r}: {error}") from error
    try:
        network = factory(modality)
        _check_network(network, spec, modality)
    except Exception as error:
        error.add_note(f"in the custom encoder {spec.target!r} of modality {modality.name!r}")
        raise
    return network if isinstance(network, Encoder) else _CustomEncoder(network, spec.features)


class _CustomEncoder(Encoder):
    def __init__(self, network: nn.Module, features: int) -> None:
        super().__init__()
        self.network = network
        self.features = features

    def forward(self, x: Tensor) -> Tensor:
        encoding: Tensor = self.network(x)
        return encoding


def _check_network(network: object, spec: Custom, modality: Modality) -> None:
    if not isinstance(network, nn.Module):
        raise ValueError(f"{spec.target!r} must return a torch.nn.Module, got {network!r}")
    dummy = torch.as_tensor(np.zeros((2, *modality.window_shape), modality.dtype))
    training = network.training
    with torch.no_grad():
        output = network.eval()(dummy)
    network.train(training)
    if not isinstance(output, Tensor) or output.shape != (2, spec.features):
        got = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
        raise ValueError(f"{spec.target!r} must map {tuple(dummy.shape)} to (2, {spec.features}), got {got}")


def _convolved(side: int, spec: ImageConv, modality: Modality) -> int:
    """Side of the last feature map of an image side in pixels."""
    for kernel, stride in zip(spec.kernels, spec.strides, strict=True):
        if side < kernel:
            fits = usual_conv(*modality.shape[:2])
            raise ValueError(
                f"modality {modality.name!r}: an image {modality.shape} is too small for kernels {spec.kernels} with "
                f"strides {spec.strides}; give its ImageConv smaller ones, such as channels {fits.channels}, kernels "
                f"{fits.kernels} and strides {fits.strides}; in a run with --modalities {modality.name}.kernels=..."
            )
        side = (side - kernel) // stride + 1
    return side
