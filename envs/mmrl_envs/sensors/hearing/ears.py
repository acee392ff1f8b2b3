"""All that the senses that hear have in common: where they listen, the plate that rings, and the frames of its sound.

Letters: N = worlds, n = those being read, k = frames of a control step, W = samples of a window, H = of a frame.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray
from mmrl_envs.arguments import number, numbers, whole
from mmrl_envs.physics.sound import SOUNDING, plate_row
from mmrl_envs.physics.sound.materials import material_named
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.physics.sound.resonators import SAMPLE_HZ
from mmrl_envs.physics.sound.spectrogram import Spectrogram
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Requires, View
from mmrl_envs.sensors.hearing.ringing import Heard, RingingPlates
from mmrl_envs.sensors.hearing.sources import Source, source_named

PLATE_FIELD = "sounding_plate"
"""The task's field of plates, (N, 8), where the sense is given none."""
_SIDES_M = (0.08, 0.07, 0.003)


@dataclass(frozen=True)
class Ears:
    """Where a sense listens, what it takes the thing for, and how finely it hears."""

    listens_to: str = SOUNDING
    """Name of the geom that rings when it is touched, or of the slide joint that rings when its spring snaps."""
    material: str | None = None
    """Of the plate, of `mmrl_envs.physics.sound.MATERIALS`; unset is the task's plate, its field "sounding_plate"."""
    sides_m: Sequence[float] | None = None
    """Length, width and thickness of the plate of that material; unset is 80 x 70 x 3 mm."""
    bands: int = 24
    """Frequency bands, 100 Hz to 8 kHz, alike on the mel scale."""
    window_ms: float = 20.0
    """Length of the Hann windows."""

    def __post_init__(self) -> None:
        """Raises ValueError for an unknown material, sides without one, and numbers out of their bounds."""
        if self.material is not None:
            material_named(self.material)
        elif self.sides_m is not None:
            raise ValueError(f"sides_m are those of a plate of a given material: give material too, got {self.sides_m}")
        for value in numbers("sides_m", _SIDES_M if self.sides_m is None else self.sides_m, 3):
            number("sides_m", value, 1e-4, 10.0)
        whole("bands", self.bands, 1)
        number("window_ms", self.window_ms, 1.0, 1000.0)

    @property
    def requires(self) -> Requires:
        """The task's plate, unless a material is given."""
        return Requires(fields=(PLATE_FIELD,) if self.material is None else ())

    def source(self, spec: mujoco.MjSpec, prefix: str) -> Source:
        """The source of the sound, installed in a scene."""
        source = source_named(spec, self.listens_to)
        source.install(spec, prefix)
        return source

    def hearing(self, world: World, source: Source, frames_hz: float, name: str) -> Hearing:
        """The sound of N worlds, with so many frames per second.

        Raises ValueError naming the sense where samples, frames and control steps do not fit each other.
        """
        control_hz = world.physics_hz / world.substeps
        if frames_hz < control_hz:
            raise ValueError(
                f"{name!r} must hear in every control step: its frames per second must be at least control_hz, "
                f"{control_hz:g}, got {frames_hz:g}"
            )
        if SAMPLE_HZ % world.physics_hz:
            raise ValueError(
                f"{name!r} hears {SAMPLE_HZ} samples per second, which physics_hz must divide, got {world.physics_hz}"
            )
        hop, window = SAMPLE_HZ / frames_hz, self.window_ms * SAMPLE_HZ / 1000
        if hop % 1 or (SAMPLE_HZ / control_hz) % hop:
            raise ValueError(
                f"{name!r}: frames per second must divide {SAMPLE_HZ} and be a multiple of control_hz, {control_hz:g}, "
                f"got {frames_hz:g}"
            )
        if window % 1:
            raise ValueError(
                f"{name!r}: window_ms must be whole samples of {1e3 / SAMPLE_HZ:g} ms, got {self.window_ms:g}"
            )
        try:
            spectrogram = Spectrogram(self.bands, int(window), int(hop))
        except ValueError as error:
            raise ValueError(f"{name!r}: {error}") from error
        return Hearing(self, world, source, spectrogram)

    def plates(self, view: View) -> FloatArray:
        """The plates of worlds, (n, 8)."""
        if self.material is None:
            return view.field(PLATE_FIELD)
        length, width, thickness = _SIDES_M if self.sides_m is None else self.sides_m
        row = plate_row(material_named(self.material), (length, width, thickness))
        return np.tile(row, (len(view.worlds), 1))


class Hearing:
    """The sound of N worlds, in frames.

    Args:
        ears: where it listens.
        world: the worlds.
        source: what makes the thing ring.
        spectrogram: what is made of the sound.
    """

    def __init__(self, ears: Ears, world: World, source: Source, spectrogram: Spectrogram) -> None:
        source.attach(world)
        n, samples = world.num_worlds, world.substeps * SAMPLE_HZ // world.physics_hz
        self._ears, self._spectrogram = ears, spectrogram
        self._ringing = RingingPlates(world, source)
        # the newest samples, which windows of the next control step reach back to
        self._before = np.zeros((n, spectrogram.window - spectrogram.hop), np.float32)
        self._newest = np.zeros((n, samples), np.float32)
        self.samples_per_frame, self.samples_per_step = spectrogram.hop, SAMPLE_HZ // world.physics_hz

    @property
    def sound(self) -> Sound:
        """The sound of the last control step."""
        return Sound(self._newest, SAMPLE_HZ)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that is remembered, (N, ...) each."""
        return {**self._ringing.arrays(), "before": self._before}

    def begin(self, view: View) -> None:
        """Silences worlds (n,) whose episodes begin."""
        self._before[view.worlds], self._newest[view.worlds] = 0.0, 0.0
        self._ringing.begin(view)

    def frames(self, view: View) -> tuple[FloatArray, Heard]:
        """Levels in dB of the frames of a control step, (n, k, bands), and the sound that they are of."""
        heard = self._ringing.hear(view, self._ears.plates(view))
        samples = heard.samples
        sounding: BoolArray = np.abs(self._before[view.worlds]).max(axis=1, initial=0.0) > 0.0
        levels = np.zeros((len(samples), samples.shape[1] // self._spectrogram.hop, self._ears.bands))
        sounding[heard.sounds] = True
        rows = np.flatnonzero(sounding)
        if len(rows):
            joined = np.concatenate([self._before[view.worlds[rows]], samples[rows]], axis=1)
            levels[rows] = self._spectrogram.levels(joined)
            self._before[view.worlds[rows]] = joined[:, joined.shape[1] - self._before.shape[1] :]
        self._newest[view.worlds] = samples
        return levels, heard
