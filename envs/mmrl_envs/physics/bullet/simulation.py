"""One Bullet simulation of one compiled model: the arm, what it can touch, and the forces between them.

Letters: L = links with a joint, F = fixed geoms that can be touched.
"""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from operator import itemgetter
from pathlib import Path
from typing import Any

import mujoco
import numpy as np

from mmrl.arrays import FloatArray
from mmrl_envs.physics.bullet.assembly import Assembler
from mmrl_envs.physics.bullet.contacts import Contacts, read_contacts
from mmrl_envs.physics.bullet.expressible import require_expressible
from mmrl_envs.physics.bullet.library import load_pybullet
from mmrl_envs.physics.bullet.links import LinkTree, Pose

DEPTH_STEP_M = 1e-5
"""Steps of depth in which the stiffness of contacts changes, metres: one at rest costs no call to Bullet."""


class Simulation:
    """A Bullet server in this process with one scene in it.

    `build` makes the scene from a model. The state is that of the joints; forces act on them for one step.
    """

    def __init__(self) -> None:
        self._bullet = load_pybullet()
        self.client: int = self._bullet.connect(self._bullet.DIRECT)
        if self.client < 0:
            raise RuntimeError("PyBullet has no more room for simulations")
        self._at = {"physicsClientId": self.client}
        self._assembler = Assembler(self._bullet, self.client)
        self._finalizer = weakref.finalize(self, _disconnect, self._bullet, self.client)

    def build(self, model: mujoco.MjModel) -> None:
        """Puts the scene of a model in place of what there was, with the joints at their reference.

        Raises:
            NotExpressible: naming what PyBullet cannot simulate.
        """
        self.tree: LinkTree = require_expressible(model)
        self.contacts: Contacts = read_contacts(model, self.tree)
        self._reference = model.qpos0.copy()
        self._timestep: float = model.opt.timestep
        made = self._assembler.assemble(model, self.tree, self.contacts)
        self._arm, self._joints, self._fixed, self._body_of_link = made.arm, made.joints, made.fixed, made.body_of_link
        self._softness = made.softness
        self._depth = dict.fromkeys(made.softness, 0.0)

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

    def take_contacts(self) -> dict[int, list[float]]:
        """Sum of the contact forces of the last step on each body of the model that was touched.

        Force in N and torque in N m about the origin of the world, (6,). Geoms come nearer to the stiffness that they
        have at their deepest contact, as `contacts` has it.
        """
        wrenches: dict[int, list[float]] = {}
        depth = dict.fromkeys(self._softness, 0.0)
        points = self._bullet.getContactPoints(bodyA=self._arm, **self._at)
        for point in sorted(points, key=_PAIR):  # Bullet's order is that in which pairs met, which no state keeps
            link = point[3]
            if point[9] > 0.0:
                body = self._body_of_link[link]
                wrenches[body] = _add_contact(wrenches.get(body, _NO_WRENCH), point)
            depth[link] = max(depth[link], -point[8])
        for link, metres in depth.items():
            share = min(self._timestep / self._softness[link].time_constant, 1.0)
            self._soften(link, self._depth[link] + share * (metres - self._depth[link]))
        return wrenches

    def _soften(self, link: int, depth: float) -> None:
        """Makes a geom as soft as where it is touched so deep, metres."""
        step = round(depth / DEPTH_STEP_M)
        if step != round(self._depth[link] / DEPTH_STEP_M):
            stiffness, damping = self._softness[link].at(step * DEPTH_STEP_M)
            self._bullet.changeDynamics(self._arm, link, contactStiffness=stiffness, contactDamping=damping, **self._at)
        self._depth[link] = depth

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

    def save(self) -> dict[str, Any]:
        """All that the coming steps depend on: contact points in Bullet's own format, and the depth of contacts, M."""
        with _scratch_file() as path:
            self._bullet.saveBullet(str(path), **self._at)
            saved = np.frombuffer(path.read_bytes(), np.uint8).copy()
        return {"bullet": saved, "depth": np.array(list(self._depth.values()))}

    def restore(self, saved: Mapping[str, Any]) -> None:
        """Undoes `save` on a simulation built from the same model."""
        with _scratch_file() as path:
            path.write_bytes(np.asarray(saved["bullet"], np.uint8).tobytes())
            self._bullet.restoreState(fileName=str(path), **self._at)
        for link, depth in zip(self._depth, np.asarray(saved["depth"]).tolist(), strict=True):
            self._soften(link, depth)

    def close(self) -> None:
        """Ends the server."""
        self._finalizer()


_NO_WRENCH = [0.0] * 6
_PAIR = itemgetter(2, 3)
"""Of one of Bullet's contact points: the touched body and the link of the arm that touches it."""


def _add_contact(wrench: list[float], point: Sequence[Any]) -> list[float]:
    """A wrench about the origin and what one of Bullet's contact points adds to it.

    In plain numbers: arrays of three would cost more than the physics.
    """
    (x, y, z), (nx, ny, nz), normal = point[5], point[7], point[9]
    first, (ax, ay, az), second, (bx, by, bz) = point[10:14]
    # Bullet's normal points to the first body, the arm; its friction is given as the arm exerts it on the other
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
