"""The video file that frames go to."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import av
import numpy as np
from numpy.typing import NDArray

from mmrl_agents.records.files import unfinished
from mmrl_agents.watching.palette import Palette
from mmrl_agents.watching.panels import Pixels
from mmrl_agents.watching.soundtrack import SoundTrack

ENDINGS: Mapping[str, str] = {".mp4": "mp4", ".webm": "webm", ".gif": "gif"}
"""Endings of a film's name, and FFmpeg's name of each format."""
_FASTEST_GIF = 50.0


def film_format(path: Path) -> str:
    """FFmpeg's name of the format that a film's name asks for.

    Raises:
        ValueError: the name ends in none of `ENDINGS`.
    """
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise ValueError(f"the name of a film ends in {', '.join(ENDINGS)}, got {path.name!r}")
    return ENDINGS[ending]


@dataclass(frozen=True)
class VideoEncoder:
    """A way to encode frames, free of the GPL."""

    name: str
    """FFmpeg's name of it."""
    pixels: str
    """FFmpeg's name of the layout of pixels that it takes."""
    options: dict[str, str] = field(default_factory=dict)
    """Its settings: sharp enough to read small text."""


# VP9 plays in every present browser. Film of 100 frames (960 x 540) of the peg, on a core: 0.75 s and 0.30 MB at a
# PSNR of 37.8 dB; libx264, which is GPL: 1.4 s, 0.22 MB, 38.0 dB; MPEG-4: 0.3 s, 1.1 MB, 37.7 dB, in no browser.
VP9 = VideoEncoder(
    "libvpx-vp9", "yuv420p", {"crf": "24", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
)
_MPEG4 = VideoEncoder("mpeg4", "yuv420p", {"b": "6M"})
_GIF = VideoEncoder("gif", "pal8")


class VideoWriter:
    """A film that appears under its name only once it is complete, of the format that its name ends in.

    A context manager; an exception inside leaves no file, and an older one of that name untouched.
    VP9 where the encoder is there, else MPEG-4 part 2, or a GIF; an odd size gets its last row or
    column twice, since the chroma planes are half as large.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int], sound_hz: float | None = None) -> None:
        """`size` is (width, height) of the frames to come, `sound_hz` the samples of sound a second, if there is any.

        A GIF has no sound: what is given to one is left out.

        Raises ValueError unless both are positive, for an ending that is none of `ENDINGS`, for a GIF of more than
        50 frames per second, and for a .webm where FFmpeg has no VP9.
        """
        if fps <= 0 or min(size) < 1:
            raise ValueError(f"fps and size must be positive: {fps} and {size}")
        container = film_format(path)
        if container == "gif" and fps > _FASTEST_GIF:
            raise ValueError(f"a GIF shows at most {_FASTEST_GIF:g} frames per second, got {fps:g}: set fps")
        encoder = _encoder(container, av.codecs_available)
        self.path, self.size = path, size
        self.num_frames = 0
        self._partial = unfinished(path)
        movflags = {"movflags": "faststart"} if container == "mp4" else {}
        self._container = av.open(str(self._partial), "w", format=container, options=movflags)
        rate = Fraction(fps).limit_denominator(1000)
        stream = self._container.add_stream(encoder.name, rate=rate, options=encoder.options)
        self._stream = cast(av.VideoStream, stream)
        width, height = (side + side % 2 for side in size)
        self._stream.width, self._stream.height = width, height
        self._stream.pix_fmt = encoder.pixels
        self._palette = Palette((width, height), rate) if container == "gif" else None
        self._sound = None if sound_hz is None or container == "gif" else SoundTrack(self._container, sound_hz)

    def add(self, frame: Pixels, sound: NDArray[np.floating[Any]] | None = None) -> None:
        """Append a frame (height, width, 3) and its sound, (samples,); raises ValueError on another shape or type."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 of shape {(height, width, 3)}, got {frame.dtype} of {frame.shape}")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        for ready in self._prepared(picture):
            self._container.mux(self._stream.encode(ready))
        if self._sound is not None and sound is not None:
            self._sound.add(sound)
        self.num_frames += 1

    def _prepared(self, picture: av.VideoFrame | None) -> Iterable[av.VideoFrame]:
        if self._palette is not None:
            return self._palette.reduce(picture)
        return () if picture is None else (picture,)

    def close(self) -> None:
        """Finish the file and put it in place; raises ValueError where no frame was added."""
        if not self.num_frames:
            self.discard()
            raise ValueError(f"{self.path}: a video needs at least one frame")
        for ready in self._prepared(None):
            self._container.mux(self._stream.encode(ready))
        self._container.mux(self._stream.encode(None))
        if self._sound is not None:
            self._sound.close()
        self._container.close()
        os.replace(self._partial, self.path)

    def discard(self) -> None:
        """Throw away what was written."""
        self._container.close()
        self._partial.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _encoder(container: str, available: set[str]) -> VideoEncoder:
    if container == "gif":
        return _GIF
    if VP9.name in available:
        return VP9
    if container == "webm":
        raise ValueError("a .webm holds VP9, which this FFmpeg cannot encode: let the name end in .mp4")
    return _MPEG4
