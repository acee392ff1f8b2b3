"""Taxels share a force and a moment without a rest."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mmrl_envs.sensors.tactile.glove import GLOVE_TAXELS, glove_mask
from mmrl_envs.sensors.tactile.taxels import SAMPLES, Taxels

SIZE = (0.024, 0.030)
FINITE = st.floats(-50, 50)


def shared_out(taxels: Taxels, shares: np.ndarray, force: np.ndarray, moment: np.ndarray) -> np.ndarray:
    """Forces of the taxels, (n, k, k, 3)."""
    out = np.full((*shares.shape, 3), np.nan)
    taxels.share_out(shares, force, moment, out)
    return out


def added_up(taxels: Taxels, forces: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sums of forces (n, 3) and of moments about the normal (n,)."""
    x, y = taxels.places[..., 0], taxels.places[..., 1]
    moment = (x * forces[..., 2] - y * forces[..., 1]).sum(axis=(1, 2))
    return forces.sum(axis=(1, 2)), moment


@settings(max_examples=50, deadline=None)
@given(
    arrays(np.float64, (2, SAMPLES, SAMPLES), elements=st.floats(-1e-3, 2e-3)),
    arrays(np.float64, (2, 3), elements=FINITE),
    arrays(np.float64, (2,), elements=st.floats(-1, 1)),
)
def test_they_add_up_to_force_and_moment(depth: np.ndarray, force: np.ndarray, moment: np.ndarray) -> None:
    depth[:, :8, :8] = 1e-3  # something to turn
    taxels = Taxels(SIZE, 8, 0.5e-3)
    sums, turning = added_up(taxels, shared_out(taxels, taxels.shares(depth), force, moment))
    np.testing.assert_allclose(sums, force, atol=1e-9)
    np.testing.assert_allclose(turning, moment, atol=1e-9)


def test_the_force_of_one_deep_sample_is_spread_by_a_gaussian_over_the_areas_of_taxels() -> None:
    # 1.5 mm taxels, blur 0.75 mm, a sample 0.375 mm aside of the middle of its taxel: along a line that gets
    # Phi(0.5) - Phi(-1.5) = 0.69146 - 0.06681 = 0.62465, and the next
    # one Phi(2.5) - Phi(0.5) = 0.99379 - 0.69146 = 0.30233
    taxels = Taxels((0.024, 0.024), 16, 0.75e-3)
    depth = np.zeros((1, 32, 32))
    depth[0, 7, 7] = 1e-3
    shares = taxels.shares(depth)[0]
    assert shares[3, 3] == pytest.approx(0.62465**2, abs=2e-5)
    assert shares[3, 4] == pytest.approx(0.62465 * 0.30233, abs=2e-5)


def test_a_force_where_nothing_is_deep_is_that_of_the_nearest_taxel() -> None:
    taxels = Taxels(SIZE, 16, 0.5e-3)
    depth = np.full((2, 32, 32), -1e-3)
    depth[1, 4, 11] = -1e-4
    depth[0, 0, 0] = -2e-4
    shares = taxels.shares(depth)
    assert shares[1, 2, 5] == shares[0, 0, 0] == 1.0
    sums, _ = added_up(taxels, shared_out(taxels, shares, np.ones((2, 3)), np.ones(2)))
    np.testing.assert_array_equal(sums, np.ones((2, 3)))


def test_the_glove_has_548_taxels_which_take_all_the_force() -> None:
    assert glove_mask().sum() == GLOVE_TAXELS == 548
    taxels = Taxels(SIZE, 32, 0.5e-3, masked=True)
    shares = taxels.shares(np.ones((1, 32, 32)))
    forces = shared_out(taxels, shares, np.array([[5.0, 1.0, -2.0]]), np.array([0.03]))
    assert (forces[0][~glove_mask()] == 0).all()
    assert (forces[0][glove_mask()][:, 0] > 0).all()
    sums, turning = added_up(taxels, forces)
    np.testing.assert_allclose(sums, [[5.0, 1.0, -2.0]], atol=1e-9)
    np.testing.assert_allclose(turning, [0.03], atol=1e-9)
