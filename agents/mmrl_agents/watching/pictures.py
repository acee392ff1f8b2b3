"""Senses as pictures to look at."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import Modality
from mmrl_agents.watching.drawings import drawing_of
from mmrl_agents.watching.force_maps import CHANNELS, draw_forces
from mmrl_agents.watching.frames import Picture
from mmrl_agents.watching.panels import Pixels
from mmrl_agents.watching.saliency import overlay


def is_image(sense: Modality) -> bool:
    """Whether the readings of a sense are images."""
    return len(sense.shape) > 1 and drawing_of(sense) is None


def is_shown_as_picture(sense: Modality) -> bool:
    """Whether a reading of a sense is shown as a picture, not as numbers over time."""
    return len(sense.shape) > 1 or sense.as_picture or drawing_of(sense) is not None


def picture_of(
    sense: Modality, observed: NDArray[Any], plugged: bool, heat: NDArray[np.float64] | None = None, note: str = ""
) -> Picture:
    """The newest image of a sense (H, W), (H, W, C) or a history of those, under its heat (H, W) if there is any.

    Three channels are red, green and blue, other numbers frames in grey of which the last is the newest. Integers are
    shown from their lower bound, black, to the upper one, white; floats from the lower bound, white, to the upper
    one, black, so that near is bright in a depth image. Where a bound is infinite the image's own extreme takes its
    place. Newtons are pads, of three channels each: pressure is bright, and shear an arrow. Sets and words are drawn as
    `mmrl_agents.watching.drawings` has it. A window (T, d) that is declared to be a picture is one of d x T pixels, the
    newest reading on the right and the last feature on top.
    """
    if not plugged:
        return Picture(sense.name, None)
    draw = drawing_of(sense)
    if draw is not None:
        return Picture(sense.name, draw(sense, observed), note)
    image = observed.T[::-1] if sense.as_picture else observed if sense.history is None else observed[-1]
    if _is_of_pads(sense):
        pads, brightest = draw_forces(image)
        return Picture(f"{sense.name}, bright is {brightest:.2g} N", pads)
    image = image if image.ndim == 3 else image[..., None]
    rgb = _stretched(image, sense)
    rgb = rgb if rgb.shape[-1] == 3 else np.repeat(rgb[..., -1:], 3, axis=-1)
    return Picture(sense.name, rgb if heat is None else overlay(rgb, heat), note)


def _is_of_pads(sense: Modality) -> bool:
    """Whether what is sensed are forces on the taxels of pads, by the declared units."""
    return set(sense.units) == {"N"} and len(sense.shape) == 3 and sense.shape[2] % CHANNELS == 0


def _stretched(image: NDArray[Any], sense: Modality) -> Pixels:
    """Pixels (H, W, C) as bytes by the bounds of the sense."""
    low, high = (float(bound.flat[0]) for bound in sense.bounds)
    low = low if np.isfinite(low) else float(image.min())
    high = high if np.isfinite(high) else float(image.max())
    extent = max(high - low, 1e-9)
    if image.dtype == np.uint8:
        return np.rint(np.clip((image - low) / extent, 0, 1) * 255).astype(np.uint8)
    return np.clip((high - image) / extent * 255, 0, 255).astype(np.uint8)
