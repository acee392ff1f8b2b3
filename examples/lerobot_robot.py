"""A trained policy on a LeRobot robot: `drive(robot, runner, observations, actions, seconds)`.

A LeRobot `Robot` gives flat names ("shoulder_pan.pos", "front") and takes flat names; a policy has senses with rows of
numbers and images, and actions of numbers. The two tables say which is which:

    from lerobot.robots.so101_follower import SO101Follower, SO101FollowerConfig
    from mmrl.deploy import Runner

    robot = SO101Follower(SO101FollowerConfig(port="/dev/ttyACM0", cameras={"front": ...}))
    robot.connect()
    drive(robot, Runner("runs/RUN"),
          observations={"camera": "front", "joints": ("shoulder_pan.pos", "shoulder_lift.pos")},
          actions={"shoulder_pan.pos": 5.0, "shoulder_lift.pos": 5.0},     # degrees of a full action
          seconds=30)

Actions here are steps from where the robot is, as in the suite's own tasks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from mmrl.deploy import Runner, RunReport


class LeRobot(Protocol):
    """A connected `lerobot.robots.Robot`, as far as it is needed."""

    def get_observation(self) -> dict[str, Any]:
        """Numbers and images by their names."""

    def send_action(self, action: dict[str, Any]) -> dict[str, Any]:
        """Goals by their names; what was sent after the robot's own limits."""


def drive(
    robot: LeRobot,
    runner: Runner,
    observations: Mapping[str, str | Sequence[str]],
    actions: Mapping[str, float],
    seconds: float,
    clock: Callable[[], float] = time.monotonic,
) -> RunReport:
    """Drive a robot for so long, at the rate of the policy; returns how it went.

    Args:
        robot: connected and calibrated.
        runner: the policy in its loop.
        observations: for each sense the name of an image, or the names of the numbers of a reading.
        actions: names of the goals, in the order of the policy's numbers, with the step of a full action.
        seconds: for how long.
        clock: the time in seconds.

    Raises ValueError for a name that the robot does not have, and NotRunnable where the robot has to stop.
    """
    began = clock()
    ticks = round(seconds * runner.hz)
    for tick in range(ticks):
        seen, now = robot.get_observation(), clock()
        for sense, names in observations.items():
            runner.push(sense, now, _reading(seen, names))
        step = runner.tick(now)
        robot.send_action(
            {name: seen[name] + part * full for (name, full), part in zip(actions.items(), step, strict=True)}
        )
        time.sleep(max(0.0, began + (tick + 1) / runner.hz - clock()))
    return runner.report()


def _reading(seen: Mapping[str, Any], names: str | Sequence[str]) -> np.ndarray:
    wanted = (names,) if isinstance(names, str) else names
    if missing := [name for name in wanted if name not in seen]:
        raise ValueError(f"the robot does not observe {', '.join(missing)}; it observes {', '.join(seen)}")
    return np.asarray(seen[names]) if isinstance(names, str) else np.array([seen[name] for name in names])
