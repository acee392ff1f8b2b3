"""A biped on curved feet that rocks from one to the other and swings its legs freely from the hip.

After Tedrake, Zhang and Seung, "Learning to walk in 20 minutes" (Yale Workshop 2005): a passive walker, which needs no
motor down a ramp, with servos in its ankles. Six joints, two hips that nothing drives and a roll and a pitch in each
ankle, and four servos. Its own measures are not published; those here were found by a search for walkers that
walk by themselves (`python -m benchmarks.passive_walkers`).

Frames: x ahead, y to the left, z up. The trunk's frame is level and at the hips. The stance is where all joints
are 0; each foot has its lowest point then, in the middle of its sole from heel to toe.

A sole touches the ground as the bottom of an ellipsoid, which rolls exactly. The ellipsoid is not seen and is far
larger than the foot: whoever judges a walk has to see to it that the contact stays on the real sole.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import mujoco
import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.controllers.base import Controller
from mmrl_envs.controllers.servo import ServoController
from mmrl_envs.robots.base import Robot
from mmrl_envs.scenes.groups import ARM_GROUP

SIDES = ("left", "right")
HIPS = tuple(f"{side}_hip" for side in SIDES)
ANKLES = tuple(f"{side}_ankle_{axis}" for side in SIDES for axis in ("roll", "pitch"))
TRUNK = "trunk"
GROUND_BITS: Mapping[str, int] = {"left": 1, "right": 2}
"""Bit of the ground that the foot of a side touches: each foot may have a ground of its own."""
CONTACT: Mapping[str, tuple[float, ...]] = {"solref": (0.004, 1.0)}
"""Of soles and ground: hard, as plates on a floor are."""
UNSEEN = 5
"""Group of geoms and sites that nobody sees."""
_CASE, _METAL = (0.20, 0.24, 0.30, 1), (0.55, 0.57, 0.60, 1)
_COLOURS = {"left": (0.00, 0.45, 0.70, 1), "right": (0.90, 0.60, 0.00, 1)}
_DRAWN = {"group": ARM_GROUP, "contype": 0, "conaffinity": 0, "mass": 0.0}


@dataclass(frozen=True)
class Build:
    """Measures of the body in metres, kilograms and kg m^2."""

    roll_radius: float = 0.3185
    """Radius of a sole from side to side."""
    pitch_radius: float = 0.5849
    """Radius of a sole from heel to toe."""
    sole_y: float = 0.022
    """Distance of the lowest point of a sole from the middle."""
    sole_x: float = 0.0082
    """Distance of the lowest point of a sole ahead of the hip."""
    hip: float = 0.2514
    """Height of the hip."""
    ankle: float = 0.05
    """Height of the ankle."""
    leg_mass: float = 0.606
    """Mass of a leg with its foot."""
    leg_height: float = 0.1747
    """Height of their centre of mass."""
    leg_x: float = -0.0075
    """Distance of their centre of mass ahead of the hip."""
    leg_inertia: float = 0.0174
    """Their moment of inertia about the level axes through it."""
    leg_yaw_inertia: float = 0.0017
    """Their moment of inertia about the upright axis through it."""
    foot_mass: float = 0.12
    """Mass of a foot alone, a plate at the height of its servo."""
    servo_inertia: float = 0.005
    """Of a servo's rotor at the joint that it drives, its gears included."""
    trunk_mass: float = 1.01
    """Mass of the trunk."""
    trunk_z: float = -0.047
    """Height of the trunk's centre of mass above the hip."""
    trunk_inertia: tuple[float, float, float] = (0.002, 0.0015, 0.002)
    """Moments of inertia of the trunk about x, y and z."""
    hip_damping: float = 0.0012
    """Of a hip in N m s/rad."""
    torsion: float = 0.0139
    """Friction of a sole against turning on the spot: the radius in metres at which sliding friction acts."""
    sole_length: float = 0.18
    """Of the real sole, its lowest point in the middle."""
    sole_outer: float = 0.077
    """Distance of the outer edge of the real sole from the middle."""
    sole_inner: float = 0.001
    """Distance of its inner edge from the middle."""

    @property
    def mass(self) -> float:
        """All of it."""
        return self.trunk_mass + 2 * self.leg_mass

    @property
    def height_of_mass(self) -> float:
        """Height of the centre of mass of all of it in the stance."""
        trunk = self.trunk_mass * (self.hip + self.trunk_z)
        return (trunk + 2 * self.leg_mass * self.leg_height) / self.mass

    @property
    def half_axes(self) -> FloatArray:
        """Half axes of the ellipsoid whose bottom has the radii of the sole, (3,)."""
        upright = np.sqrt(self.roll_radius * self.pitch_radius)
        return np.array([np.sqrt(self.pitch_radius * upright), np.sqrt(self.roll_radius * upright), upright])


