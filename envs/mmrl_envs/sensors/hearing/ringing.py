"""From what happens to a sounding plate to the sound that a microphone on it hears.

Letters: N = worlds, n = those being read, S = physics steps of a control step, B = samples of each,
M = modes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, Indices, IntArray
from mmrl_envs.physics.sound.plates import NUM_MODES, PICKUP, PLATE_COLUMNS, modes_of
from mmrl_envs.physics.sound.resonators import SAMPLE_HZ, ComplexArray, Resonators, SoundArray
from mmrl_envs.physics.sound.tap import kicks_of
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import View
from mmrl_envs.sensors.hearing.sources import Rubbing, Source, Strikes

RUBBING = 6e-3
"""Root mean square impulse in N s that a second of rubbing with 1 W amounts to."""
SILENT = 1e-8
"""Velocity in m/s below which nothing rings any more."""
_NOISE = 1 << 16  # samples of white noise, four seconds, over and over


@dataclass(frozen=True, eq=False)
class Heard:
    """The sound of a control step."""

    samples: SoundArray
    """Velocity of the plate under the microphone in m/s, (n, S B)."""
    strikes: Strikes
    """The strikes in it."""
    sounds: IntArray
    """Rows of the worlds with any sound, (a,); the samples of the others are 0."""


class RingingPlates:
    """Plates of N worlds that ring.

    Args:
        world: the worlds.
        source: what makes them ring, attached.
    """

    def __init__(self, world: World, source: Source) -> None:
        n, block = world.num_worlds, SAMPLE_HZ // world.physics_hz
        self._source, self._block = source, block
        self._resonators = Resonators(n, block)
        self._plates: FloatArray = np.zeros((n, len(PLATE_COLUMNS)))  # those that are tabulated
        self._modes = modes_of(np.full((n, len(PLATE_COLUMNS)), 0.5))  # of no plate yet
        self._ringing: FloatArray = np.zeros((n, NUM_MODES, 2))  # real and imaginary parts of the resonators
        self._clock: IntArray = np.zeros(n, np.intp)  # physics steps of the episode, by which noise is read
        self._noise = np.random.default_rng(16_000).standard_normal(2 * _NOISE)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that is remembered, (N, ...) each."""
        return {"ringing": self._ringing, "clock": self._clock, "ready": self._source.ready}

    def begin(self, view: View) -> None:
        """Silences worlds (n,) whose episodes begin."""
        self._ringing[view.worlds], self._clock[view.worlds] = 0.0, 0
        self._source.begin(view)

    def hear(self, view: View, plates: FloatArray) -> Heard:
        """The sound of a control step in worlds (n,) whose plates are (n, 8)."""
        self._tune(view.worlds, plates)
        strikes, rubbing = self._source.heard(view)
        substeps = rubbing.watts.shape[1]
        samples: SoundArray = np.zeros((len(view.worlds), substeps * self._block), np.float32)
        rings: BoolArray = np.abs(self._ringing[view.worlds]).max(axis=(1, 2)) > 0.0
        rings[strikes.rows], rings[rubbing.rows] = True, True
        rows = np.flatnonzero(rings)
        if len(rows):
            samples[rows] = self._ring(view.worlds, rows, strikes, rubbing)
        self._clock[view.worlds] += substeps
        return Heard(samples, strikes, rows)

    def _ring(self, worlds: Indices, rows: IntArray, strikes: Strikes, rubbing: Rubbing) -> SoundArray:
        """The sound of some rows, (a, S B)."""
        substeps, place_of = rubbing.watts.shape[1], np.zeros(len(worlds), np.intp)
        place_of[rows] = np.arange(len(rows))
        kicks: ComplexArray = np.zeros((len(rows), substeps, NUM_MODES), np.complex128)
        kicks[place_of[strikes.rows], strikes.steps] = self._kicks(worlds[strikes.rows], strikes)
        rubbed, after = self._rub(worlds[rubbing.rows], rubbing)
        kicks[place_of[rubbing.rows], 1:] += after[:, :-1]
        state = self._ringing[worlds[rows]].view(np.complex128)[:, :, 0]
        sound, state = self._resonators.ring(state, kicks, worlds[rows])
        sound[place_of[rubbing.rows]] += rubbed
        state[place_of[rubbing.rows]] += after[:, -1]
        state[np.abs(state).max(axis=1) < SILENT] = 0.0
        self._ringing[worlds[rows]] = state[:, :, None].view(np.float64)
        return sound.reshape(len(rows), -1)

    def _kicks(self, worlds: Indices, strikes: Strikes) -> FloatArray:
        """Velocities that strikes give to the modes, (e, M)."""
        modes, plates = self._modes.of(worlds), self._plates[worlds]
        return kicks_of(self._source.striker_kg, plates, modes, strikes.speed, strikes.place)

    def _rub(self, worlds: Indices, rubbing: Rubbing) -> tuple[SoundArray, ComplexArray]:
        """Sound of rubbing within its physics steps, (r, S, B), and what it leaves to the states after each."""
        substeps = rubbing.watts.shape[1]
        modes = self._modes.of(worlds)
        grip = modes.shape_at(rubbing.place) / modes.mass_kg
        impulse = RUBBING * np.sqrt(rubbing.watts / SAMPLE_HZ)[:, :, None]
        start = self._clock[worlds] * self._block % _NOISE
        noise = self._noise[start[:, None] + np.arange(substeps * self._block)].reshape(-1, substeps, self._block)
        return self._resonators.rub(impulse * noise, grip, worlds)

    def _tune(self, worlds: Indices, plates: FloatArray) -> None:
        """Tabulates plates (n, 8) that differ from those before: of a new episode, or of a state that was put back."""
        changed = (plates != self._plates[worlds]).any(axis=1)
        if not changed.any():
            return
        rows, modes = worlds[changed], modes_of(plates[changed])
        self._plates[rows] = plates[changed]
        for name, values in vars(modes).items():
            vars(self._modes)[name][rows] = values
        self._resonators.tune(rows, modes, modes.shape_at(np.tile(PICKUP, (len(rows), 1))))
