"""Resonators at audio rate, many samples at a time, exactly.

Mode m is z' = p z + x at every sample, p = exp((-decay + 2 pi i f) / SAMPLE_HZ), and its sound is Re(w z): a velocity
that jumps by w x with a kick x and then rings. Between physics steps nothing new comes in but noise, so that B samples
are one block: z at its end is p^B z, and its sound is a row of numbers times z. No sample is approximated; states are
of double and sounds of single precision.

Letters: n = some sets of resonators, S = blocks in a row, B = samples of a block, M = resonators of a set.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices
from mmrl_envs.physics.sound.plates import NUM_MODES, Modes

SAMPLE_HZ = 16_000
"""Samples per second."""
HIGHEST_HZ = 0.95 * SAMPLE_HZ / 2
"""The highest frequency that is heard, as behind the filter of any converter."""

ComplexArray = NDArray[np.complex128]
SoundArray = NDArray[np.float32]


class Resonators:
    """Sets of resonators, tabulated; all are silent until they are tuned.

    Args:
        number: of sets.
        block: B.
    """

    def __init__(self, number: int, block: int) -> None:
        self._hearing: FloatArray = np.zeros((number, NUM_MODES))
        self._powers: ComplexArray = np.zeros((number, block + 1, NUM_MODES), np.complex128)
        self._heard: SoundArray = np.zeros((number, 2 * NUM_MODES, block), np.float32)

    def tune(self, rows: Indices, modes: Modes, hearing: FloatArray) -> None:
        """Gives sets (n,) the frequencies and decay rates of modes, and how much of each is picked up, (n, M)."""
        audible = modes.frequency_hz < HIGHEST_HZ
        exponent = (2j * np.pi * modes.frequency_hz * audible - modes.decay) / SAMPLE_HZ
        block = self._heard.shape[2]
        powers = np.exp(exponent[:, None] * np.arange(block + 1)[:, None])  # (n, B + 1, M)
        weighted = powers[:, :block] * np.where(audible, hearing, 0.0)[:, None]
        self._hearing[rows], self._powers[rows] = np.where(audible, hearing, 0.0), powers
        # Re(w p^t z) as one real product: [Re, -Im] of w p^t with [Re, Im] of z, interleaved
        self._heard[rows] = np.ascontiguousarray(weighted.conj()).view(np.float64).swapaxes(1, 2)

    def ring(self, state: ComplexArray, kicks: ComplexArray, rows: Indices) -> tuple[SoundArray, ComplexArray]:
        """Sound of S blocks, (n, S, B), and the states after them, (n, M): p z of their last sample.

        Args:
            state: of the resonators before, (n, M).
            kicks: what comes to them with the first sample of each block, (n, S, M).
            rows: the sets that ring, (n,).
        """
        at_start, decayed = np.empty_like(kicks), self._powers[rows, -1]
        for step in range(kicks.shape[1]):
            np.add(state, kicks[:, step], out=at_start[:, step])
            state = at_start[:, step] * decayed
        sound = at_start.view(np.float64).astype(np.float32) @ self._heard[rows]  # (n, S, 2 M) x (n, 2 M, B)
        return sound, state

    def rub(self, noise: FloatArray, grip: FloatArray, rows: Indices) -> tuple[SoundArray, ComplexArray]:
        """All that rubbing within S blocks adds to their sound, (n, S, B), and to the states after each, (n, S, M).

        Args:
            noise: what comes with each sample, (n, S, B).
            grip: how much of it each mode gets, (n, M).
            rows: the sets that are rubbed, (n,).
        """
        block = noise.shape[2]
        powers = self._powers[rows] * grip[:, None]  # (n, B + 1, M)
        response = (powers[:, :block].real @ self._hearing[rows, :, None])[:, :, 0]  # (n, B)
        lag = np.subtract.outer(np.arange(block), np.arange(block)).T  # [k, t]: sample t is so long after kick k
        filters = np.where(lag >= 0, response[:, np.maximum(lag, 0)], 0.0)
        sound = noise.astype(np.float32) @ np.ascontiguousarray(filters, np.float32)
        # what came with sample k has been through B - k steps when the next block begins
        after = noise @ np.ascontiguousarray(powers[:, :0:-1]).view(np.float64)  # (n, S, 2 M)
        return sound, after.view(np.complex128)
