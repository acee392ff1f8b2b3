"""The moving parts of a compiled model as PyBullet wants them: one link per joint.

Bodies welded to each other become one link, of their summed inertia about its own principal axes. The frame of a
link is that of its jointed body, moved to the anchor of the joint; whatever is welded to the world is no link but the
ground that the roots stand on.

Letters: L = links, which are also joints and degrees of freedom.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray

GROUND = -1
"""The link number of what is welded to the world."""


@dataclass(frozen=True)
class Pose:
    """A frame in another: where its origin is and how it is turned."""

    pos: FloatArray
    """Metres, (3,)."""
    quat: FloatArray
    """Unit quaternion w, x, y, z, (4,)."""

    def __matmul__(self, other: Pose) -> Pose:
        """The pose `other`, given in this frame, in the frame that this one is given in."""
        pos, quat = np.zeros(3), np.zeros(4)
        mujoco.mju_mulPose(pos, quat, self.pos, self.quat, other.pos, other.quat)
        return Pose(pos, quat)

    @property
    def rotation(self) -> FloatArray:
        """The rotation matrix, (3, 3)."""
        matrix = np.zeros(9)
        mujoco.mju_quat2Mat(matrix, self.quat)
        return matrix.reshape(3, 3)

    @property
    def xyzw(self) -> list[float]:
        """The quaternion in PyBullet's order."""
        w, x, y, z = self.quat.tolist()
        return [x, y, z, w]


@dataclass(frozen=True)
class Inertia:
    """Mass and principal inertia of a rigid body."""

    mass: float
    """Kilograms."""
    frame: Pose
    """Centre of mass and principal axes, in the frame of the link."""
    diagonal: FloatArray
    """Moments about the principal axes in kg m^2, (3,)."""


@dataclass(frozen=True)
class Link:
    """One joint and all that moves with it."""

    joint: int
    """Number of the joint in the model."""
    body: int
    """Number of the body that has it."""
    parent: int
    """The link it hangs on, or `GROUND`."""
    frame: Pose
    """In the frame of the parent, or of the world, with the joint at its reference."""
    axis: FloatArray
    """Axis of the joint in the frame of the link, (3,)."""
    inertia: Inertia


@dataclass(frozen=True)
class LinkTree:
    """All links of a model, parents before children, and where each body belongs."""

    links: tuple[Link, ...]
    link_of: NDArray[np.intp]
    """The link of each body, or `GROUND`, (nbody,)."""
    in_link: tuple[Pose, ...]
    """The pose of each body in the frame of its link; in the world at the start for the ground's, (nbody,)."""


def read_links(model: mujoco.MjModel) -> LinkTree:
    """The links of a model whose joints are hinges and slides, at most one to a body."""
    link_of = np.full(model.nbody, GROUND, np.intp)
    in_link = [Pose(np.zeros(3), np.array([1.0, 0.0, 0.0, 0.0]))]
    placed: list[tuple[int, int, Pose]] = []  # body, parent link, frame of each link
    for body in range(1, model.nbody):
        above = model.body_parentid[body]
        pose = in_link[above] @ Pose(model.body_pos[body].copy(), model.body_quat[body].copy())
        if not model.body_jntnum[body]:
            link_of[body] = link_of[above]
            in_link.append(pose)
            continue
        anchor = model.jnt_pos[model.body_jntadr[body]].copy()
        no_turn = np.array([1.0, 0.0, 0.0, 0.0])
        link_of[body] = len(placed)
        placed.append((body, int(link_of[above]), pose @ Pose(anchor, no_turn)))
        in_link.append(Pose(-anchor, no_turn))
    links = []
    for number, (body, parent, frame) in enumerate(placed):
        joint = int(model.body_jntadr[body])
        inertia = _sum_of_inertias(model, np.flatnonzero(link_of == number), in_link)
        links.append(Link(joint, body, parent, frame, model.jnt_axis[joint].copy(), inertia))
    return LinkTree(tuple(links), link_of, tuple(in_link))


def _sum_of_inertias(model: mujoco.MjModel, bodies: NDArray[np.intp], in_link: list[Pose]) -> Inertia:
    """Inertia of welded bodies, by the parallel axis theorem."""
    masses = model.body_mass[bodies]
    frames = [in_link[b] @ Pose(model.body_ipos[b].copy(), model.body_iquat[b].copy()) for b in bodies]
    centre = sum(m * frame.pos for m, frame in zip(masses, frames, strict=True)) / masses.sum()
    total = np.zeros((3, 3))
    for body, mass, frame in zip(bodies, masses, frames, strict=True):
        turn, off = frame.rotation, frame.pos - centre
        total += turn @ np.diag(model.body_inertia[body]) @ turn.T + mass * (off @ off * np.eye(3) - np.outer(off, off))
    diagonal, axes = np.linalg.eigh(total)
    axes[:, 2] *= np.sign(np.linalg.det(axes))  # a rotation, no reflection
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, axes.ravel())
    return Inertia(float(masses.sum()), Pose(centre, quat), diagonal)
