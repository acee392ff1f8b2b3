"""The fit of a return map finds the eigenvalues of a map that is known."""

import numpy as np

from benchmarks.return_map import SETTLING, STATE, fit

STATES = len(STATE)


def series_of(matrix: np.ndarray, walks: int, rng: np.random.Generator) -> list[np.ndarray]:
    """Crossings of walks that follow a linear map about a mean, each from another start."""
    mean = rng.normal(size=STATES)
    series = []
    for _ in range(walks):
        away = rng.normal(size=STATES)
        crossings = [rng.normal(size=STATES) for _ in range(SETTLING)]  # on the way, and of no map
        for _ in range(20):
            crossings.append(mean + away)
            away = matrix @ away
        series.append(np.array(crossings))
    return series


def test_eigenvalues_are_those_of_the_map() -> None:
    rng = np.random.default_rng(0)
    basis = rng.normal(size=(STATES, STATES))
    true = np.array([0.95, -0.9, 0.8, 0.7, 0.6, 0.5, 0.3, 0.1])
    found = fit(series_of(basis @ np.diag(true) @ np.linalg.inv(basis), 30, rng))
    assert found is not None
    np.testing.assert_allclose(found.eigenvalues, np.abs(true), atol=0.03)
    assert found.explained > 0.99
    assert found.pairs == 30 * 19


def test_a_walker_that_stops_has_no_map() -> None:
    rng = np.random.default_rng(0)
    assert fit([rng.normal(size=(3, STATES)), np.zeros((0, STATES))]) is None
