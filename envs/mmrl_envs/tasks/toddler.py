"""A biped that learns to walk: rock from foot to foot, let the legs swing, do not fall.

The task of Tedrake, Zhang and Seung, "Learning to walk in 20 minutes" (Yale Workshop 2005): a passive walker, which
walks down a ramp by itself, learns to walk on the flat with the four servos of its ankles. 20 s from a lean on one
foot. It has fallen, and the episode ends, where the contact leaves the real sole of a foot, where the trunk tilts by
more than 0.45 rad or where a hip opens by more than 0.7 rad.

Letters: N = worlds, n = those being reset, S = physics steps per control step, F = 2 feet, left and right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.physics.engines import BULLET, DEFAULT_ENGINE, make_world
from mmrl_envs.physics.world import World
from mmrl_envs.robots.toddler import ANKLES, CONTACT, GROUND_BITS, HIPS, SIDES, TRUNK, Build, Toddler
from mmrl_envs.scenes.ground import GRAVITY, WAVELENGTHS, Ground, add_ground, make_open_air, upright_on
from mmrl_envs.sensors.feet import FootForces
from mmrl_envs.sensors.imu import Imu
from mmrl_envs.sensors.proprioception import JointProprioception
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with

WALKING_M_S = 0.15
"""Speed that the reward asks for, in m/s."""
GOOD_M_S, GOOD_AFTER_S = 0.05, 5.0
"""Mean speed in m/s from the start on that is success, and the seconds after which it counts."""
MOST_TILT_RAD, MOST_HIP_RAD = 0.45, 0.7
"""Tilt of the trunk and angle of a hip beyond which the walker has fallen."""
SHORTEST_SWING_S = 0.02
"""Seconds off the ground after which the next contact of a foot is a landing: one that grazes has not left."""
_JOINT = 0.8
"""Bound of what proprioception reports of a joint in radians, beyond all that does not end an episode."""


def steepest_slope(build: Build) -> float:
    """The slope in radians beyond which the stance does not hold: let go, it rocks over the end of its sole.

    A body whose mass is at the height h on a sole of radius R comes to rest on a slope a where its contact is
    a R h / (R - h) from the lowest point of the sole (small angles), and let go in the stance it rocks twice as far.
    """
    radius, height = build.pitch_radius, build.height_of_mass
    return build.sole_length / 2 * (radius - height) / (2 * radius * height)


_BUILD = Build()
_SLOPE = round(steepest_slope(_BUILD), 2)


@dataclass(frozen=True)
class WalkReward(RewardWeights):
    """Weights of the terms of the reward."""

    speed: float = 0.1
    """Of the speed ahead at `WALKING_M_S`; more than 1.2 times that counts as that."""
    upright: float = 0.02
    """Of a step without a fall."""
    turning: float = -0.01
    """Of a radian a second about the vertical."""
    effort: float = -0.025
    """Of a radian that a servo turns."""
    straying: float = -0.05
    """Of a metre a second to the side."""
    fall: float = -0.5
    """Of a fall."""


class ToddlerWalk(Task):
    """Walk ahead, along x.

    Args:
        reward_weights: those weights that differ from the usual ones, by the names of `WalkReward`.
    """

    robot = Toddler(_BUILD)
    senses = (
        JointProprioception(
            "proprioception",
            rate_hz=25,
            history=1,
            joints=robot.joints,
            low=(-_JOINT,) * len(robot.joints),
            high=(_JOINT,) * len(robot.joints),
        ),
        Imu(),
        FootForces(),
    )
    parameters = (
        Parameter("slope_rad", 0.0, -_SLOPE, _SLOPE, "slope of the ground, down ahead where above 0"),
        Parameter("roughness_mm", 0.0, 0.0, 5.0, "standard deviation of the height of bumps of 25 to 70 cm length"),
        Parameter("start_lean_rad", (-0.12, 0.12), -0.15, 0.15, "lean at the start, onto the right foot where above 0"),
    )
    figures = (
        Figure("speed_m_s", "m/s", "mean", "high", "Speed ahead.", score=True),
        Figure("relative_speed", "", "mean", "high", "Speed as a share of sqrt(g l), l the height of the hips."),
        Figure("falls_per_minute", "", "mean", "low", "Falls per minute of the episode."),
        Figure("cost_of_transport", "", "last", "low", "Work of the servos per weight and distance ahead."),
        Figure("aside_m", "m", "last", None, "Distance to the left of where it began."),
        Figure("landings", "", "last", None, "How often a foot has landed."),
    )
    reward_terms = tuple(field.name for field in fields(WalkReward))
    privileged_size = 3 + 3 + 3 + 6 + 6 + 2 + 4 + 2

    def __init__(self, *, reward_weights: Mapping[str, float] | None = None) -> None:
        self._weights = weights_with(WalkReward, reward_weights)

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The ground under a lamp, and the walker, whom the spectator's camera follows."""
        spec = make_open_air(physics_hz)
        add_ground(spec, GROUND_BITS, condim=4, friction=(1.0, self.robot.build.torsion, 1e-4), **CONTACT)
        self.robot.install(spec)
        # beside the walker and with it, looking to the left and a little down
        beside = {"pos": [0.45, -0.85, 0.15], "xyaxes": [0.9, 0.42, 0, -0.1, 0.2, 1], "fovy": 32}
        spec.body(TRUNK).add_camera(name="scene_camera", mode=mujoco.mjtCamLight.mjCAMLIGHT_TRACK, **beside)
        return [spec]

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        if engine == BULLET:
            raise ValueError(f"soles roll as ellipsoids, which {engine} has not: leave engine at {DEFAULT_ENGINE!r}")
        return make_world(engine, models, num_worlds, substeps=substeps, num_threads=num_threads)

    def attach(self, world: World) -> None:
        super().attach(world)
        build, n = self.robot.build, world.num_worlds
        self._ground = Ground(world)
        self._control_s = world.substeps / world.physics_hz
        self._time, self._work, self._ahead = np.zeros(n), np.zeros(n), np.zeros(n)
        self._spots, self._bears = np.zeros((n, 2, 2)), np.zeros((n, 2))
        self._ramp, self._landings, self._aloft = np.zeros((n, 2)), np.zeros(n), np.zeros((n, 2))
        self._edges = _edges(build)

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        drawn = streams.uniform(worlds, (len(WAVELENGTHS), 2))
        slope, roughness, lean = context["slope_rad"], context["roughness_mm"] / 1000, context["start_lean_rad"]
        self._ground.shape(worlds, slope, roughness, drawn)
        self._ramp[worlds] = np.stack([slope, roughness], axis=1)
        for array in (self._time, self._work, self._ahead, self._spots, self._bears, self._landings, self._aloft):
            array[worlds] = 0.0
        bearing = np.where(lean > 0, SIDES.index("right"), SIDES.index("left"))
        place = self.robot.under_the_feet(lean)[np.arange(len(worlds)), bearing]
        # both feet begin on the plane under the one that bears the weight, and the walker stands upright on it
        self._ground.lay(worlds, np.repeat(place[:, None], 2, axis=1))
        height, normal = self._ground.at(worlds, place[:, None])
        qpos = self.robot.leaning(lean)
        qpos[:, :7] = _on_ground(qpos[:, :7], place, height[:, 0], normal[:, 0])
        return Start(qpos)

    def assess(self) -> Outcome:
        velocity = self.world.recorded("trunk_velocity").mean(axis=1)
        turning = self.world.recorded("trunk_turning")[..., 2].mean(axis=1)
        spots, bears = self._on_soles()
        fell = self._fell(spots, bears)
        effort = self._effort()
        self._time += self._control_s
        self._ahead += velocity[:, 0] * self._control_s
        self._spots[:], self._bears[:] = spots[:, -1], bears[:, -1]
        self._count_landings(bears)
        self._follow()
        terms = self._reward(velocity, turning, effort, fell)
        speed = velocity[:, 0]
        success = ~fell & (self._time >= GOOD_AFTER_S) & (self._ahead >= GOOD_M_S * self._time)
        figures = {
            "speed_m_s": speed,
            "relative_speed": speed / np.sqrt(GRAVITY * self.robot.build.hip),
            "falls_per_minute": fell * (60.0 / self._control_s),
            "cost_of_transport": self._work / (self.robot.build.mass * GRAVITY * np.maximum(self._ahead, 0.01)),
            "aside_m": self.world.current("trunk_place")[:, 1].copy(),
            "landings": self._landings.copy(),
        }
        return Outcome(sum(terms.values(), np.zeros(len(speed))), success, fell, figures, terms)

    def _reward(
        self, velocity: FloatArray, turning: FloatArray, effort: FloatArray, fell: BoolArray
    ) -> dict[str, FloatArray]:
        amounts = (
            np.minimum(velocity[:, 0] / WALKING_M_S, 1.2),
            np.ones(len(fell)),
            np.abs(turning),
            effort,
            np.abs(velocity[:, 1]),
            fell.astype(np.float64),
        )
        return {name: vars(self._weights)[name] * each for name, each in zip(self.reward_terms, amounts, strict=True)}

    def _on_soles(self) -> tuple[FloatArray, BoolArray]:
        """Where the sole of each foot is lowest at each physics step, and whether it touches the ground there.

        Returns:
            x ahead of and y outward from the lowest point in the stance, (N, S, F, 2); (N, S, F).
        """
        spots, bears = [], []
        for foot, side in enumerate(SIDES):
            up = self._ground.up[:, foot]
            axes = [self.world.recorded(f"{side}_foot_{axis}") for axis in "xyz"]
            seen = np.stack([np.einsum("nd,nsd->ns", up, axis) for axis in axes], axis=-1)  # up in the foot's frame
            spots.append(self.robot.lowest(seen)[..., :2] * (1.0, 1.0 - 2.0 * foot))
            bears.append(self.world.recorded(f"{side}_contacts")[..., 0] > 0)
        return np.stack(spots, axis=2), np.stack(bears, axis=2)

    def _fell(self, spots: FloatArray, bears: BoolArray) -> BoolArray:
        """Whether the walker has fallen within the control step, (N,)."""
        low, high = self._edges
        off = bears & ((spots < low) | (spots > high)).any(axis=-1)
        tilted = self.world.recorded("trunk_up")[..., 2] < np.cos(MOST_TILT_RAD)
        open_ = np.stack([np.abs(self.world.recorded(f"{hip}_angle")[..., 0]) > MOST_HIP_RAD for hip in HIPS])
        fell: BoolArray = off.any(axis=(1, 2)) | tilted.any(axis=1) | open_.any(axis=(0, 2))
        return fell

    def _count_landings(self, bears: BoolArray) -> None:
        """Adds the landings of a control step, at most one a foot; bears, (N, S, F), as of `_on_soles`."""
        step = 1.0 / self.world.physics_hz
        touched, count = bears.any(axis=1), bears.shape[1]
        before = self._aloft + step * np.where(touched, bears.argmax(axis=1), 0)
        self._landings += (touched & (before >= SHORTEST_SWING_S)).sum(axis=1)
        since = step * np.where(touched, bears[:, ::-1].argmax(axis=1), count)
        self._aloft[:] = np.where(touched, since, self._aloft + since)

    def _effort(self) -> FloatArray:
        """How far the servos have turned in radians, all together, (N,); adds their work."""
        turned: FloatArray = np.zeros(len(self._time))
        for servo in ANKLES:
            rate = self.world.recorded(f"{servo}_rate")[..., 0]
            power = np.maximum(self.world.recorded(f"{servo}_torque")[..., 0] * rate, 0.0)
            self._work += power.mean(axis=1) * self._control_s
            turned += np.abs(rate).mean(axis=1) * self._control_s
        return turned

    def _follow(self) -> None:
        """Lays the ground of each foot where the foot is now."""
        places = []
        for foot, side in enumerate(SIDES):
            axes = np.stack([self.world.current(f"{side}_foot_{axis}") for axis in "xyz"], axis=1)  # (N, 3 axes, 3)
            low = self.robot.lowest(np.einsum("nd,nad->na", self._ground.up[:, foot], axes))
            low[:, 2] -= self.robot.build.ankle
            places.append((self.world.current(f"{side}_foot_place") + np.einsum("na,nad->nd", low, axes))[:, :2])
        self._ground.lay(np.arange(len(self._time)), np.stack(places, axis=1))

    def privileged(self) -> NDArray[np.float32]:
        """How trunk and joints are and move, where the soles are lowest and bear, slope and roughness."""
        reading = self.world.current
        joints = np.nan_to_num(np.concatenate([5 * self.world.qpos[:, 7:], self.world.qvel[:, 6:] / 3], axis=1))
        trunk = [reading("trunk_up"), reading("trunk_velocity") / 0.2, reading("trunk_turning")]
        feet = [self._bears, self._spots.reshape(-1, 4) / 0.05, self._ramp / (0.05, 0.005)]
        columns: FloatArray = np.concatenate([*trunk, joints, *feet], axis=1)
        return columns.clip(-10.0, 10.0).astype(np.float32)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        names = ("time", "work", "ahead", "spots", "bears", "ramp", "landings", "aloft")
        return {name: vars(self)[f"_{name}"] for name in names} | self._ground.arrays()


def _edges(build: Build) -> tuple[FloatArray, FloatArray]:
    """Least and largest x ahead of and y outward from the lowest point of a sole that are on it, (2,) each."""
    end = build.sole_length / 2
    return np.array([-end, build.sole_inner - build.sole_y]), np.array([end, build.sole_outer - build.sole_y])


def _on_ground(pose: FloatArray, place: FloatArray, height: FloatArray, normal: FloatArray) -> FloatArray:
    """Poses (n, 7) on level ground moved onto ground of another height (n,) and normal (n, 3) at a place (n, 2)."""
    quat, moved = upright_on(normal), pose.copy()
    turned, product = np.zeros(3), np.zeros(4)
    for world in range(len(pose)):
        mujoco.mju_rotVecQuat(turned, pose[world, :3] - [*place[world], 0.0], quat[world])
        mujoco.mju_mulQuat(product, quat[world], pose[world, 3:])
        moved[world, :3] = turned + np.array([*place[world], height[world]])
        moved[world, 3:] = product
    return moved
