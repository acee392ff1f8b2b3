"""Franka Emika Panda: a seven-joint torque-controlled arm, built from primitives.

Frames follow Craig's modified Denavit-Hartenberg convention as published by the manufacturer (Franka Control
Interface documentation, "Denavit-Hartenberg parameters"); joint and torque limits are from the same page.
Link masses, centres of mass and inertias are those identified by Gaz, Cognetti, Oliva, Robuffo Giordano, De
Luca: "Dynamic Identification of the Franka Emika Panda Robot with Retrieval of Feasible Parameters Using
Penalty-Based Optimization", RA-L 4(4), 2019. The capsules are for looks only and touch nothing; no mesh is
shipped.

Letters: n = number of configurations.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import ArrayLike, NDArray

NUM_JOINTS = 7
JOINT_NAMES = tuple(f"panda_joint{i}" for i in range(1, NUM_JOINTS + 1))

# a_{i-1} [m], d_i [m], alpha_{i-1} [rad] of the seven joints (modified Denavit-Hartenberg).
DH_A = (0.0, 0.0, 0.0, 0.0825, -0.0825, 0.0, 0.088)
DH_D = (0.333, 0.0, 0.316, 0.0, 0.384, 0.0, 0.0)
DH_ALPHA = (0.0, -np.pi / 2, np.pi / 2, np.pi / 2, -np.pi / 2, np.pi / 2, np.pi / 2)
FLANGE_D = 0.107
"""Distance in metres from the seventh joint frame to the flange, along the joint axis."""

JOINT_LOW = np.array([-2.8973, -1.7628, -2.8973, -3.0718, -2.8973, -0.0175, -2.8973])
JOINT_HIGH = np.array([2.8973, 1.7628, 2.8973, -0.0698, 2.8973, 3.7525, 2.8973])
TORQUE_LIMIT = np.array([87.0, 87.0, 87.0, 87.0, 12.0, 12.0, 12.0])

READY = np.array([0.0, -np.pi / 4, 0.0, -3 * np.pi / 4, 0.0, np.pi / 2, np.pi / 4])
"""The manufacturer's ready pose in radians: the flange points straight down."""


@dataclass(frozen=True)
class LinkInertia:
    """Rigid-body parameters of one link in its joint frame."""

    mass: float
    """Mass in kilograms."""
    com: tuple[float, float, float]
    """Centre of mass in metres."""
    inertia: tuple[float, float, float, float, float, float]
    """Inertia about the centre of mass in kg m^2: xx, yy, zz, xy, xz, yz (MuJoCo's `fullinertia` order)."""


# Gaz et al. 2019, in the order link 1 ... link 7.
LINKS = (
    LinkInertia(
        4.970684,
        (3.875e-03, 2.081e-03, -4.762e-02),
        (7.0337e-01, 7.0661e-01, 9.1170e-03, -1.3900e-04, 6.7720e-03, 1.9169e-02),
    ),
    LinkInertia(
        0.646926,
        (-3.141e-03, -2.872e-02, 3.495e-03),
        (7.9620e-03, 2.8110e-02, 2.5995e-02, -3.9250e-03, 1.0254e-02, 7.0400e-04),
    ),
    LinkInertia(
        3.228604,
        (2.7518e-02, 3.9252e-02, -6.6502e-02),
        (3.7242e-02, 3.6155e-02, 1.0830e-02, -4.7610e-03, -1.1396e-02, -1.2805e-02),
    ),
    LinkInertia(
        3.587895,
        (-5.317e-02, 1.04419e-01, 2.7454e-02),
        (2.5853e-02, 1.9552e-02, 2.8323e-02, 7.7960e-03, -1.3320e-03, 8.6410e-03),
    ),
    LinkInertia(
        1.225946,
        (-1.1953e-02, 4.1065e-02, -3.8437e-02),
        (3.5549e-02, 2.9474e-02, 8.6270e-03, -2.1170e-03, -4.0370e-03, 2.2900e-04),
    ),
    LinkInertia(
        1.666555,
        (6.0149e-02, -1.4117e-02, -1.0517e-02),
        (1.9640e-03, 4.3540e-03, 5.4330e-03, 1.0900e-04, -1.1580e-03, 3.4100e-04),
    ),
    LinkInertia(
        7.35522e-01,
        (1.0517e-02, -4.252e-03, 6.1597e-02),
        (1.2516e-02, 1.0027e-02, 4.8150e-03, -4.2800e-04, -1.1960e-03, -7.4100e-04),
    ),
)

