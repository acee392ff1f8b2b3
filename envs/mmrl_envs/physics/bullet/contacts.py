"""What touches what, and how: MuJoCo's contact parameters as Bullet's.

MuJoCo keeps contact parameters with pairs of geoms and takes the larger friction; Bullet keeps them with bodies and
takes the product of frictions. Here every colliding geom becomes a collision object of its own, the moving ones of
friction 1 and the fixed ones of the friction of the pair.

A contact of MuJoCo makes bodies follow a reference acceleration -b v - k r, softened by a regularisation R (MuJoCo
documentation, "Computation", sections "Constraint model" and "Parameters"). With f the force and w the inverse mass
that the contact feels,

    f (w + R) = -b v - k r - a0,  R = (1 - d) w / d,  k = d / (dmax^2 t^2 z^2),  b = 2 / (dmax t),

a0 being the acceleration without it, t and z the time constant and damping ratio (`solref`), d and dmax the
impedance at first touch and at depth (`solimp`). Bullet has a spring and a damper per contact point instead. At rest
the two agree for a stiffness K = k / R. At an impact of n points that share the mass they agree for a damping
C = b / (R + n w); n is that of the face contact, where impacts are hardest. The growth of the impedance with depth is
left out: on the bench MuJoCo's contacts are a quarter stiffer than these at 0.2 mm.

Letters: M = moving geoms that can touch something, F = fixed ones (of the world and of mocap bodies).
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.physics.bullet.links import GROUND, LinkTree

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


FACE_POINTS = 3
"""Contact points that share the load of a face."""


@dataclass(frozen=True)
class Contacts:
    """Every geom that can touch another, and what happens when it does."""

    moving: tuple[int, ...]
    """Geoms on links, M."""
    fixed: tuple[int, ...]
    """Geoms that they can touch, F."""
    meets: BoolArray
    """Which of them may touch which, (M, F)."""
    friction: FloatArray
    """Sliding friction of the pairs with each fixed geom, (F,)."""
    stiffness: FloatArray
    """Stiffness per contact point of each moving geom in N/m, (M,)."""
    damping: FloatArray
    """Damping per contact point in N s/m, (M,)."""


def meeting(model: mujoco.MjModel, some: IntArray, others: IntArray) -> BoolArray:
    """Whether the contact bits of geoms (m,) and others (f,) answer each other, (m, f)."""
    types, affinities = model.geom_contype, model.geom_conaffinity
    there = types[some][:, None] & affinities[others][None, :]
    back = affinities[some][:, None] & types[others][None, :]
    answered: BoolArray = (there | back) != 0
    return answered


def touching_geoms(model: mujoco.MjModel, tree: LinkTree) -> tuple[list[int], list[int], BoolArray]:
    """Moving and fixed geoms that have a partner, and which meet, (M, F)."""
    links = tree.link_of[model.geom_bodyid]
    moving, fixed = np.flatnonzero(links != GROUND), np.flatnonzero(links == GROUND)
    meets = meeting(model, moving, fixed)
    kept_moving, kept_fixed = meets.any(axis=1), meets.any(axis=0)
    return moving[kept_moving].tolist(), fixed[kept_fixed].tolist(), meets[kept_moving][:, kept_fixed]


def read_contacts(model: mujoco.MjModel, tree: LinkTree) -> Contacts:
    """The contacts of a model that `require_expressible` has let through."""
    moving, fixed, meets = touching_geoms(model, tree)
    friction = model.geom_friction[:, 0]
    pairs = np.maximum(friction[moving][:, None], friction[fixed][None, :]) * meets  # (M, F)
    springs = np.array([_spring(model, geom) for geom in moving]).reshape(len(moving), 2)
    return Contacts(
        moving=tuple(moving),
        fixed=tuple(fixed),
        meets=meets,
        friction=pairs.max(axis=0) if len(moving) else np.zeros(len(fixed)),
        stiffness=springs[:, 0],
        damping=springs[:, 1],
    )


def _spring(model: mujoco.MjModel, geom: int) -> tuple[float, float]:
    """Stiffness and damping of one contact point between a moving geom and the world."""
    time_constant, ratio = model.geom_solref[geom]
    time_constant = max(time_constant, 2 * model.opt.timestep)  # MuJoCo's own safeguard
    d, dmax = np.clip(model.geom_solimp[geom, :2], mujoco.mjMINIMP, mujoco.mjMAXIMP)
    weight: float = model.body_invweight0[model.geom_bodyid[geom], 0]
    softness = (1.0 - d) * weight / d
    stiffness = d / (dmax * time_constant * ratio) ** 2 / softness
    damping = 2.0 / (dmax * time_constant) / (softness + FACE_POINTS * weight)
    return float(stiffness), float(damping)
