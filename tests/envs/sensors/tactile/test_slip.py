"""The sense of slip: sliding along the pad, and nothing else."""

import numpy as np
import pytest

from mmrl.modality import TemporalConv
from mmrl_envs.sensors.tactile.slip import Slip
from tests.toys.pressing import Pressing, geom, pressing

BALL = geom("sphere", 0.006, pos=[0, 0, 0.006])


def slid(action: tuple[float, ...], steps: int = 12, sensor: Slip | None = None) -> np.ndarray:
    """Readings (steps, ...) of a ball that servos press on the pad, and then move."""
    envs = pressing(Pressing(BALL), sensor or Slip(), num_envs=1)
    envs.reset(seed=0)
    for _ in range(15):
        envs.step(np.array([[0, 0, -0.1, 0, 0, 0]], np.float32))
    return np.array([envs.step(np.array([action], np.float32))[0]["slip"][0] for _ in range(steps)])


def test_what_is_dragged_slides_that_way() -> None:
    along_x, along_y = slid((0.9, 0, -0.1, 0, 0, 0)), slid((0, -0.9, -0.1, 0, 0, 0))
    assert along_x[:, 0].max() > 0.01
    assert along_y[:, 1].min() < -0.01
    assert np.abs(along_x[:, 1]).max() < 0.1 * along_x[:, 0].max()


def test_turning_on_the_spot_is_no_slip_and_neither_is_passing_by() -> None:
    assert np.abs(slid((0, 0, -0.1, 0, 0, 0.8))).max() < 1e-3
    assert not slid((0.9, 0, 0.9, 0, 0, 0))[6:].any()


def test_a_window_of_it_has_what_has_slid_so_far_and_is_convolved_along_time() -> None:
    along = (0.9, 0, -0.1, 0, 0, 0)
    single, windows = slid(along), slid(along, sensor=Slip(history=8))
    np.testing.assert_array_equal(windows[:, -1], single)
    np.testing.assert_array_equal(windows[-1], single[-8:])
    assert Slip(history=8).modality.encoder == TemporalConv((16, 32, 32), squash=((20.0,) * 2, (300.0,) * 2))
    with pytest.raises(ValueError, match="history must be a whole number of at least 1, got 0"):
        Slip(history=0)


def test_what_it_cannot_feel_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match="no body 'pen' to feel"):
        pressing(Pressing(BALL), Slip(body="pen"))
    with pytest.raises(ValueError, match="needs the mounts palm; there are pad, side"):
        pressing(Pressing(BALL), Slip(pads=("palm",)))
