"""Modes of thin rectangular plates, simply supported along their edges.

Kirchhoff's theory of plates (Leissa, "Vibration of Plates", NASA SP-160, 1969, chapter 4): with sides a and b,
thickness h, flexural rigidity D = E h^3 / (12 (1 - nu^2)) and mass per area s, mode (p, q) has the shape
sin(p pi x / a) sin(q pi y / b), the modal mass s a b / 4 and the frequency

    f = (pi / 2) sqrt(D / s) ((p / a)^2 + (q / b)^2).

A loss factor eta makes its amplitude decay as exp(-pi eta f t), and the air and the support add to that.

Letters: n = plates, M = modes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mmrl.arrays import FloatArray, Indices
from mmrl_envs.physics.sound.materials import Material

PLATE_COLUMNS = ("young_pa", "density", "poisson", "loss", "length_m", "width_m", "thickness_m", "load")
"""Columns of plates (n, 8): the material; the sides a and b and the thickness h; and `load`, the mass of what lies on
the plate or fills it, as a multiple of its own."""
NUM_MODES = 16
"""M, the lowest modes of a plate that are heard."""
OTHER_LOSSES = 3.0
"""Decay rate by air and support, 1/s."""
PICKUP = (0.29, 0.37)
"""Place of the microphone as shares of the sides: on no nodal line of the first modes."""
_MOST_HALF_WAVES = 8  # along a side, among which the lowest modes are looked for


def plate_row(material: Material, sides_m: tuple[float, float, float], load: float = 0.0) -> FloatArray:
    """A plate as a row of `PLATE_COLUMNS`, (8,): sides are length, width and thickness in metres."""
    return np.array([*vars(material).values(), *sides_m, load])


@dataclass(frozen=True, eq=False)
class Modes:
    """The lowest modes of some plates."""

    frequency_hz: FloatArray
    """(n, M), ascending."""
    decay: FloatArray
    """Decay rates of the amplitude in 1/s, (n, M)."""
    mass_kg: FloatArray
    """Modal masses, (n, M)."""
    half_waves: FloatArray
    """Half waves p and q along the two sides, (n, M, 2)."""

    def of(self, rows: Indices) -> Modes:
        """Those of some of the plates."""
        return Modes(**{name: values[rows] for name, values in vars(self).items()})

    def shape_at(self, place: FloatArray) -> FloatArray:
        """Deflections of the modes at places (n, 2), as shares of the sides, (n, M)."""
        waves = np.sin(np.pi * self.half_waves * place[:, None])
        shape: FloatArray = waves[:, :, 0] * waves[:, :, 1]
        return shape


def modes_of(plates: FloatArray) -> Modes:
    """The lowest modes of plates (n, 8)."""
    young, density, poisson, loss, length, width, thickness, load = plates.T
    per_area = density * thickness * (1.0 + load)
    rigidity = young * thickness**3 / (12.0 * (1.0 - poisson**2))
    waves = np.stack(np.meshgrid(*[np.arange(1.0, _MOST_HALF_WAVES + 1)] * 2), axis=-1).reshape(-1, 2)
    shares = (waves[:, 0] / length[:, None]) ** 2 + (waves[:, 1] / width[:, None]) ** 2
    every = 0.5 * np.pi * np.sqrt(rigidity / per_area)[:, None] * shares
    lowest = np.argsort(every, axis=1, kind="stable")[:, :NUM_MODES]
    frequency = np.take_along_axis(every, lowest, axis=1)
    mass = np.repeat((per_area * length * width / 4.0)[:, None], NUM_MODES, axis=1)
    return Modes(frequency, np.pi * loss[:, None] * frequency + OTHER_LOSSES, mass, waves[lowest])
