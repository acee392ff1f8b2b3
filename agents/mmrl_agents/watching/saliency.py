"""Which pixels move a decision, and how that is drawn over a picture.

B rows, T readings of a window, images of H x W pixels and C channels.
"""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import gaussian_filter

from mmrl.inputs import Inputs, Presence
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.watching.panels import Pixels

# Standard deviation in pixels: a convolution's gradient is ragged from one pixel to the next.
_BLUR = 1.0
# What is drawn as the most: of 84 x 84 pixels 14 have a larger gradient.
_PERCENTILE = 99.8
# How far two passes may differ by rounding, in probability.
_TOLERANCE = 1e-2
# Share of the heat's colour where it is largest, and of the grey below it, so that each can be seen through the other.
_OPAQUE, _DIMMED = 0.7, 0.75

_WITHOUT = "it has no saliency, watch it with --no-saliency"


def pixel_gradients(
    policy: ActorCritic,
    obs: Inputs,
    action: torch.Tensor,
    senses: Sequence[str],
    present: Presence | None = None,
) -> dict[str, torch.Tensor]:
    """|d log p(action) / d pixel| of the named image senses, (B, *window_shape), zero where nothing depends on a pixel.

    The class saliency of Simonyan, Vedaldi & Zisserman 2013, "Deep Inside Convolutional Networks", sec. 3, for the
    log-probability of the action (B,). Integers are handed to the network as floats, since only those have a
    gradient; ValueError where a network decides otherwise then.
    """
    pixels = {name: obs[name].to(torch.float32, copy=True).requires_grad_() for name in senses}
    with torch.no_grad():
        decided: torch.Tensor = policy.distribution(obs, present).log_prob(action)
    named = ", ".join(map(repr, senses))
    try:
        log_prob: torch.Tensor = policy.distribution({**obs, **pixels}, present).log_prob(action)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"the network does not read {named} as floats ({error}): {_WITHOUT}") from error
    if (log_prob.detach().exp() - decided.exp()).abs().max() > _TOLERANCE:
        raise ValueError(f"the network decides otherwise where it gets {named} as floats: {_WITHOUT}")
    gradients = torch.autograd.grad(log_prob.sum(), list(pixels.values()), allow_unused=True, materialize_grads=True)
    return {name: gradient.abs() for name, gradient in zip(pixels, gradients, strict=True)}


def heat_of(gradients: NDArray[np.floating]) -> NDArray[np.float64]:
    """Magnitudes (T, H, W, C) as heat (H, W) from 0 to 1: the largest over time and channels, blurred a little.

    1 stands for a high percentile of the image rather than its maximum, which a single pixel decides. Zero where all
    gradients vanish.
    """
    largest = gradients.max(axis=(0, 3)).astype(np.float64)
    blurred: NDArray[np.float64] = gaussian_filter(largest, _BLUR, mode="nearest")
    # Where hardly a pixel counts, the percentile is zero.
    high = np.percentile(blurred, _PERCENTILE) or blurred.max()
    return np.clip(blurred / high, 0, 1) if high > 0 else blurred


def overlay(pixels: Pixels, heat: NDArray[np.float64]) -> Pixels:
    """A picture (H, W, 3) in grey under its heat (H, W), from red to yellow."""
    grey = np.asarray(Image.fromarray(pixels).convert("L"), np.float64)[..., None] * _DIMMED
    colour = np.stack([np.full_like(heat, 255), 225 * heat, np.zeros_like(heat)], axis=-1)
    share = _OPAQUE * heat[..., None]
    return np.rint((1 - share) * grey + share * colour).astype(np.uint8)
