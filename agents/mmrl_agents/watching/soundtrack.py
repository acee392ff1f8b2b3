"""The sound track of a film."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import av
import numpy as np
from av.container import OutputContainer
from numpy.typing import NDArray

LOUD = 1.0
"""Velocity in m/s that is as loud as a sample can be: a hard tap on a thin plate."""
_OPUS, _AAC = "libopus", "aac"  # Opus plays wherever VP9 does; neither is under the GPL
_FILM_HZ = 48_000


class SoundTrack:
    """One channel of sound, encoded as it comes.

    Args:
        container: the film; no frame of it has been encoded yet.
        rate_hz: samples per second of the sound to come, fewer than were recorded in slow motion.
    """

    def __init__(self, container: OutputContainer, rate_hz: float) -> None:
        codec = _OPUS if _OPUS in av.codecs_available else _AAC
        self._container, self._rate_hz = container, round(rate_hz)
        self._stream = cast(av.AudioStream, container.add_stream(codec, rate=_FILM_HZ, layout="mono"))
        form = self._stream.codec_context.format
        self._resampler = av.AudioResampler(format=form, layout="mono", rate=_FILM_HZ)

    def add(self, samples: NDArray[np.floating[Any]]) -> None:
        """Appends velocities in m/s, (samples,); louder ones than `LOUD` are cut."""
        cut = np.clip(np.asarray(samples, np.float32) / LOUD, -1.0, 1.0)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(cut[None]), format="fltp", layout="mono")
        frame.sample_rate = self._rate_hz
        self._encode(self._resampler.resample(frame))

    def close(self) -> None:
        """Encodes what is left."""
        self._encode(self._resampler.resample(None))
        self._container.mux(self._stream.encode(None))

    def _encode(self, frames: Sequence[av.AudioFrame]) -> None:
        for frame in frames:
            self._container.mux(self._stream.encode(frame))
