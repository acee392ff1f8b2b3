"""The video file that frames go to."""

import os
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Self, cast

import av
import numpy as np

from mmrl_agents.records.checkpoint import unfinished
from mmrl_agents.watching.panels import Pixels


class VideoWriter:
    """An MP4 file that appears under its name only once it is complete.

    A context manager; an exception inside leaves no file, and an older one of that name untouched.
    H.264 where the encoder is there, else MPEG-4 part 2; an odd size gets its last row or column
    twice, since the chroma planes are half as large.
    """

    def __init__(self, path: Path, fps: float, size: tuple[int, int]) -> None:
        """`size` is (width, height) of the frames to come; raises ValueError unless positive."""
        if fps <= 0 or min(size) < 1:
            raise ValueError(f"fps and size must be positive: {fps} and {size}")
        self.path, self.size = path, size
        self.num_frames = 0
        self._partial = unfinished(path)
        self._container = av.open(str(self._partial), "w", format="mp4", options={"movflags": "faststart"})
        codec, options = _encoder(av.codecs_available)
        rate = Fraction(fps).limit_denominator(1000)
        stream = self._container.add_stream(codec, rate=rate, options=options)
        self._stream = cast(av.VideoStream, stream)
        self._stream.width, self._stream.height = (side + side % 2 for side in size)
        self._stream.pix_fmt = "yuv420p"

    def add(self, frame: Pixels) -> None:
        """Append a frame (height, width, 3); raises ValueError on another shape or type."""
        width, height = self.size
        if frame.shape != (height, width, 3) or frame.dtype != np.uint8:
            raise ValueError(f"a frame must be uint8 of shape {(height, width, 3)}, got {frame.dtype} of {frame.shape}")
        even = np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
        picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(even), format="rgb24")
        self._container.mux(self._stream.encode(picture))
        self.num_frames += 1

    def close(self) -> None:
        """Finish the file and put it in place; raises ValueError where no frame was added."""
        if not self.num_frames:
            self.discard()
            raise ValueError(f"{self.path}: a video needs at least one frame")
        self._container.mux(self._stream.encode(None))
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


def _encoder(available: set[str]) -> tuple[str, dict[str, str]]:
    """The best encoder there is and its settings: sharp enough to read small text."""
    if "libx264" in available:
        return "libx264", {"crf": "18", "preset": "fast"}
    return "mpeg4", {"b": "6M"}
