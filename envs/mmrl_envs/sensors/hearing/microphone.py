"""A contact microphone on a thing that rings, frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import EncoderSpec, Modality, TemporalConv
from mmrl_envs.arguments import whole
from mmrl_envs.physics.sound import SOUNDING
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.physics.sound.spectrogram import LOUDEST_DB, band_labels
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.sensors.hearing.ears import Ears


class Microphone(Sensor):
    """How loud it is in each of some frequency bands, the last T of 100 frames a second: T x bands, in dB.

    A frame is a Hann window of 20 ms; 0 dB is silence, and every tenfold velocity of the thing 20 dB more. Sound is
    made of the contacts of each physics step at 16 kHz (`mmrl_envs.physics.sound`).

    Args:
        name: key in the observation.
        rate_hz: frames per second, at least as many as control steps.
        history: T, frames; 64 are 0.64 s.
        listens_to: name of the geom that rings when it is touched or rubbed, or of the slide joint that rings when its
            spring snaps.
        material: of what rings, of `mmrl_envs.physics.sound.MATERIALS`; unset is the plate of the task, its field
            "sounding_plate".
        sides_m: length, width and thickness of the plate of that material; unset is 80 x 70 x 3 mm.
        bands: frequency bands.
        window_ms: length of the windows, at least the time between frames.
        encoder: how a policy encodes the window; unset is convolutions over time.

    Raises ValueError for a material that is unknown, sides without a material, and bands or windows that do not fit.
    """

    noise_unit = 1.0

    def __init__(  # noqa: PLR0913 - options one by one, as a command line gives them
        self,
        name: str = "microphone",
        *,
        rate_hz: float = 100.0,
        history: int = 64,
        listens_to: str = SOUNDING,
        material: str | None = None,
        sides_m: Sequence[float] | None = None,
        bands: int = 24,
        window_ms: float = 20.0,
        encoder: EncoderSpec | None = None,
    ) -> None:
        self._ears = Ears(listens_to, material, sides_m, bands=bands, window_ms=window_ms)
        self.requires = self._ears.requires
        self.modality = Modality(
            name=name,
            shape=(bands,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=0.0,
            high=LOUDEST_DB,
            unit="dB",
            labels=band_labels(bands),
            as_picture=True,
            encoder=encoder or TemporalConv(channels=(32, 48, 64), squash=((0.02,) * bands,)),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds sensors of contact at what rings."""
        self._source = self._ears.source(spec, self.modality.name)

    def attach(self, world: World) -> None:
        """Makes room for what rings; refuses rates that do not fit."""
        self._hearing = self._ears.hearing(world, self._source, self.modality.rate_hz, self.modality.name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The memory of what still rings."""
        return self._hearing.arrays()

    @property
    def sound(self) -> Sound:
        """The sound of the last control step."""
        return self._hearing.sound

    def read(self, view: View) -> NDArray[np.float64]:
        """Levels, (n, k, bands)."""
        if view.begins:
            self._hearing.begin(view)
            return np.zeros((len(view.worlds), 1, *self.modality.shape))
        return self._hearing.frames(view)[0]