@dataclass(frozen=True)
class Toddler(Robot):
    """The walker.

    MuJoCo sensors, whatever senses a policy has: of the trunk "trunk_velocity" (in the world, m/s), "trunk_turning" (in
    the trunk, rad/s) and "trunk_up" (the world's z axis in the trunk); of each side the angle "left_hip_angle"
    in radians, where the foot is and its axes in the world, "left_foot_place", "left_foot_x", "left_foot_y" and
    "left_foot_z", and how many contacts it has, "left_contacts"; of each servo its torque in N m, such as
    "left_ankle_roll_torque", and its "left_ankle_roll_rate" in rad/s.
    """

    build: Build = field(default_factory=Build)
    """Its measures."""
    controller: Controller = field(
        default_factory=lambda: ServoController(ANKLES, (0.05, 0.08, 0.05, 0.08), stiffness=60.0, damping=0.6)
    )
    """How actions drive it."""
    joints: Sequence[str] = (*HIPS, *ANKLES)
    """Hips, then the ankles."""
    mounts: Mapping[str, str] = field(
        default_factory=lambda: {"head": "head", "imu": "imu"} | {f"{side}_foot": f"{side}_ankle" for side in SIDES}
    )
    """The top of the trunk, its middle, and the ankles, which carry what the feet feel."""

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the body, its sensors and the controller."""
        build = self.build
        trunk = spec.worldbody.add_body(name=TRUNK, pos=[0, 0, build.hip])
        trunk.add_freejoint()
        trunk.mass, trunk.inertia, trunk.ipos = build.trunk_mass, build.trunk_inertia, [0, 0, build.trunk_z]
        trunk.explicitinertial = True
        trunk.add_site(name="imu", group=UNSEEN)
        trunk.add_site(name="head", pos=[0.03, 0, 0.12], group=UNSEEN)
        _draw_trunk(trunk)
        for side, sign in zip(SIDES, (1, -1), strict=True):
            _add_leg(trunk, build, side, sign)
        self.controller.install(spec)
        _add_sensors(spec)

    def leaning(self, lean: FloatArray) -> FloatArray:
        """Positions (n, 13) in the stance, turned by lean (n,) radians about x, on one foot of level ground at 0."""
        under = self._lowest_leaning(lean)
        qpos = np.zeros((len(lean), 7 + len(self.joints)))
        qpos[:, 2] = -under[..., 2].min(axis=1)
        qpos[:, 3], qpos[:, 4] = np.cos(lean / 2), np.sin(lean / 2)
        return qpos

    def under_the_feet(self, lean: FloatArray) -> FloatArray:
        """Places x and y, (n, 2 feet, 2), that are under the lowest points of the soles then."""
        return self._lowest_leaning(lean)[..., :2]

    def lowest(self, up: FloatArray) -> FloatArray:
        """The lowest point of a sole from that in the stance, (..., 3), where up is (..., 3) in the foot's frame."""
        axes = self.build.half_axes
        length = np.linalg.norm(axes * up, axis=-1, keepdims=True)
        down = -(axes**2) * up / np.maximum(length, 1e-9)  # a world whose physics broke knows no up
        lowest: FloatArray = down + np.array([0, 0, axes[2]])
        return lowest

    def _lowest_leaning(self, lean: FloatArray) -> FloatArray:
        """The lowest points of both soles from the hip, (n, 2, 3), in the stance turned by lean (n,) about x."""
        build, zero = self.build, np.zeros_like(lean)
        sine, cosine = np.sin(lean), np.cos(lean)
        low = self.lowest(np.stack([zero, sine, cosine], axis=1))
        feet = []
        for sign in (1, -1):
            x, y, z = (low + np.array([build.sole_x, sign * build.sole_y, -build.hip])).T
            feet.append(np.stack([x, cosine * y - sine * z, sine * y + cosine * z], axis=1))
        return np.stack(feet, axis=1)


def _add_leg(trunk: mujoco.MjsBody, build: Build, side: str, sign: int) -> None:
    """A leg on its hip, and its foot on the ankle."""
    y = sign * build.sole_y
    foot_at, centre = np.array([[build.sole_x, y, build.ankle], [build.leg_x, y, build.leg_height]]) - [0, 0, build.hip]
    foot_inertia = build.foot_mass / 12 * np.array([0.06**2, 0.18**2, 0.18**2 + 0.06**2])  # of a plate
    leg = trunk.add_body(name=f"{side}_leg")
    leg.add_joint(name=f"{side}_hip", axis=[0, 1, 0], damping=build.hip_damping)
    shank = build.leg_mass - build.foot_mass
    shank_at = (build.leg_mass * centre - build.foot_mass * foot_at) / shank
    whole = np.array([build.leg_inertia, build.leg_inertia, build.leg_yaw_inertia])
    offsets = _of_offset(build.foot_mass, foot_at - centre) + _of_offset(shank, shank_at - centre)
    leg.mass, leg.ipos, leg.inertia, leg.explicitinertial = shank, shank_at, whole - foot_inertia - offsets, True
    foot = leg.add_body(name=f"{side}_foot", pos=foot_at)
    for name, axis in (("roll", [1, 0, 0]), ("pitch", [0, 1, 0])):
        foot.add_joint(name=f"{side}_ankle_{name}", axis=axis, armature=build.servo_inertia)
    foot.mass, foot.inertia, foot.explicitinertial = build.foot_mass, foot_inertia, True
    foot.ipos = [0, 0, 0]  # left out it would be the foot's place on the leg
    foot.add_site(name=f"{side}_ankle", group=UNSEEN)
    foot.add_geom(
        name=f"{side}_sole",
        type=mujoco.mjtGeom.mjGEOM_ELLIPSOID,
        size=build.half_axes,
        pos=[0, 0, build.half_axes[2] - build.ankle],
        group=UNSEEN,
        contype=GROUND_BITS[side],
        conaffinity=0,
        condim=4,
        friction=(1.0, build.torsion, 1e-4),
        **CONTACT,
    )
    _draw_leg(leg, foot, build, side, sign)


