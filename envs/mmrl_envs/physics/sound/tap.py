"""The sound of one tap on a plate, by itself: a reference to compare with what was heard.

Letters: n = plates.
"""

from __future__ import annotations

import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.physics.sound.materials import contact_time, half_sine_spectrum
from mmrl_envs.physics.sound.plates import NUM_MODES, PICKUP, PLATE_COLUMNS, Modes, modes_of
from mmrl_envs.physics.sound.resonators import SAMPLE_HZ, Resonators, SoundArray

TOOL_KG = 0.1
"""Mass in kilograms of what strikes: that of a small tool."""
STRIKER_RADIUS_M = 0.006
"""Radius of the steel that strikes, where it touches."""
_YOUNG, _POISSON = PLATE_COLUMNS.index("young_pa"), PLATE_COLUMNS.index("poisson")
_BLOCK, _SLOWEST = 16, 1e-6  # samples; m/s


def kicks_of(mass_kg: float, plates: FloatArray, modes: Modes, speed: FloatArray, place: FloatArray) -> FloatArray:
    """Velocities that strikes give to the modes, (n, M): impulse times spectrum times shape over modal mass.

    Args:
        mass_kg: of what strikes.
        plates: the plates, (n, 8).
        modes: their modes.
        speed: at which they are struck, m/s, (n,).
        place: where, as shares of the sides, (n, 2).
    """
    moving = np.maximum(speed, _SLOWEST)  # a strike at no speed takes for ever
    duration = contact_time(mass_kg, STRIKER_RADIUS_M, plates[:, _YOUNG], plates[:, _POISSON], moving)
    share = half_sine_spectrum(modes.frequency_hz, duration[:, None])
    kicks: FloatArray = mass_kg * speed[:, None] * share * modes.shape_at(place) / modes.mass_kg
    return kicks


def sound_of_tap(plates: FloatArray, speed: FloatArray, place: FloatArray, seconds: float) -> SoundArray:
    """The sound from the moment of a tap on plates (n, 8) on, (n, samples): speeds (n,) in m/s, places (n, 2)."""
    rows, modes, blocks = np.arange(len(plates)), modes_of(plates), round(seconds * SAMPLE_HZ / _BLOCK)
    resonators = Resonators(len(plates), _BLOCK)
    resonators.tune(rows, modes, modes.shape_at(np.tile(PICKUP, (len(plates), 1))))
    kicks = np.zeros((len(plates), blocks, NUM_MODES), np.complex128)
    kicks[:, 0] = kicks_of(TOOL_KG, plates, modes, speed, place)
    sound, _ = resonators.ring(np.zeros((len(plates), NUM_MODES), np.complex128), kicks, rows)
    return sound.reshape(len(plates), -1)
