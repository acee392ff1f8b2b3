"""A trained policy as a ROS 2 node. Needs a ROS 2 installation (rclpy); the tests run it without one, on fakes.

    ros2 run your_package ros2_node.py --ros-args -p policy:=/path/to/run

The robot publishes its wrench, its camera and its place; the node publishes how far the tool is to move. Subscriptions
run in a group of their own, so that readings arrive while the policy thinks (a MultiThreadedExecutor).
"""

from __future__ import annotations

import numpy as np
import rclpy
from geometry_msgs.msg import TwistStamped, WrenchStamped
from rclpy.callback_groups import MutuallyExclusiveCallbackGroup, ReentrantCallbackGroup
from rclpy.executors import MultiThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from rclpy.time import Time
from sensor_msgs.msg import Image, JointState

from mmrl.deploy import NotRunnable, Runner

STEP_M = 0.006
"""Metres of a full action, `step_m` of the impedance controller that the policy was trained with."""


def seconds(stamp: object) -> float:
    """A stamp of a message in seconds."""
    return Time.from_msg(stamp).nanoseconds * 1e-9


class PolicyNode(Node):
    """Subscribes to the senses of the policy and publishes its actions as velocities of the tool."""

    def __init__(self) -> None:
        super().__init__("mmrl_policy")
        source = self.declare_parameter("policy", "peg_insertion").value
        self._runner = Runner(source)
        readings = ReentrantCallbackGroup()
        topics = {
            "force_torque": (WrenchStamped, "wrench", self._on_wrench),
            "camera": (Image, "camera/image_raw", self._on_image),
            "proprioception": (JointState, "tool_state", self._on_state),
        }
        for name, (kind, topic, callback) in topics.items():
            if name in self._runner.senses:
                self.create_subscription(kind, topic, callback, qos_profile_sensor_data, callback_group=readings)
        self._velocity = self.create_publisher(TwistStamped, "tool_velocity", 1)
        self._timer = self.create_timer(1 / self._runner.hz, self._tick, MutuallyExclusiveCallbackGroup())

    def _on_wrench(self, message: WrenchStamped) -> None:
        force, torque = message.wrench.force, message.wrench.torque
        wrench = [force.x, force.y, force.z, torque.x, torque.y, torque.z]
        self._push("force_torque", message.header.stamp, np.array(wrench))

    def _on_image(self, message: Image) -> None:
        # rgb8 of the size that the policy was trained with; resize it here where the camera gives another
        pixels = np.frombuffer(message.data, np.uint8).reshape(message.height, message.width, 3)
        self._push("camera", message.header.stamp, pixels)

    def _on_state(self, message: JointState) -> None:
        self._push("proprioception", message.header.stamp, np.array([*message.position, *message.velocity]))

    def _push(self, sense: str, stamp: object, reading: np.ndarray) -> None:
        try:
            self._runner.push(sense, seconds(stamp), reading)
        except ValueError as error:  # a reading out of order or of another shape is left out
            self.get_logger().warning(str(error), throttle_duration_sec=1.0)

    def _tick(self) -> None:
        message = TwistStamped()
        message.header.stamp = self.get_clock().now().to_msg()
        try:
            action = self._runner.tick(seconds(message.header.stamp))
        except NotRunnable as error:
            self.get_logger().error(str(error), throttle_duration_sec=1.0)
            action = np.zeros(3)  # stands still
        linear = message.twist.linear
        linear.x, linear.y, linear.z = (float(part) * STEP_M * self._runner.hz for part in action[:3])
        self._velocity.publish(message)


def main() -> None:
    """Runs the node until it is stopped."""
    rclpy.init()
    node = PolicyNode()
    executor = MultiThreadedExecutor()
    executor.add_node(node)
    try:
        executor.spin()
    finally:
        node.get_logger().info(str(node._runner.report()))
        node.destroy_node()
        rclpy.shutdown()


if __name__ == "__main__":
    main()