def _of_offset(mass: float, away: FloatArray) -> FloatArray:
    """Moments of inertia (3,) of a mass at a distance (3,) from the axes."""
    moments: FloatArray = mass * ((away**2).sum() - away**2)
    return moments


def _draw_trunk(trunk: mujoco.MjsBody) -> None:
    """Adds the looks of the trunk: a case, its batteries between the legs, and the axle of the hips."""
    for size, height in (([0.03, 0.05, 0.04], 0.05), ([0.025, 0.02, 0.035], -0.06)):
        trunk.add_geom(type=mujoco.mjtGeom.mjGEOM_BOX, size=size, pos=[0, 0, height], rgba=_CASE, **_DRAWN)
    axle = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "fromto": [0, -0.07, 0, 0, 0.07, 0], "size": [0.008, 0, 0]}
    trunk.add_geom(rgba=_METAL, **axle, **_DRAWN)


def _draw_leg(leg: mujoco.MjsBody, foot: mujoco.MjsBody, build: Build, side: str, sign: int) -> None:
    """Adds the looks of a leg: a rod, and a plate for a sole, outside the middle."""
    middle, half = sign * (build.sole_outer + build.sole_inner) / 2, (build.sole_outer - build.sole_inner) / 2
    down = build.ankle - build.hip
    rod = {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "size": [0.009, 0, 0]}
    leg.add_geom(fromto=[0, middle, 0, build.sole_x, middle, down], rgba=_COLOURS[side], **rod, **_DRAWN)
    box = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": [build.sole_length / 2, half, 0.003]}
    at = [0, middle - sign * build.sole_y, 0.003 - build.ankle]
    foot.add_geom(pos=at, rgba=_COLOURS[side], **box, **_DRAWN)
    foot.add_geom(fromto=[*at[:2], 0, *at], rgba=_METAL, **rod, **_DRAWN)


def _add_sensors(spec: mujoco.MjSpec) -> None:
    kinds, body, joint = mujoco.mjtSensor, mujoco.mjtObj.mjOBJ_XBODY, mujoco.mjtObj.mjOBJ_JOINT
    trunk = {"objtype": body, "objname": TRUNK}
    spec.add_sensor(name="trunk_place", type=kinds.mjSENS_FRAMEPOS, **trunk)
    spec.add_sensor(name="trunk_velocity", type=kinds.mjSENS_FRAMELINVEL, **trunk)
    site = mujoco.mjtObj.mjOBJ_SITE
    spec.add_sensor(name="trunk_turning", type=kinds.mjSENS_GYRO, objtype=site, objname="imu")
    spec.add_sensor(
        name="trunk_up", type=kinds.mjSENS_FRAMEZAXIS, objtype=body, objname="world", reftype=site, refname="imu"
    )
    for side in SIDES:
        foot = {"objtype": body, "objname": f"{side}_foot"}
        spec.add_sensor(name=f"{side}_foot_place", type=kinds.mjSENS_FRAMEPOS, **foot)
        for axis, kind in zip(
            "xyz", (kinds.mjSENS_FRAMEXAXIS, kinds.mjSENS_FRAMEYAXIS, kinds.mjSENS_FRAMEZAXIS), strict=True
        ):
            spec.add_sensor(name=f"{side}_foot_{axis}", type=kind, **foot)
        spec.add_sensor(name=f"{side}_hip_angle", type=kinds.mjSENS_JOINTPOS, objtype=joint, objname=f"{side}_hip")
        # how many contacts of the sole there are (data = bit 0, found; reduce = 3, all together)
        spec.add_sensor(
            name=f"{side}_contacts",
            type=kinds.mjSENS_CONTACT,
            objtype=mujoco.mjtObj.mjOBJ_GEOM,
            objname=f"{side}_sole",
            intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FOUND), 3, 1],
        )
    for servo in ANKLES:
        spec.add_sensor(name=f"{servo}_rate", type=kinds.mjSENS_JOINTVEL, objtype=joint, objname=servo)
        spec.add_sensor(
            name=f"{servo}_torque",
            type=kinds.mjSENS_ACTUATORFRC,
            objtype=mujoco.mjtObj.mjOBJ_ACTUATOR,
            objname=servo,
        )
