"""Pictures of a camera as a video, which is not exact.

H x W is the size of a picture.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import av
import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.files import read_regular, write_atomically

CODEC, PIXELS = "libvpx-vp9", "yuv420p"
"""Plays in every browser, and is free of the GPL."""
_OPTIONS: Mapping[str, str] = MappingProxyType({"crf": "20", "b": "0", "deadline": "good", "cpu-used": "4", "g": "2"})
"""Every other picture is complete in itself, so that any of them is found at once, as lerobot's videos have it."""


def write_video(path: Path, pictures: Iterable[NDArray[np.uint8]], fps: float) -> None:
    """Write pictures (H, W, 3), H and W even, to a file that appears whole."""
    stream = io.BytesIO()
    with av.open(stream, "w", format="mp4") as container:
        coded: av.VideoStream | None = None
        for pixels in pictures:
            if coded is None:
                rate = Fraction(fps).limit_denominator(1000)
                coded = cast(av.VideoStream, container.add_stream(CODEC, rate=rate, options=dict(_OPTIONS)))
                coded.height, coded.width = pixels.shape[:2]
                coded.pix_fmt = PIXELS
            container.mux(coded.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")))
        if coded is not None:
            container.mux(coded.encode(None))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(stream.getvalue()))


def read_video(path: Path, begin_s: float, count: int, fps: float, size: tuple[int, ...]) -> NDArray[np.uint8]:
    """The pictures (count, H, W, 3) of this size (H, W) from an instant on.

    The file may be anybody's: it is read as MP4 and nothing else, since other formats name files.

    Raises OSError where there is no such file, ValueError for one that is no such video or ends before.
    """
    pictures: list[NDArray[np.uint8]] = []
    first = round(begin_s * fps)
    try:
        with av.open(io.BytesIO(read_regular(path)), "r", format="mp4") as container:
            stream = container.streams.video[0]
            if (stream.height, stream.width) != size or stream.time_base is None:
                raise ValueError(f"{path} has pictures of {stream.height} x {stream.width}, not {size[0]} x {size[1]}")
            container.seek(int(begin_s / stream.time_base), stream=stream)
            for frame in container.decode(stream):
                if frame.time is not None and round(frame.time * fps) >= first:
                    pictures.append(frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False))
                if len(pictures) == count:
                    return np.stack(pictures)
    except (av.FFmpegError, IndexError, MemoryError) as error:
        raise ValueError(f"{path} is no video that can be read: {error}") from error
    raise ValueError(f"{path} has {len(pictures)} pictures from {begin_s:g} s on, not {count}")


def described(shape: tuple[int, ...], fps: float) -> dict[str, Any]:
    """The words of a video of pictures (H, W, 3) in info.json, as lerobot has them."""
    height, width, channels = shape
    return {
        "video.height": height,
        "video.width": width,
        "video.channels": channels,
        "video.codec": "vp9",
        "video.pix_fmt": PIXELS,
        "video.fps": fps,
        "video.is_depth_map": False,
        "has_audio": False,
    }
