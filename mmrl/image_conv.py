"""The convolutions that an image gets where nobody chose any, by its size."""

from __future__ import annotations

from mmrl.modality import ImageConv

# By the smallest side in pixels that they can read, largest first.
_LADDER = (
    (36, ImageConv(channels=(16, 32, 32), kernels=(8, 4, 3), strides=(4, 2, 1))),
    (9, ImageConv(channels=(16, 32, 32), kernels=(3, 3, 3), strides=(1, 2, 1))),
    (5, ImageConv(channels=(16, 32), kernels=(3, 3), strides=(1, 1))),
    (3, ImageConv(channels=(32,), kernels=(3,), strides=(1,))),
    (1, ImageConv(channels=(32,), kernels=(1,), strides=(1,))),
)


def usual_conv(height: int, width: int) -> ImageConv:
    """Strided convolutions where there are pixels enough, fine ones for a small image, fewer for a tiny one."""
    return next(conv for least, conv in _LADDER if min(height, width) >= least)