_WHITE = (0.93, 0.93, 0.94, 1.0)
_DARK = (0.25, 0.27, 0.30, 1.0)

# Capsules of each link in its joint frame: (from, to, radius, colour).
_CAPSULES: tuple[tuple[tuple[tuple[float, ...], tuple[float, ...], float, tuple[float, ...]], ...], ...] = (
    (((0, 0, -0.20), (0, 0, -0.02), 0.062, _WHITE), ((0, -0.055, 0), (0, 0.055, 0), 0.062, _DARK)),
    (((0, 0, -0.055), (0, 0, 0.055), 0.060, _WHITE), ((0, -0.06, 0), (0, -0.17, 0), 0.060, _WHITE)),
    (((0, 0, -0.14), (0, 0, -0.03), 0.058, _WHITE), ((0.03, 0, 0), (0.0825, 0, 0), 0.055, _DARK)),
    (
        ((0, 0, -0.05), (0, 0, 0.05), 0.056, _WHITE),
        ((-0.02, 0.02, 0), (-0.0825, 0.11, 0), 0.052, _WHITE),
    ),
    (
        ((0, 0.0, -0.26), (0, 0.04, -0.12), 0.050, _WHITE),
        ((0, 0.07, -0.10), (0, 0.06, 0), 0.040, _WHITE),
    ),
    (((0, 0, -0.045), (0, 0, 0.045), 0.050, _DARK), ((0.02, 0, 0), (0.088, 0, 0), 0.046, _WHITE)),
    (((0, 0, 0.0), (0, 0, 0.06), 0.044, _WHITE),),
)


def add_panda(spec: mujoco.MjSpec, *, geom_group: int) -> mujoco.MjsBody:
    """Adds the arm to the world with its base frame at the origin.

    Args:
        spec: the scene, with angles in radians (`compiler.degree = False`); its world body becomes the parent
            of the base.
        geom_group: MuJoCo geom group of the arm's capsules (0 to 5), so that cameras can leave them out.

    Returns:
        The body of the flange frame (z out of the flange), to which a tool is attached. It has no joint of
        its own.
    """
    base = spec.worldbody.add_body(name="panda_link0")
    _add_capsule(base, (-0.08, 0, 0.05), (0, 0, 0.05), 0.06, _WHITE, geom_group)
    _add_capsule(base, (0, 0, 0.05), (0, 0, 0.14), 0.064, _WHITE, geom_group)
    parent = base
    for i, link in enumerate(LINKS):
        parent = _add_link(parent, i, link, geom_group)
    return parent.add_body(name="panda_flange", pos=[0, 0, FLANGE_D])


def _add_link(parent: mujoco.MjsBody, i: int, link: LinkInertia, group: int) -> mujoco.MjsBody:
    alpha = DH_ALPHA[i]
    body = parent.add_body(
        name=f"panda_link{i + 1}",
        # RotX(alpha) then TransX(a), then TransZ(d) in the rotated frame
        pos=[DH_A[i], -np.sin(alpha) * DH_D[i], np.cos(alpha) * DH_D[i]],
        quat=[np.cos(alpha / 2), np.sin(alpha / 2), 0, 0],
        mass=link.mass,
        ipos=link.com,
        fullinertia=link.inertia,
        explicitinertial=True,
        gravcomp=1,
    )
    body.add_joint(
        name=JOINT_NAMES[i],
        type=mujoco.mjtJoint.mjJNT_HINGE,
        axis=[0, 0, 1],
        range=[JOINT_LOW[i], JOINT_HIGH[i]],
        actfrcrange=[-TORQUE_LIMIT[i], TORQUE_LIMIT[i]],
        # Rotor inertia and friction of the drives, damped enough to keep the redundant joint quiet.
        armature=0.1,
        damping=1.0,
    )
    for start, end, radius, colour in _CAPSULES[i]:
        _add_capsule(body, start, end, radius, colour, group)
    return body


def _add_capsule(
    body: mujoco.MjsBody,
    start: tuple[float, ...],
    end: tuple[float, ...],
    radius: float,
    colour: tuple[float, ...],
    group: int,
) -> None:
    body.add_geom(
        type=mujoco.mjtGeom.mjGEOM_CAPSULE,
        fromto=[*start, *end],
        size=[radius, 0, 0],
        rgba=colour,
        group=group,
        mass=0.0,
        contype=0,
        conaffinity=0,
    )


