"""Levels of bands against SciPy's spectrogram, and against tones of known strength."""

import numpy as np
import pytest
from scipy.signal import spectrogram

from mmrl_envs.physics.sound.resonators import SAMPLE_HZ
from mmrl_envs.physics.sound.spectrogram import QUIET, Spectrogram, band_centres, mel_weights

WINDOW, HOP = 320, 160


@pytest.mark.parametrize(("bands", "window", "hop"), [(24, 320, 160), (32, 320, 320), (24, 321, 80)])
def test_levels_are_those_of_scipy(bands: int, window: int, hop: int) -> None:
    sound = np.random.default_rng(0).normal(size=(3, window - hop + 7 * hop)) * [[1e-4], [1e-2], [1.0]]
    _, _, power = spectrogram(
        sound, SAMPLE_HZ, "hann", window, window - hop, detrend=False, scaling="spectrum", mode="psd"
    )
    expected = 10 * np.log10(1 + np.einsum("nfk,fb->nkb", power, mel_weights(bands, window)) / QUIET**2)
    np.testing.assert_allclose(Spectrogram(bands, window, hop).levels(sound.astype(np.float32)), expected, atol=1e-3)


def test_a_tone_reads_its_mean_square_in_its_band_and_silence_reads_nothing() -> None:
    """A velocity of amplitude A has the mean square A^2 / 2; at 850 Hz, in the middle of a bin, a band hears w of it.

    A Hann window smears a tone over three bins: their squares are 1/4, 1 and 1/4 of its own, 1.5 in all.
    """
    amplitude, bands = 0.01, 24
    tone = amplitude * np.sin(2 * np.pi * 850.0 * np.arange(WINDOW) / SAMPLE_HZ)[None]
    levels = Spectrogram(bands, WINDOW, HOP).levels(tone.astype(np.float32))[0, 0]
    weights = mel_weights(bands, WINDOW)
    heard = (weights[16:19] * [[0.25], [1.0], [0.25]]).sum(axis=0) * amplitude**2 / 2
    loud = heard > 0
    np.testing.assert_allclose(levels[loud], 10 * np.log10(1 + heard[loud] / QUIET**2), atol=0.01)
    assert np.abs(band_centres(bands)[levels.argmax()] - 850) < 60
    assert Spectrogram(bands, WINDOW, HOP).levels(np.zeros((1, WINDOW), np.float32)).max() == 0.0


def test_bands_between_the_ends_add_up_to_all_there_is() -> None:
    weights, centres = mel_weights(24, WINDOW), band_centres(24)
    bins = np.arange(WINDOW // 2 + 1) * SAMPLE_HZ / WINDOW
    inside = (bins >= centres[0]) & (bins <= centres[-1])
    np.testing.assert_allclose(weights[inside].sum(axis=1), 1.0)


def test_windows_with_gaps_and_bands_too_narrow_are_refused() -> None:
    with pytest.raises(ValueError, match=r"at least as long as the time between frames, 20 ms.*got 10 ms"):
        Spectrogram(24, 160, 320)
    with pytest.raises(ValueError, match=r"a window of 5 ms tells at most \d+ bands apart, got 40"):
        Spectrogram(40, 80, 80)
