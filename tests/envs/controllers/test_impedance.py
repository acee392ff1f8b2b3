"""Settings of the impedance controller."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.controllers.impedance import Impedance

SELF: list[Any] = []
SELF.append(SELF)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (1000, "impedance is an Impedance or a mapping from its settings to values, got 1000"),
        ({"damping": float("nan")}, "Impedance.damping must be finite, got nan"),
        ({"rotational_damping": float("inf")}, "Impedance.rotational_damping must be finite, got inf"),
        ({"stiffness": float("inf")}, "Impedance.stiffness must be finite, got inf"),
        ({"stiffness": "soft"}, "Impedance.stiffness must be float, got 'soft'"),
        ({"lead_m": 0}, "Impedance.lead_m must be positive, got 0"),
        ({"damping": -1}, "Impedance.damping must not be negative, got -1"),
        ({"low": (0.0, 0.0)}, r"Impedance.low must be .*, got \(0.0, 0.0\)"),
        ({"high": [[1, 1, 1, 1]]}, "Impedance.high must be .*, got"),
        ({"high": SELF}, "Impedance.high must be .*, got"),
        ({"high": (0.1, 0.1, float("nan"), 1.0)}, "Impedance.high must be finite"),
        ({"low": (0.2, 0.0, 0.0, 0.0)}, "Impedance.low must be below Impedance.high, got"),
    ],
)
def test_what_no_controller_can_hold_is_refused_at_construction(settings: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=("proprioception",), impedance=settings)


def test_numbers_of_numpy_and_lists_are_settings() -> None:
    stiff = Impedance(stiffness=np.int64(1000), low=[-0.1, -0.1, -0.05, -1])  # type: ignore[arg-type]  # as YAML has it
    assert stiff.max_force_n == 7.5
    assert stiff.low == (-0.1, -0.1, -0.05, -1.0)
