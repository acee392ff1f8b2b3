"""The elastic pad of particles against a formula, against itself in rest, and the maps that are stored of it."""

from pathlib import Path

import numpy as np
import pytest

from mmrl_envs.sensors.tactile.indenters import INDENTERS, Indenter, PressedBall, PressedEdge, PressedTorus
from mmrl_envs.sensors.tactile.mpm import MAPS, PRESSED_M, RESOLUTION, ElasticParticles, SoftPad, draw, press

COARSE = SoftPad(cell_m=1.5e-3)


def bonded_layer(pad: SoftPad, radius: float, depth: float) -> float:
    """Force in newtons on a sphere pressed on a thin layer that is glued down (Dimitriadis et al. 2002, eq. 10).

    Hertz's 4 / 3 E / (1 - nu^2) sqrt(R) d^1.5 times 1 - 2 a / pi x + 4 a^2 / pi^2 x^2
    - 8 / pi^3 (a^3 + 4 pi^2 / 15 b) x^3 + 16 a / pi^4 (a^3 + 3 pi^2 / 5 b) x^4 with x = sqrt(R d) / h.
    Of nu = 0.5 the factor is 1 + 1.133 x + 1.283 x^2 + 0.769 x^3 + 0.0975 x^4.
    """
    nu, pi, x = pad.poisson, np.pi, np.sqrt(radius * depth) / pad.thickness_m
    a = -(1.2876 - 1.4678 * nu + 1.3442 * nu**2) / (1 - nu)
    b = (0.6387 - 1.0277 * nu + 1.5164 * nu**2) / (1 - nu)
    factor = 1 - 2 * a / pi * x + 4 * a**2 / pi**2 * x**2 - 8 / pi**3 * (a**3 + 4 * pi**2 / 15 * b) * x**3
    factor += 16 * a / pi**4 * (a**3 + 3 * pi**2 / 5 * b) * x**4
    return float(4 / 3 * pad.young_pa / (1 - nu**2) * np.sqrt(radius) * depth**1.5 * factor)


def stored(name: str) -> np.ndarray:
    with np.load(MAPS) as maps:
        each: np.ndarray = maps[name]
    return each


def test_the_stored_force_of_a_sphere_is_that_of_a_bonded_layer() -> None:
    force = stored("sphere/pressed")[..., 0].sum()
    assert force == pytest.approx(bonded_layer(SoftPad(), 0.008, PRESSED_M), rel=0.12)


def test_stored_maps_have_the_symmetry_of_their_shapes_and_friction_drags() -> None:
    for name in INDENTERS:
        pressed, sheared = stored(f"{name}/pressed"), stored(f"{name}/sheared")
        assert pressed.shape == (RESOLUTION, RESOLUTION, 5)
        pressure = pressed[..., 0]
        np.testing.assert_allclose(pressure, pressure[::-1], atol=0.03 * pressure.max())
        np.testing.assert_allclose(pressure, pressure[:, ::-1], atol=0.03 * pressure.max())
        assert abs(pressed[..., 1].sum()) < 0.02 * pressure.sum()
        # dragged along x, by no more than Coulomb's 0.8 allows
        assert 0.1 * sheared[..., 0].sum() < sheared[..., 1].sum() <= 0.8 * sheared[..., 0].sum()
        assert sheared[..., 3].max() > 0.2e-3  # the surface goes along, metres


def test_a_coarse_pad_is_pressed_in_the_same_pattern() -> None:
    coarse = next(iter(press(COARSE, INDENTERS["torus"])))
    pattern = np.corrcoef(coarse[..., 0].ravel(), stored("torus/pressed")[..., 0].ravel())[0, 1]
    assert pattern > 0.95


def test_a_pad_that_nothing_touches_stays_at_rest() -> None:
    particles = ElasticParticles(COARSE)
    for _ in range(5):
        force = particles.step(PressedBall(0.008), np.array([0.0, 0.0, 0.01]), np.zeros(3))
    assert not force.any()
    np.testing.assert_allclose(particles.places, particles.start, atol=1e-15)


@pytest.mark.parametrize("shape", [PressedBall(0.008), PressedEdge(0.014), PressedTorus(0.006, 0.002)])
def test_distances_grow_by_a_metre_a_metre_along_their_directions(shape: Indenter) -> None:
    points = np.random.default_rng(0).uniform((-0.005, -0.005, 0.0), (0.005, 0.005, 0.003), (200, 3))
    distance, out = shape.distance(points)
    inside = distance < -1e-5
    assert inside.any()
    np.testing.assert_allclose(np.linalg.norm(out, axis=1), 1.0, atol=1e-12)
    further, _ = shape.distance(points + 1e-7 * out)
    np.testing.assert_allclose((further - distance)[inside], 1e-7, atol=2e-10)
    (touching,), _ = shape.distance(
        np.zeros((1, 3)) if not isinstance(shape, PressedTorus) else np.array([[0.006, 0, 0]])
    )
    assert touching == pytest.approx(0.0, abs=1e-12)


def test_maps_are_drawn(tmp_path: Path) -> None:
    draw({name: stored(name) for name in ("sphere/pressed", "sphere/sheared")}, tmp_path / "maps.png")
    assert (tmp_path / "maps.png").stat().st_size > 1000
