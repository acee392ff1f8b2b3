"""Plates and strikes against handbooks, and against the equations that the formulas solve."""

import numpy as np
import pytest

from mmrl_envs.physics.sound import MATERIALS, material_named, plate_row
from mmrl_envs.physics.sound.materials import contact_time, half_sine_spectrum
from mmrl_envs.physics.sound.plates import modes_of


def test_a_square_plate_has_the_frequencies_of_the_handbook() -> None:
    """Leissa, table 4.1: omega a^2 sqrt(s / D) is 19.739, 49.348 twice, 78.957, 98.696 twice."""
    steel, side, thickness = MATERIALS["steel"], 0.2, 0.002
    modes = modes_of(plate_row(steel, (side, side, thickness))[None])
    rigidity = steel.young_pa * thickness**3 / 12 / (1 - steel.poisson**2)
    number = 2 * np.pi * modes.frequency_hz[0] * side**2 * np.sqrt(steel.density * thickness / rigidity)
    np.testing.assert_allclose(number[:6], [19.739, 49.348, 49.348, 78.957, 98.696, 98.696], atol=1e-3)
    assert (np.diff(modes.frequency_hz[0]) >= 0).all()
    assert modes.mass_kg[0, 0] == pytest.approx(7850 * 0.002 * 0.04 / 4)  # a quarter of the plate


def test_three_times_its_weight_on_a_plate_halves_its_frequencies_and_leaves_the_shapes() -> None:
    plate = MATERIALS["wood"], (0.08, 0.07, 0.003)
    bare, loaded = (modes_of(plate_row(*plate, load)[None]) for load in (0.0, 3.0))
    np.testing.assert_allclose(loaded.frequency_hz, bare.frequency_hz / 2)
    np.testing.assert_array_equal(loaded.half_waves, bare.half_waves)
    place = np.array([[0.3, 0.6]])
    p, q = bare.half_waves[0].T
    np.testing.assert_allclose(bare.shape_at(place)[0], np.sin(np.pi * p * 0.3) * np.sin(np.pi * q * 0.6))


@pytest.mark.parametrize("material", MATERIALS)
def test_a_strike_lasts_as_long_as_the_equation_of_motion_says(material: str) -> None:
    """m x'' = -(4/3) E* sqrt(R) x^(3/2) from x = 0 and x' = v on, until x is 0 again."""
    m, radius, speed = 0.1, 0.006, 0.3
    struck, steel = MATERIALS[material], MATERIALS["steel"]
    compliance = sum((1 - each.poisson**2) / each.young_pa for each in (steel, struck))
    stiffness = 4 / 3 / compliance * np.sqrt(radius)
    x, v, dt, steps = 0.0, speed, 1e-8, 0
    while x >= 0:
        v -= dt * stiffness * max(x, 0.0) ** 1.5 / m
        x += dt * v
        steps += 1
    young, poisson, fast = np.array([struck.young_pa]), np.array([struck.poisson]), np.array([speed])
    assert contact_time(m, radius, young, poisson, fast)[0] == pytest.approx(steps * dt, rel=2e-3)


def test_a_mode_gets_what_the_spectrum_of_a_half_sine_has_at_its_frequency() -> None:
    duration = 3e-4
    at = (np.arange(20_000) + 0.5) * duration / 20_000
    force = np.sin(np.pi * at / duration)
    frequencies = np.array([0.0, 500.0, 0.5 / duration, 3000.0, 7900.0])
    spectrum = np.abs((force * np.exp(-2j * np.pi * frequencies[:, None] * at)).sum(axis=1)) / force.sum()
    np.testing.assert_allclose(half_sine_spectrum(frequencies, np.array(duration)), spectrum, atol=1e-6)


def test_an_unknown_material_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match="unknown material 'jelly'; materials are steel, glass, wood, plastic"):
        material_named("jelly")
