"""Blocks of resonators against the same sum sample by sample."""

import numpy as np
import pytest

from mmrl_envs.physics.sound import MATERIALS, SAMPLE_HZ, plate_row
from mmrl_envs.physics.sound.plates import NUM_MODES, modes_of
from mmrl_envs.physics.sound.resonators import HIGHEST_HZ, Resonators

PLATES = np.stack([plate_row(material, (0.08, 0.07, 0.003)) for material in MATERIALS.values()])
STEPS = 30


def one_by_one(kicks: np.ndarray, noise: np.ndarray, grip: np.ndarray, hearing: np.ndarray) -> np.ndarray:
    """z' = p z + x, heard as Re(w z), for kicks (n, S, M), grip (n, M) and noise (n, S, B): the sound (n, S B)."""
    modes, block = modes_of(PLATES), noise.shape[2]
    p = np.exp((2j * np.pi * modes.frequency_hz - modes.decay) / SAMPLE_HZ)
    w = np.where(modes.frequency_hz < HIGHEST_HZ, hearing, 0.0)
    z, heard = np.zeros_like(p), []
    for sample in range(STEPS * block):
        step, within = divmod(sample, block)
        x = grip * noise[:, step, within, None]
        z = p * z + x + (kicks[:, step] if within == 0 else 0.0)
        heard.append((w * z).real.sum(axis=1))
    return np.stack(heard, axis=1)


@pytest.mark.parametrize("block", [8, 16, 32])
def test_blocks_of_strikes_and_of_rubbing_are_exact(block: int) -> None:
    draw, n = np.random.default_rng(3), len(PLATES)
    kicks = np.zeros((n, STEPS, NUM_MODES), np.complex128)
    kicks[:, [0, 7, 8]] = draw.normal(size=(n, 3, NUM_MODES))
    noise = 0.1 * draw.normal(size=(n, STEPS, block)) * (np.arange(STEPS) > 10)[:, None]
    hearing, grip = draw.normal(size=(2, n, NUM_MODES))
    resonators, rows = Resonators(n, block), np.arange(n)
    resonators.tune(rows, modes_of(PLATES), hearing)
    rubbed, after = resonators.rub(noise, grip, rows)
    driven = kicks.copy()
    driven[:, 1:] += after[:, :-1]
    # in two calls: a state handed over goes on
    first, state = resonators.ring(np.zeros((n, NUM_MODES), np.complex128), driven[:, :12], rows)
    second, _ = resonators.ring(state, driven[:, 12:], rows)
    sound = (np.concatenate([first, second], axis=1) + rubbed).reshape(n, -1)
    expected = one_by_one(kicks, noise, grip, hearing)
    assert np.abs(sound - expected).max() <= 1e-6 * np.abs(expected).max()
    assert np.abs(expected[:, 11 * block :]).max() > 0.0


def test_sets_are_tuned_one_by_one() -> None:
    resonators, modes = Resonators(4, 16), modes_of(PLATES[:1])
    resonators.tune(np.array([2]), modes, np.ones((1, NUM_MODES)))
    kicks = np.ones((4, 3, NUM_MODES), np.complex128)
    sound, _ = resonators.ring(np.zeros((4, NUM_MODES), np.complex128), kicks, np.arange(4))
    assert [bool(np.abs(row).max() > 0) for row in sound] == [False, False, True, False]
