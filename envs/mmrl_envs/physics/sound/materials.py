"""Materials by how they sound, and how long a strike on them lasts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mmrl.arrays import FloatArray


@dataclass(frozen=True)
class Material:
    """A material of plates: linear, alike in all directions."""

    young_pa: float
    """Young's modulus in pascals."""
    density: float
    """In kg/m^3."""
    poisson: float
    """Poisson's ratio."""
    loss: float
    """Loss factor: the share of its energy, over 2 pi, that a vibration loses in each period."""


MATERIALS: Mapping[str, Material] = MappingProxyType(
    {
        "steel": Material(200e9, 7850.0, 0.30, 0.0015),
        "glass": Material(70e9, 2500.0, 0.22, 0.004),
        "wood": Material(10e9, 600.0, 0.35, 0.02),
        "plastic": Material(2.5e9, 1050.0, 0.38, 0.05),
    }
)
"""Typical values; wood as if it were alike in all directions. The losses of thin mounted plates, not of a block."""


def material_named(name: str) -> Material:
    """A material of `MATERIALS`. Raises ValueError for another name, listing those there are."""
    if not isinstance(name, str) or name not in MATERIALS:
        raise ValueError(f"unknown material {name!r}; materials are {', '.join(MATERIALS)}")
    return MATERIALS[name]


def contact_time(
    mass_kg: float, radius_m: float, young_pa: FloatArray, poisson: FloatArray, speed: FloatArray
) -> FloatArray:
    """Duration in seconds of the strike of a steel ball on something flat and heavy, by Hertz.

    T = 2.87 (m^2 / (R E*^2 v))^(1/5), Johnson, "Contact Mechanics" (1985), equation 11.24, where
    1 / E* = (1 - nu_1^2) / E_1 + (1 - nu_2^2) / E_2.

    Args:
        mass_kg: of the ball.
        radius_m: of the ball, or of the end of a rod.
        young_pa: Young's modulus of what is struck.
        poisson: its Poisson's ratio.
        speed: at which it is struck, m/s, positive.
    """
    steel = MATERIALS["steel"]
    compliance = (1.0 - steel.poisson**2) / steel.young_pa + (1.0 - np.square(poisson)) / young_pa
    duration: FloatArray = 2.87 * (mass_kg**2 * np.square(compliance) / (radius_m * speed)) ** 0.2
    return duration


def half_sine_spectrum(frequency_hz: FloatArray, duration_s: FloatArray) -> FloatArray:
    """How much of the impulse of a strike a mode gets: the spectrum of a half sine, 1 at 0 Hz.

    |cos(pi f T) / (1 - (2 f T)^2)|, pi / 4 where 2 f T = 1.
    """
    cycles = 2.0 * frequency_hz * duration_s
    near = np.abs(1.0 - cycles) < 1e-6
    divisor = np.where(near, 1.0, 1.0 - cycles**2)
    share: FloatArray = np.where(near, np.pi / 4, np.abs(np.cos(0.5 * np.pi * cycles) / divisor))
    return share
