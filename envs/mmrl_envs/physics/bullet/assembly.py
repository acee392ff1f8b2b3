"""Putting a compiled model into a Bullet server: bodies, joints, shapes and their properties.

Letters: L = links with a joint, M = moving geoms that can touch something, F = fixed ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np

from mmrl_envs.physics.bullet.contacts import Contacts, Softness
from mmrl_envs.physics.bullet.links import Link, LinkTree, Pose

SOLVER_ITERATIONS = 50
CONTACT_BREAKING_M = 5e-4
"""How far surfaces may part, or slide apart, before Bullet forgets a contact point, metres."""
MAX_JOINT_SPEED = 100.0
"""Bullet clips joint velocities here, in rad/s or m/s: a simulation that gets there has diverged."""


@dataclass(frozen=True)
class Assembly:
    """Bullet's numbers of what was made of a model."""

    arm: int
    """The body of all links."""
    joints: list[int]
    """Its joints in the order of the model, L."""
    body_of_link: dict[int, int]
    """For each link that is a colliding geom, the body of the model that has the geom, M."""
    softness: dict[int, Softness]
    """How that link gives way, M."""
    fixed: list[int]
    """Bodies of the fixed geoms, F."""


class Assembler:
    """Builds scenes in one Bullet server.

    Args:
        bullet: the PyBullet module.
        client: number of the server.
    """

    def __init__(self, bullet: Any, client: int) -> None:
        self._bullet, self._at = bullet, {"physicsClientId": client}

    def assemble(self, model: mujoco.MjModel, tree: LinkTree, contacts: Contacts) -> Assembly:
        """Puts the scene of a model in place of what there was, with the joints at their reference."""
        self._bullet.resetSimulation(**self._at)
        self._set_engine(model)
        arm = self._add_arm(model, tree, contacts)
        numbers = self._numbers(arm, len(tree.links) + len(contacts.moving))
        joints, geom_links = numbers[: len(tree.links)], numbers[len(tree.links) :]
        self._set_joints(model, arm, joints, tree.links)
        self._set_surfaces(arm, geom_links, contacts)
        pairs = zip(contacts.fixed, contacts.friction.tolist(), strict=True)
        fixed = [self._add_fixed(model, geom, friction) for geom, friction in pairs]
        self._set_filters(arm, geom_links, fixed, contacts)
        bodies = model.geom_bodyid[list(contacts.moving)].tolist()
        softness = dict(zip(geom_links, contacts.softness, strict=True))
        return Assembly(arm, joints, dict(zip(geom_links, bodies, strict=True)), softness, fixed)

    def _set_engine(self, model: mujoco.MjModel) -> None:
        self._bullet.setGravity(*model.opt.gravity.tolist(), **self._at)
        self._bullet.setPhysicsEngineParameter(
            fixedTimeStep=model.opt.timestep,
            numSolverIterations=SOLVER_ITERATIONS,
            contactBreakingThreshold=CONTACT_BREAKING_M,
            contactSlop=0.0,
            enableConeFriction=1,
            deterministicOverlappingPairs=1,
            enableFileCaching=0,
            **self._at,
        )

    def _add_arm(self, model: mujoco.MjModel, tree: LinkTree, contacts: Contacts) -> int:
        """A link per joint, and a massless one per colliding geom, which so keeps properties of its own."""
        links, moving = tree.links, contacts.moving
        bodies = model.geom_bodyid[list(moving)].tolist()
        frames = [link.frame for link in links]
        frames += [
            tree.in_link[body] @ Pose(model.geom_pos[geom].copy(), model.geom_quat[geom].copy())
            for geom, body in zip(moving, bodies, strict=True)
        ]
        parents = [link.parent for link in links] + [int(tree.link_of[body]) for body in bodies]
        inertial = [link.inertia.frame for link in links] + [_SAME_FRAME] * len(moving)
        kinds = [getattr(self._bullet, _JOINTS[int(model.jnt_type[link.joint])]) for link in links]
        arm: int = self._bullet.createMultiBody(
            baseMass=0.0,
            linkMasses=[link.inertia.mass for link in links] + [0.0] * len(moving),
            linkCollisionShapeIndices=[-1] * len(links) + [self._shape(model, geom) for geom in moving],
            linkVisualShapeIndices=[-1] * len(frames),
            linkPositions=[frame.pos.tolist() for frame in frames],
            linkOrientations=[frame.xyzw for frame in frames],
            linkInertialFramePositions=[frame.pos.tolist() for frame in inertial],
            linkInertialFrameOrientations=[frame.xyzw for frame in inertial],
            linkParentIndices=[parent + 1 for parent in parents],
            linkJointTypes=kinds + [self._bullet.JOINT_FIXED] * len(moving),
            linkJointAxis=[link.axis.tolist() for link in links] + [[0.0, 0.0, 1.0]] * len(moving),
            **self._at,
        )
        return arm

    def _numbers(self, arm: int, count: int) -> list[int]:
        """Bullet numbers links as it walks the tree, but names them "joint1" ... as they were given."""
        names = [self._bullet.getJointInfo(arm, i, **self._at)[1].decode() for i in range(count)]
        return [names.index(f"joint{i + 1}") for i in range(count)]

    def _set_joints(self, model: mujoco.MjModel, arm: int, joints: list[int], links: Sequence[Link]) -> None:
        """Inertia and limits; no damping and no motors, both of which Bullet would add unasked."""
        self._bullet.changeDynamics(arm, -1, maxJointVelocity=MAX_JOINT_SPEED, **_STILL, **self._at)
        for number, link in zip(joints, links, strict=True):
            diagonal = link.inertia.diagonal.tolist()
            self._bullet.changeDynamics(
                arm, number, localInertiaDiagonal=diagonal, jointDamping=0.0, **_STILL, **self._at
            )
            if model.jnt_limited[link.joint]:
                low, high = (model.jnt_range[link.joint] - model.qpos0[link.joint]).tolist()
                self._bullet.changeDynamics(arm, number, jointLowerLimit=low, jointUpperLimit=high, **self._at)
        motor = self._bullet.VELOCITY_CONTROL
        self._bullet.setJointMotorControlArray(arm, joints, motor, forces=[0.0] * len(joints), **self._at)

    def _set_surfaces(self, arm: int, geom_links: list[int], contacts: Contacts) -> None:
        for number, softness in zip(geom_links, contacts.softness, strict=True):
            stiffness, damping = softness.at(0.0)
            self._bullet.changeDynamics(
                arm,
                number,
                lateralFriction=1.0,
                contactStiffness=stiffness,
                contactDamping=damping,
                **_STILL,
                **self._at,
            )

    def _set_filters(self, arm: int, geom_links: list[int], fixed: list[int], contacts: Contacts) -> None:
        for i, link in enumerate(geom_links):
            for body, meets in zip(fixed, contacts.meets[i].tolist(), strict=True):
                self._bullet.setCollisionFilterPair(body, arm, -1, link, int(meets), **self._at)

    def _add_fixed(self, model: mujoco.MjModel, geom: int, friction: float) -> int:
        body: int = self._bullet.createMultiBody(
            baseMass=0.0, baseCollisionShapeIndex=self._shape(model, geom), **self._at
        )
        self._bullet.changeDynamics(body, -1, lateralFriction=friction, **self._at)
        return body

    def _shape(self, model: mujoco.MjModel, geom: int) -> int:
        """The collision shape of a geom, about its own frame, with exact edges."""
        kind, size = mujoco.mjtGeom(model.geom_type[geom]), model.geom_size[geom].tolist()
        shape: int = self._bullet.createCollisionShape(**_SHAPES[kind](self._bullet, model, geom, size), **self._at)
        if kind in _ROUNDED:
            # Bullet rounds edges by a margin that can only be set through a body with this very shape
            body = self._bullet.createMultiBody(baseMass=0.0, baseCollisionShapeIndex=shape, **self._at)
            self._bullet.changeDynamics(body, -1, collisionMargin=0.0, **self._at)
            self._bullet.removeBody(body, **self._at)
        return shape


