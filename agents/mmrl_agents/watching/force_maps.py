"""Maps of forces on soft pads as pictures: pressure by brightness, shear by arrows.

Letters: k = taxels to a side.
"""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from mmrl_agents.watching.panels import Pixels

CHANNELS = 3
"""Of a pad: the force that presses, and the shears along x and y."""
SIDE = 192
"""Pixels of the longer side of a picture."""
LEAST_N = 0.002
"""Force of a taxel in newtons that is drawn in the brightest colour at least, so that noise is not blown up."""
_LONGEST, _ROOM = 0.9, 12  # length of the longest arrow as a share of what it has room for, which is so many pixels
# Of matplotlib's viridis, dark to bright: read alike by colour-blind people.
_COLOURS = np.array([(68, 1, 84), (59, 82, 139), (33, 145, 140), (94, 201, 98), (253, 231, 37)], np.float64)


def draw_forces(forces: NDArray[np.float32]) -> tuple[Pixels, float]:
    """A picture of pads of (k, k, 3 pads) newtons, side by side, x to the right, y up; and its brightest force."""
    pads = np.split(forces, forces.shape[2] // CHANNELS, axis=2)
    brightest = max(LEAST_N, float(max(pad[..., 0].max() for pad in pads)))
    taxel = max(1, SIDE // (len(pads) * forces.shape[1]))
    pictures = [_pad(pad[::-1], brightest, taxel) for pad in pads]
    return np.concatenate(pictures, axis=1), brightest


def _pad(forces: NDArray[np.float32], brightest: float, taxel: int) -> Pixels:
    """One pad, its first row at the top, each taxel so many pixels wide."""
    share = np.clip(forces[..., 0] / brightest, 0.0, 1.0) * (len(_COLOURS) - 1)
    colours = np.stack([np.interp(share, np.arange(len(_COLOURS)), channel) for channel in _COLOURS.T], axis=2)
    image = Image.fromarray(np.rint(colours).astype(np.uint8)).resize(
        (forces.shape[1] * taxel, forces.shape[0] * taxel), Image.Resampling.NEAREST
    )
    _draw_arrows(ImageDraw.Draw(image), forces[..., 1:], taxel)
    return np.asarray(image)


def _draw_arrows(draw: ImageDraw.ImageDraw, shear: NDArray[np.float32], taxel: int) -> None:
    """A line from the middle of a taxel that is dragged, a dot at its head; of every taxel where there is room."""
    largest = max(LEAST_N / 2, float(np.hypot(shear[..., 0], shear[..., 1]).max()))
    every = -(-_ROOM // taxel)
    shown = np.hypot(shear[..., 0], shear[..., 1]) > 0.05 * largest
    for row, column in every * np.argwhere(shown[::every, ::every]):
        x, y = (column + 0.5) * taxel, (row + 0.5) * taxel
        right, up = shear[row, column] / largest * _LONGEST * taxel * every
        draw.line((x, y, x + right, y - up), fill=(255, 255, 255))
        draw.rectangle((x + right - 1, y - up - 1, x + right + 1, y - up + 1), fill=(255, 255, 255))
