"""Spectrograms, as a microphone reports them: how loud it is in each of some bands, frame by frame.

Frames are overlapping Hann windows of W samples, one every H samples; bands are triangles side by side on the mel
scale, mel(f) = 2595 log10(1 + f / 700) (O'Shaughnessy, "Speech Communication", 1987).

Letters: n = sounds, k = frames.
"""

from __future__ import annotations

import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.physics.sound.resonators import SAMPLE_HZ, SoundArray

LOWEST_HZ, HIGHEST_HZ = 100.0, SAMPLE_HZ / 2
"""Ends of the lowest and the highest band."""
QUIET = 1e-5
"""Root mean square velocity in m/s that reads 3 dB: the microphone's own floor."""
LEAST_WEIGHT = 0.25
"""How well a band must hear the frequency that it hears best."""
LOUDEST_DB = 120.0
"""The reading of a velocity of 10 m/s."""


class Spectrogram:
    """Levels of sound in dB, 10 log10(1 + v^2 / QUIET^2) by the mean square v^2 within a band.

    Args:
        bands: how many.
        window: W.
        hop: H, at most W.

    Raises ValueError where windows leave gaps, or where bands are narrower than a window can tell apart.
    """

    def __init__(self, bands: int, window: int, hop: int) -> None:
        if not hop <= window:
            raise ValueError(
                f"a window must be at least as long as the time between frames, {1e3 * hop / SAMPLE_HZ:g} ms, or sound "
                f"is missed: got {1e3 * window / SAMPLE_HZ:g} ms"
            )
        self.window, self.hop = window, hop
        self._hann = 0.5 - 0.5 * np.cos(2.0 * np.pi * np.arange(window) / window)
        weights = mel_weights(bands, window)
        if not (weights.max(axis=0) > LEAST_WEIGHT).all():
            raise ValueError(
                f"a window of {1e3 * window / SAMPLE_HZ:g} ms tells at most {most_bands(window)} bands apart, "
                f"got {bands}"
            )
        # Mean square of each bin: twice for the frequencies below 0 that a real sound has too.
        share = np.full((len(weights), 1), 2.0 / self._hann.sum() ** 2)
        share[0] /= 2.0
        share[-1] /= 1.0 + (window % 2 == 0)
        self._weights = (weights * share / QUIET**2).astype(np.float32)
        self._hann = self._hann.astype(np.float32)

    def levels(self, sound: SoundArray) -> FloatArray:
        """Levels (n, k, bands) of W - H samples that came before and k H new ones, (n, W - H + k H)."""
        from scipy.fft import rfft  # takes long to import, and is seven times as fast as NumPy's

        framed = np.lib.stride_tricks.sliding_window_view(sound, self.window, axis=1)[:, :: self.hop]
        spectrum = rfft(framed * self._hann, axis=2)
        # world by world: in one product over all of them the last digits would depend on how many there are
        power = (spectrum.real**2 + spectrum.imag**2) @ self._weights
        levels: FloatArray = 10.0 * np.log10(1.0 + power, dtype=np.float64)
        return levels


def band_centres(bands: int) -> FloatArray:
    """Frequencies in Hz at which bands hear best, (bands,), ascending."""
    return _corners(bands)[1:-1]


def band_labels(bands: int) -> tuple[str, ...]:
    """Names of bands by those frequencies, "180 Hz"."""
    return tuple(f"{centre:.0f} Hz" for centre in band_centres(bands))


def mel_weights(bands: int, window: int) -> FloatArray:
    """How much of each bin of a spectrum a band hears, at most all of it, (window // 2 + 1, bands)."""
    low, middle, high = (_corners(bands)[i : i + bands] for i in range(3))
    bins = np.arange(window // 2 + 1)[:, None] * SAMPLE_HZ / window
    weights: FloatArray = np.minimum((bins - low) / (middle - low), (high - bins) / (high - middle)).clip(min=0.0)
    return weights


def most_bands(window: int) -> int:
    """The most bands of which each hears at least one bin of a window's spectrum, and all fewer do."""
    bands = 1
    while (mel_weights(bands + 1, window).max(axis=0) > LEAST_WEIGHT).all():
        bands += 1
    return bands


def _corners(bands: int) -> FloatArray:
    """Ends and middles of bands, (bands + 2,), in Hz."""
    ends = 2595.0 * np.log10(1.0 + np.array([LOWEST_HZ, HIGHEST_HZ]) / 700.0)
    corners: FloatArray = 700.0 * (10.0 ** (np.linspace(ends[0], ends[1], bands + 2) / 2595.0) - 1.0)
    return corners
