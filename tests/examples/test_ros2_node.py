"""A policy as a ROS 2 node, in a ROS of a few lines: topics, timers and a clock that the test moves on."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import mmrl

EXAMPLE = Path(__file__).parents[2] / "examples" / "ros2_node.py"


class Stamp:
    """An instant as messages have it."""

    def __init__(self, seconds: float) -> None:
        self.nanoseconds = round(seconds * 1e9)

    def to_msg(self) -> "Stamp":
        return self


class Topics:
    """Who listens to a topic, and what was published; warnings of the node are kept, too."""

    def __init__(self) -> None:
        self.now = 0.0
        self.listeners: dict[str, Callable[[Any], None]] = {}
        self.published: list[Any] = []
        self.ticks: list[Callable[[], None]] = []
        self.said: list[str] = []


class Node:
    """The part of a node of rclpy that the example uses."""

    ros: Topics

    def __init__(self, name: str) -> None:
        self.name = name

    def declare_parameter(self, name: str, usual: Any) -> Any:
        return SimpleNamespace(value=usual)

    def create_subscription(self, kind: Any, topic: str, callback: Any, qos: Any, callback_group: Any) -> None:
        self.ros.listeners[topic] = callback

    def create_publisher(self, kind: Any, topic: str, depth: int) -> Any:
        return SimpleNamespace(publish=self.ros.published.append)

    def create_timer(self, period_s: float, callback: Any, group: Any) -> None:
        self.period_s = period_s
        self.ros.ticks.append(callback)

    def get_clock(self) -> Any:
        return SimpleNamespace(now=lambda: Stamp(self.ros.now))

    def get_logger(self) -> Any:
        def say(text: str, throttle_duration_sec: float = 0.0) -> None:
            self.ros.said.append(text)

        return SimpleNamespace(warning=say, error=say, info=say)


class Message:
    """A message whose parts appear when they are asked for."""

    def __init__(self, **parts: Any) -> None:
        vars(self).update(parts)

    def __getattr__(self, name: str) -> Any:
        part = Message()
        setattr(self, name, part)
        return part


def module(name: str, **parts: Any) -> ModuleType:
    made = ModuleType(name)
    vars(made).update(parts)
    return made


@pytest.fixture
def ros(monkeypatch: pytest.MonkeyPatch) -> Topics:
    Node.ros = Topics()
    kinds = dict.fromkeys(("TwistStamped", "WrenchStamped", "Image", "JointState"), Message)
    for made in (
        module("rclpy"),
        module("rclpy.callback_groups", MutuallyExclusiveCallbackGroup=object, ReentrantCallbackGroup=object),
        module("rclpy.executors", MultiThreadedExecutor=object),
        module("rclpy.node", Node=Node),
        module("rclpy.qos", qos_profile_sensor_data=None),
        module("rclpy.time", Time=SimpleNamespace(from_msg=lambda stamp: stamp)),
        module("geometry_msgs"),
        module("geometry_msgs.msg", **kinds),
        module("sensor_msgs"),
        module("sensor_msgs.msg", **kinds),
    ):
        monkeypatch.setitem(sys.modules, made.__name__, made)
    return Node.ros


@pytest.fixture
def example(ros: Topics) -> Any:
    spec = importlib.util.spec_from_file_location("ros2_node", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    made: Any = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def messages(seen: dict[str, Any], now: float, first: bool) -> Iterator[tuple[str, Message]]:
    """The readings of a control step, each at its own instant; one of each at the reset."""
    for age in reversed(range(1 if first else 32)):
        header = Message(stamp=Stamp(now - age / 1000))
        wrench, place = (seen[name][-1 - age] for name in ("force_torque", "proprioception"))
        force, torque = (Message(x=x, y=y, z=z) for x, y, z in (wrench[:3], wrench[3:]))
        yield "wrench", Message(header=header, wrench=Message(force=force, torque=torque))
        yield "tool_state", Message(header=header, position=place[:4], velocity=place[4:])
    image = seen["camera"]
    yield "camera/image_raw", Message(header=header, data=image.tobytes(), height=image.shape[0], width=image.shape[1])


def test_the_node_moves_the_tool_as_the_policy_does_in_the_simulator(ros: Topics, example: Any) -> None:
    node, policy = example.PolicyNode(), mmrl.load("peg_insertion")
    with gym.make("mmrl_envs:mmrl/PegInsertion-v0") as env:
        seen, _ = env.reset(seed=5)
        for step in range(4):
            ros.now = 100.0 + step * node.period_s
            for topic, message in messages(seen, ros.now, first=step == 0):
                ros.listeners[topic](message)
            (tick,) = ros.ticks
            tick()
            action, linear = policy.act(seen), ros.published[-1].twist.linear
            full = example.STEP_M / node.period_s  # metres a second
            np.testing.assert_allclose([linear.x, linear.y, linear.z], full * action, atol=1e-6)
            seen, *_ = env.step(action)
    assert ros.said == []


def test_the_tool_stands_still_without_readings_and_late_ones_are_left_out(ros: Topics, example: Any) -> None:
    example.PolicyNode()
    ros.ticks[0]()
    linear = ros.published[-1].twist.linear
    assert (linear.x, linear.y, linear.z) == (0.0, 0.0, 0.0)
    assert "the policy has nothing to go by" in ros.said[0]
    seen = {name: np.zeros((32, size)) for name, size in (("force_torque", 6), ("proprioception", 8))}
    seen["camera"] = np.zeros((64, 64, 3), np.uint8)
    for now in (2.0, 1.0):
        for topic, message in messages(seen, now, first=True):
            ros.listeners[topic](message)
    assert [text.partition(" was read at")[0] for text in ros.said[1:]] == [
        "'force_torque'", "'proprioception'", "'camera'"
    ]  # fmt: skip
