"""The sound of the newest tap, held as a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices, IntArray
from mmrl.modality import EncoderSpec, ImageConv, Modality
from mmrl_envs.arguments import number, whole
from mmrl_envs.physics.sound import SOUNDING
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.physics.sound.spectrogram import LOUDEST_DB
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.hearing.ears import Ears
from mmrl_envs.sensors.hearing.sources import Strikes

LEAST_SPEED = 0.02
"""Of a strike, m/s, that counts as a tap: slower ones are heard, but begin no new picture."""


class TapSound(Sensor):
    """The frames from the newest tap on as a picture, bands x frames x 1, in dB; all 0 before the first.

    The first column is the frame in which the tap fell; columns fill up as time passes and are held until the next tap.
    The highest band is the first row. All else is as in `Microphone`.

    Args:
        name: key in the observation.
        frames: columns; 32 are 0.32 s.
        frames_hz: frames per second, a multiple of the control rate.
        listens_to: name of the geom or slide joint that rings.
        material: of what rings; unset is what the task's field "sounding_plate" says.
        sides_m: length, width and thickness of the plate of that material; unset is 80 x 70 x 3 mm.
        bands: rows.
        window_ms: length of the windows, at least the time between frames.
        encoder: how a policy encodes the picture; unset is a small convolutional network.
    """

    noise_unit = 1.0
    newest_only = True

    def __init__(  # noqa: PLR0913 - options one by one, as a command line gives them
        self,
        name: str = "tap_sound",
        *,
        frames: int = 32,
        frames_hz: float = 100.0,
        listens_to: str = SOUNDING,
        material: str | None = None,
        sides_m: Sequence[float] | None = None,
        bands: int = 24,
        window_ms: float = 20.0,
        encoder: EncoderSpec | None = None,
    ) -> None:
        self._ears = Ears(listens_to, material, sides_m, bands=bands, window_ms=window_ms)
        self.requires = self._ears.requires
        self._frames_hz = number("frames_hz", frames_hz, 1e-3)
        self.modality = Modality(
            name=name,
            shape=(bands, whole("frames", frames, 1), 1),
            rate_hz=frames_hz,
            low=0.0,
            high=LOUDEST_DB,
            unit="dB",
            encoder=encoder or ImageConv((16, 32), (3, 3), (2, 2), features=64, zero=0.0, unit=50.0),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds sensors of contact at what rings."""
        self._source = self._ears.source(spec, self.modality.name)

    def attach(self, world: World) -> None:
        """Makes room for what rings and for the pictures; refuses rates that do not fit."""
        bands, frames, _ = self.modality.shape
        self._hearing = self._ears.hearing(world, self._source, self._frames_hz, self.modality.name)
        self._picture: FloatArray = np.zeros((world.num_worlds, frames, bands))
        self._filled: IntArray = np.full(world.num_worlds, frames)  # columns that have passed since the tap

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that still rings, the pictures, and how far they are filled."""
        return {**self._hearing.arrays(), "picture": self._picture, "filled": self._filled}

    @property
    def sound(self) -> Sound:
        """The sound of the last control step."""
        return self._hearing.sound

    def read(self, view: View) -> NDArray[np.float64]:
        """Pictures, (n, 1, bands, frames, 1)."""
        if view.begins:
            self._hearing.begin(view)
            self._picture[view.worlds], self._filled[view.worlds] = 0.0, self._picture.shape[1]
        else:
            levels, heard = self._hearing.frames(view)
            self._draw(view.worlds, levels, self._taps(heard.strikes, levels.shape[:2]))
        return self._picture[view.worlds, :, ::-1].swapaxes(1, 2)[:, None, :, :, None]

    def _taps(self, strikes: Strikes, shape: tuple[int, int]) -> NDArray[np.bool_]:
        """Whether a tap falls into a frame, (n, k)."""
        taps, loud = np.zeros(shape, np.bool_), strikes.speed >= LEAST_SPEED
        frame = strikes.steps[loud] * self._hearing.samples_per_step // self._hearing.samples_per_frame
        taps[strikes.rows[loud], frame] = True
        return taps

    def _draw(self, worlds: Indices, levels: FloatArray, taps: NDArray[np.bool_]) -> None:
        """Adds frames (n, k, bands) to the pictures; each tap begins a new one."""
        most = self._picture.shape[1]
        draws = np.flatnonzero((self._filled[worlds] < most) | taps.any(axis=1))
        for frame in range(levels.shape[1] if len(draws) else 0):
            begun = worlds[taps[:, frame]]
            self._picture[begun], self._filled[begun] = 0.0, 0
            rows = draws[self._filled[worlds[draws]] < most]
            self._picture[worlds[rows], self._filled[worlds[rows]]] = levels[rows, frame]
            self._filled[worlds[rows]] += 1