def forward_kinematics(q: ArrayLike) -> NDArray[np.float64]:
    """Flange pose by the published Denavit-Hartenberg chain, independent of MuJoCo.

    Args:
        q: joint angles in radians, (n, 7).

    Returns:
        Homogeneous transforms base <- joint frames 1..7 and flange, (n, 8, 4, 4).
    """
    q = np.atleast_2d(np.asarray(q, np.float64))
    frames = np.empty((len(q), NUM_JOINTS + 1, 4, 4))
    pose = np.broadcast_to(np.eye(4), (len(q), 4, 4))
    for i in range(NUM_JOINTS):
        pose = pose @ _dh_transform(DH_A[i], DH_D[i], DH_ALPHA[i], q[:, i])
        frames[:, i] = pose
    frames[:, NUM_JOINTS] = pose @ _dh_transform(0.0, FLANGE_D, 0.0, np.zeros(len(q)))
    return frames


def _dh_transform(a: float, d: float, alpha: float, theta: NDArray[np.float64]) -> NDArray[np.float64]:
    ct, st, ca, sa = np.cos(theta), np.sin(theta), np.cos(alpha), np.sin(alpha)
    transform = np.zeros((len(theta), 4, 4))
    transform[:, 0, 0], transform[:, 0, 1], transform[:, 0, 3] = ct, -st, a
    transform[:, 1, 0], transform[:, 1, 1] = st * ca, ct * ca
    transform[:, 1, 2], transform[:, 1, 3] = -sa, -sa * d
    transform[:, 2, 0], transform[:, 2, 1] = st * sa, ct * sa
    transform[:, 2, 2], transform[:, 2, 3] = ca, ca * d
    transform[:, 3, 3] = 1.0
    return transform


def inverse_kinematics(
    position: NDArray[np.float64],
    yaw: NDArray[np.float64],
    *,
    tool_length: float,
    guess: NDArray[np.float64],
    iterations: int = 12,
) -> NDArray[np.float64]:
    """Joint angles that put the tip of a straight-down tool at a pose, by damped least squares from a guess.

    Args:
        position: tip positions in the base frame in metres, (n, 3).
        yaw: rotation of the tool about the vertical in radians, (n,); zero has the tool's x axis along the
            base's.
        tool_length: distance from flange to tip along the flange's z axis in metres.
        guess: joint angles to start from, (n, 7) or (7,).
        iterations: Gauss-Newton steps; a start within 0.2 m of the target converges to under a micrometre
            in 12.

    Returns:
        Joint angles in radians, (n, 7), clipped to the joint limits.
    """
    q = np.array(np.broadcast_to(guess, (len(position), NUM_JOINTS)), np.float64)
    target = _pointing_down(yaw)
    for _ in range(iterations):
        frames = forward_kinematics(q)
        axes, origins = frames[:, :NUM_JOINTS, :3, 2], frames[:, :NUM_JOINTS, :3, 3]
        rotation = frames[:, NUM_JOINTS, :3, :3]
        tip = frames[:, NUM_JOINTS, :3, 3] + tool_length * rotation[:, :, 2]
        linear = np.cross(axes, tip[:, None] - origins)  # (n, 7, 3)
        jacobian = np.concatenate([linear, axes], axis=2).transpose(0, 2, 1)  # (n, 6, 7)
        # Rotation error as half the sum of the crossed axes: exact to first order, zero at the target.
        turn = 0.5 * np.cross(rotation, target, axisa=1, axisb=1, axisc=1).sum(axis=2)
        error = np.concatenate([position - tip, turn], axis=1)
        gram = jacobian @ jacobian.transpose(0, 2, 1) + 1e-8 * np.eye(6)
        q += (jacobian.transpose(0, 2, 1) @ np.linalg.solve(gram, error[:, :, None]))[:, :, 0]
        q = np.clip(q, JOINT_LOW, JOINT_HIGH)
    return q


def _pointing_down(yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations (n, 3, 3) with z down and x at angle `yaw` to the base's x axis."""
    rotation = np.zeros((len(yaw), 3, 3))
    rotation[:, 0, 0], rotation[:, 1, 0] = np.cos(yaw), np.sin(yaw)
    rotation[:, 0, 1], rotation[:, 1, 1] = np.sin(yaw), -np.cos(yaw)
    rotation[:, 2, 2] = -1.0
    return rotation