_SAME_FRAME = Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))
_STILL = {"linearDamping": 0.0, "angularDamping": 0.0}
_JOINTS = {int(mujoco.mjtJoint.mjJNT_HINGE): "JOINT_REVOLUTE", int(mujoco.mjtJoint.mjJNT_SLIDE): "JOINT_PRISMATIC"}
_GEOM = mujoco.mjtGeom
_ROUNDED = (_GEOM.mjGEOM_CYLINDER, _GEOM.mjGEOM_MESH)


def _vertices(model: mujoco.MjModel, geom: int) -> list[list[float]]:
    mesh = model.geom_dataid[geom]
    first, count = model.mesh_vertadr[mesh], model.mesh_vertnum[mesh]
    vertices: list[list[float]] = model.mesh_vert[first : first + count].astype(np.float64).tolist()
    return vertices


_SHAPES: dict[mujoco.mjtGeom, Any] = {
    _GEOM.mjGEOM_PLANE: lambda b, m, g, size: {"shapeType": b.GEOM_PLANE, "planeNormal": [0, 0, 1]},
    _GEOM.mjGEOM_SPHERE: lambda b, m, g, size: {"shapeType": b.GEOM_SPHERE, "radius": size[0]},
    _GEOM.mjGEOM_CAPSULE: lambda b, m, g, size: {
        "shapeType": b.GEOM_CAPSULE,
        "radius": size[0],
        "height": 2 * size[1],
    },
    _GEOM.mjGEOM_CYLINDER: lambda b, m, g, size: {
        "shapeType": b.GEOM_CYLINDER,
        "radius": size[0],
        "height": 2 * size[1],
    },
    _GEOM.mjGEOM_BOX: lambda b, m, g, size: {"shapeType": b.GEOM_BOX, "halfExtents": size},
    _GEOM.mjGEOM_MESH: lambda b, m, g, size: {"shapeType": b.GEOM_MESH, "vertices": _vertices(m, g)},
}
