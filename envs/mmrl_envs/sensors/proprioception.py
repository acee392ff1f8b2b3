"""Proprioception: where the tool or the joints are and how fast they move."""

from __future__ import annotations

from collections.abc import Sequence

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality
from mmrl_envs.arguments import numbers, whole
from mmrl_envs.robots import panda
from mmrl_envs.sensors.base import Requires, Sensor, View

_MARGIN_RAD, _SPEED = 0.1, 50.0


class Proprioception(Sensor):
    """Tool-tip position and yaw, then their velocities: T x 2d with d = 4.

    Columns: x, y, z in metres and yaw in radians in the workspace frame (z up, zero at the centre of the
    workspace at the height of the block's top face), then the same four per second.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        encoder: how a policy encodes the window; unset is a network over its newest reading.
    """

    requires = Requires(readings=("tip_position", "tip_xaxis", "tip_velocity", "tip_angular_velocity"))
    noise_unit = (1e-3, 1e-3, 1e-3, 1e-2, 1e-2, 1e-2, 1e-2, 1e-1)

    def __init__(
        self,
        name: str = "proprioception",
        *,
        rate_hz: float = 1000.0,
        history: int = 32,
        encoder: EncoderSpec | None = None,
    ) -> None:
        bound = (1.0, 1.0, 1.0, np.pi, 10.0, 10.0, 10.0, 100.0)
        self.modality = Modality(
            name=name,
            shape=(8,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=tuple(-b for b in bound),
            high=bound,
            unit=("m", "m", "m", "rad", "m/s", "m/s", "m/s", "rad/s"),
            labels=("x", "y", "z", "yaw", "vx", "vy", "vz", "yaw rate"),
            # centimetres and millimetres; yaw in units that saturate at tens of degrees and degrees
            encoder=encoder
            or MLP(
                hidden=(64,),
                features=64,
                window="last",
                squash=(
                    (20.0, 20.0, 20.0, 1.0, 5.0, 5.0, 5.0, 1.0),
                    (150.0, 150.0, 150.0, 10.0, 50.0, 50.0, 50.0, 10.0),
                ),
            ),
        )

    def read(self, view: View) -> NDArray[np.float64]:
        """Poses and velocities, (n, k, 8)."""
        position, axis = view["tip_position"], view["tip_xaxis"]
        out = np.empty((*position.shape[:2], 8))
        out[:, :, :3] = position
        np.arctan2(axis[:, :, 1], axis[:, :, 0], out=out[:, :, 3])
        out[:, :, 4:7] = view["tip_velocity"]
        out[:, :, 7] = view["tip_angular_velocity"][:, :, 2]
        return out


class JointProprioception(Sensor):
    """Joint angles, then joint velocities: T x 2d with a joint for each of d columns.

    Args:
        name: key in the observation.
        rate_hz: readings per second.
        history: T.
        joints: names of the d hinges; unset are those of the Panda.
        low: smallest angles in radians, (d,), a margin beyond the joints' limits; unset are the Panda's.
        high: largest angles in radians, (d,), likewise.
        encoder: how a policy encodes the window; unset is a network over its newest reading.
    """

    def __init__(
        self,
        name: str = "joint_proprioception",
        *,
        rate_hz: float = 1000.0,
        history: int = 32,
        joints: Sequence[str] = panda.JOINT_NAMES,
        low: Sequence[float] = tuple((panda.JOINT_LOW - _MARGIN_RAD).tolist()),
        high: Sequence[float] = tuple((panda.JOINT_HIGH + _MARGIN_RAD).tolist()),
        encoder: EncoderSpec | None = None,
    ) -> None:
        d, self.requires = len(joints), Requires(joints=tuple(joints))
        self.noise_unit = (1e-3,) * d + (1e-2,) * d
        self.modality = Modality(
            name=name,
            shape=(2 * d,),
            rate_hz=rate_hz,
            history=whole("history", history, 1),
            low=(*numbers("low", low, d), *(-_SPEED,) * d),
            high=(*numbers("high", high, d), *(_SPEED,) * d),
            unit=("rad",) * d + ("rad/s",) * d,
            labels=(*(f"q{i}" for i in range(1, d + 1)), *(f"dq{i}" for i in range(1, d + 1))),
            encoder=encoder or MLP(hidden=(64,), features=64, window="last"),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds position and velocity sensors of the joints."""
        for kind, what in (
            (mujoco.mjtSensor.mjSENS_JOINTPOS, "position"),
            (mujoco.mjtSensor.mjSENS_JOINTVEL, "velocity"),
        ):
            for joint in self.requires.joints:
                name = f"{self.modality.name}/{what}/{joint}"
                spec.add_sensor(name=name, type=kind, objtype=mujoco.mjtObj.mjOBJ_JOINT, objname=joint)

    def read(self, view: View) -> NDArray[np.float64]:
        """Angles and velocities, (n, k, 2d)."""
        joints = self.requires.joints
        columns = [
            view[f"{self.modality.name}/{what}/{joint}"] for what in ("position", "velocity") for joint in joints
        ]
        return np.concatenate(columns, axis=2)
