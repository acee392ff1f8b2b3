"""A policy on a robot with LeRobot's interface."""

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrl.deploy import Runner
from mmrl.modality import MLP, Modality

EXAMPLE = Path(__file__).parents[2] / "examples" / "lerobot_robot.py"
SPEC = importlib.util.spec_from_file_location("lerobot_robot", EXAMPLE)
assert SPEC is not None
assert SPEC.loader is not None
EXAMPLES: Any = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(EXAMPLES)


class Homing:
    """Moves each joint towards zero, a full step at a time."""

    modalities = {"joints": Modality("joints", (2,), 200.0, MLP())}  # noqa: RUF012 - a constant
    hz = 200.0

    def act(self, observation: Any, present: Any = None) -> Any:
        return np.clip(-np.asarray(observation["joints"]), -1.0, 1.0)

    def reset(self, worlds: Any = None) -> None:
        """Nothing is remembered."""


class Arm:
    """A robot whose joints go where they are told."""

    def __init__(self) -> None:
        self.at: dict[str, Any] = {"pan.pos": 7.0, "lift.pos": -4.0}

    def get_observation(self) -> dict[str, Any]:
        return dict(self.at)

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        self.at = dict(action)
        return action


def test_the_robot_goes_where_the_policy_wants() -> None:
    arm = Arm()
    names = {"joints": ("pan.pos", "lift.pos")}
    report = EXAMPLES.drive(arm, Runner(Homing()), names, {"pan.pos": 1.0, "lift.pos": 1.0}, seconds=0.05)
    assert arm.at == {"pan.pos": 0.0, "lift.pos": 0.0}
    assert report.ticks == 10


def test_a_name_that_the_robot_does_not_have_is_refused() -> None:
    with pytest.raises(ValueError, match=r"does not observe tilt.pos; it observes pan.pos, lift.pos"):
        EXAMPLES.drive(Arm(), Runner(Homing()), {"joints": ("pan.pos", "tilt.pos")}, {}, seconds=0.05)
