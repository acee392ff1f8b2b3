"""One Bullet simulation of one compiled model: the arm, what it can touch, and the forces between them.

Letters: L = links with a joint, M = moving geoms that can touch something, F = fixed ones.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.physics.bullet.contacts import Contacts, read_contacts
from mmrl_envs.physics.bullet.library import load_pybullet
from mmrl_envs.physics.bullet.links import LinkTree, Pose, read_links

FloatArray = NDArray[np.float64]

SOLVER_ITERATIONS = 50
CONTACT_BREAKING_M = 5e-4
"""How far surfaces may part, or slide apart, before Bullet forgets a contact point, metres."""
MAX_JOINT_SPEED = 100.0
"""Bullet clips joint velocities here, in rad/s or m/s: a simulation that gets there has diverged."""


class Simulation:
    """A Bullet server in this process with one scene in it.

    `build` makes the scene from a model. The state is that of the joints; forces act on them for one step.
    """

    def __init__(self) -> None:
        self._bullet = load_pybullet()
        self.client: int = self._bullet.connect(self._bullet.DIRECT)
        if self.client < 0:
            raise RuntimeError("PyBullet has no more room for simulations")
        self._finalizer = weakref.finalize(self, _disconnect, self._bullet, self.client)

    def build(self, model: mujoco.MjModel) -> None:
        """Puts the scene of a model in place of what there was, with the joints at their reference."""
        self._at = {"physicsClientId": self.client}
        self._bullet.resetSimulation(**self._at)
        self._set_engine(model)
        self.tree: LinkTree = read_links(model)
        self.contacts: Contacts = read_contacts(model, self.tree)
        self._reference = model.qpos0.copy()
        self._add_links(model)
        self._fixed = [self._add_fixed(model, geom, j) for j, geom in enumerate(self.contacts.fixed)]
        for i, link in enumerate(self._geom_links):
            for body, meets in zip(self._fixed, self.contacts.meets[i].tolist(), strict=True):
                self._bullet.setCollisionFilterPair(body, self._arm, -1, link, int(meets), **self._at)

    def place_fixed(self, positions: FloatArray, orientations: FloatArray) -> None:
        """Puts the fixed geoms to places (F, 3) with orientations w, x, y, z, (F, 4)."""
        for body, position, quat in zip(self._fixed, positions, orientations, strict=True):
            self._bullet.resetBasePositionAndOrientation(body, position.tolist(), Pose(position, quat).xyzw, **self._at)

    def set_state(self, qpos: FloatArray, qvel: FloatArray) -> None:
        """Sets positions and velocities of the joints, (L,) each."""
        for joint, position, velocity in zip(
            self._joints, (qpos - self._reference).tolist(), qvel.tolist(), strict=True
        ):
            self._bullet.resetJointState(self._arm, joint, position, velocity, **self._at)

    def state(self) -> tuple[FloatArray, FloatArray]:
        """Positions and velocities of the joints, (L,) each."""
        states = self._bullet.getJointStates(self._arm, self._joints, **self._at)
        position, velocity, *_ = zip(*states, strict=True)
        return np.array(position) + self._reference, np.array(velocity)

    def step(self, force: FloatArray) -> None:
        """One physics step under joint forces (L,)."""
        self._bullet.setJointMotorControlArray(
            self._arm, self._joints, self._bullet.TORQUE_CONTROL, forces=force.tolist(), **self._at
        )
        self._bullet.stepSimulation(**self._at)

    def contact_wrenches(self) -> dict[int, list[float]]:
        """Sum of the contact forces of the last step on each body of the model that was touched.

        Force in N and torque in N m about the origin of the world, (6,).
        """
        wrenches: dict[int, list[float]] = {}
        for point in self._bullet.getContactPoints(bodyA=self._arm, **self._at):
            if point[9] > 0.0:
                body = self._body_of_link[point[3]]
                wrenches[body] = _add_contact(wrenches.get(body, _NO_WRENCH), point)
        return wrenches

    def mass_matrix(self, qpos: FloatArray) -> FloatArray:
        """Mass matrix of the links at joint positions (L,), without the inertia of the drives, (L, L)."""
        position = (qpos - self._reference).tolist()
        return np.array(self._bullet.calculateMassMatrix(self._arm, position, **self._at))

    def inverse_dynamics(self, qpos: FloatArray, qvel: FloatArray, qacc: FloatArray) -> FloatArray:
        """Joint forces (L,) under which joints at (L,), moving with (L,), accelerate with (L,)."""
        state = ((qpos - self._reference).tolist(), qvel.tolist(), qacc.tolist())
        return np.array(self._bullet.calculateInverseDynamics(self._arm, *state, **self._at))

    def centres_of_mass(self) -> tuple[FloatArray, FloatArray]:
        """Where the centres of mass of the links are, (L, 3), and their principal axes, (L, 3, 3)."""
        states = [self._bullet.getLinkState(self._arm, j, computeForwardKinematics=1, **self._at) for j in self._joints]
        axes = [np.reshape(self._bullet.getMatrixFromQuaternion(s[1]), (3, 3)) for s in states]
        return np.array([s[0] for s in states]), np.array(axes)

    def save(self) -> NDArray[np.uint8]:
        """All that the coming steps depend on, contact points included, in Bullet's own format."""
        with _scratch_file() as path:
            self._bullet.saveBullet(str(path), **self._at)
            return np.frombuffer(path.read_bytes(), np.uint8).copy()

    def restore(self, saved: NDArray[np.uint8]) -> None:
        """Undoes `save` on a simulation built from the same model."""
        with _scratch_file() as path:
            path.write_bytes(saved.tobytes())
            self._bullet.restoreState(fileName=str(path), **self._at)

    def close(self) -> None:
        """Ends the server."""
        self._finalizer()

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

    def _add_links(self, model: mujoco.MjModel) -> None:
        """The arm: a link per joint, and a massless one per colliding geom, which so keeps its own properties."""
        links, moving, kinds = self.tree.links, self.contacts.moving, self._bullet
        joint_kinds = {
            int(mujoco.mjtJoint.mjJNT_HINGE): kinds.JOINT_REVOLUTE,
            int(mujoco.mjtJoint.mjJNT_SLIDE): kinds.JOINT_PRISMATIC,
        }
        bodies = model.geom_bodyid[list(moving)].tolist()
        frames = [link.frame for link in links]
        frames += [
            self.tree.in_link[body] @ Pose(model.geom_pos[geom].copy(), model.geom_quat[geom].copy())
            for geom, body in zip(moving, bodies, strict=True)
        ]
        parents = [link.parent for link in links] + [int(self.tree.link_of[body]) for body in bodies]
        inertial = [link.inertia.frame for link in links] + [_SAME_FRAME] * len(moving)
        shapes = [-1] * len(links) + [self._shape(model, geom) for geom in moving]
        self._arm = self._bullet.createMultiBody(
            baseMass=0.0,
            linkMasses=[link.inertia.mass for link in links] + [0.0] * len(moving),
            linkCollisionShapeIndices=shapes,
            linkVisualShapeIndices=[-1] * len(frames),
            linkPositions=[frame.pos.tolist() for frame in frames],
            linkOrientations=[frame.xyzw for frame in frames],
            linkInertialFramePositions=[frame.pos.tolist() for frame in inertial],
            linkInertialFrameOrientations=[frame.xyzw for frame in inertial],
            linkParentIndices=[parent + 1 for parent in parents],
            linkJointTypes=[joint_kinds[int(model.jnt_type[link.joint])] for link in links]
            + [self._bullet.JOINT_FIXED] * len(moving),
            linkJointAxis=[link.axis.tolist() for link in links] + [[0.0, 0.0, 1.0]] * len(moving),
            **self._at,
        )
        numbers = self._bullet_numbers(len(frames))
        self._joints, self._geom_links = numbers[: len(links)], numbers[len(links) :]
        self._body_of_link = dict(zip(self._geom_links, bodies, strict=True))
        self._set_dynamics(model)

    def _bullet_numbers(self, count: int) -> list[int]:
        """Bullet numbers links as it walks the tree, but names them "joint1" ... as they were given."""
        names = [self._bullet.getJointInfo(self._arm, i, **self._at)[1].decode() for i in range(count)]
        return [names.index(f"joint{i + 1}") for i in range(count)]

    def _set_dynamics(self, model: mujoco.MjModel) -> None:
        still = {"linearDamping": 0.0, "angularDamping": 0.0, **self._at}
        self._bullet.changeDynamics(self._arm, -1, maxJointVelocity=MAX_JOINT_SPEED, **still)
        for number, link in zip(self._joints, self.tree.links, strict=True):
            diagonal = link.inertia.diagonal.tolist()
            self._bullet.changeDynamics(self._arm, number, localInertiaDiagonal=diagonal, jointDamping=0.0, **still)
            if model.jnt_limited[link.joint]:
                low, high = (model.jnt_range[link.joint] - self._reference[link.joint]).tolist()
                self._bullet.changeDynamics(self._arm, number, jointLowerLimit=low, jointUpperLimit=high, **self._at)
        # Bullet holds every joint with a motor unless it is told not to
        off = [0.0] * len(self._joints)
        self._bullet.setJointMotorControlArray(
            self._arm, self._joints, self._bullet.VELOCITY_CONTROL, forces=off, **self._at
        )
        for i, number in enumerate(self._geom_links):
            self._bullet.changeDynamics(
                self._arm,
                number,
                lateralFriction=1.0,
                contactStiffness=float(self.contacts.stiffness[i]),
                contactDamping=float(self.contacts.damping[i]),
                **still,
            )

    def _add_fixed(self, model: mujoco.MjModel, geom: int, column: int) -> int:
        body: int = self._bullet.createMultiBody(
            baseMass=0.0, baseCollisionShapeIndex=self._shape(model, geom), **self._at
        )
        self._bullet.changeDynamics(body, -1, lateralFriction=float(self.contacts.friction[column]), **self._at)
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


_NO_WRENCH = [0.0] * 6


def _add_contact(wrench: list[float], point: Sequence[Any]) -> list[float]:
    """A wrench about the origin and what one of Bullet's contact points adds to it.

    In plain numbers: arrays of three would cost more than the physics.
    """
    (x, y, z), (nx, ny, nz), normal = point[5], point[7], point[9]
    first, (ax, ay, az), second, (bx, by, bz) = point[10:14]
    # Bullet's normal points to the first body, the arm; its friction is told as the arm exerts it on the other
    fx = normal * nx - first * ax - second * bx
    fy = normal * ny - first * ay - second * by
    fz = normal * nz - first * az - second * bz
    present = (fx, fy, fz, y * fz - z * fy, z * fx - x * fz, x * fy - y * fx)
    return [total + part for total, part in zip(wrench, present, strict=True)]


@contextmanager
def _scratch_file() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="mmrl_bullet_") as folder:
        yield Path(folder) / "state.bullet"


def _disconnect(bullet: Any, client: int) -> None:
    if bullet.isConnected(client):
        bullet.disconnect(client)
