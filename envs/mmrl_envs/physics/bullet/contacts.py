"""Pairs of bodies in contact, and how they touch: MuJoCo's contact parameters as Bullet's.

MuJoCo keeps contact parameters with pairs of geoms and takes the larger friction; Bullet keeps them with bodies and
takes the product of frictions. Here every colliding geom becomes a collision object of its own, the moving ones of
friction 1 and the fixed ones of the friction of the pair.

A contact of MuJoCo makes bodies follow a reference acceleration -b v - k r, softened by a regularisation R (MuJoCo
documentation, "Computation", sections "Constraint model" and "Parameters"). With f the force and w the inverse mass
that the contact feels,

    f (w + R) = -b v - k r - a0,  R = (1 - d) w / d,  k = d / (dmax^2 t^2 z^2),  b = 2 / (dmax t),

a0 being the acceleration without it, t and z the time constant and damping ratio (`solref`), d the impedance, which
grows with depth from that at first touch to dmax (`solimp`). Bullet has a spring and a damper per contact point
instead. At rest the two agree for a stiffness K = k / R at that depth: on the bench a contact a millimetre deep is 36
times as stiff as one at first touch, and without that growth a peg turned with all force stood 8 mm in the wall. In
motion they do not: the load of an impact meets k / (R + w), which hardly grows. So the stiffness follows the depth with
the time constant t, and an impact is over before. At first touch of n points that share the mass the two agree for a
damping C = b / (R + n w); n is that of the face contact, where impacts are hardest. With depth the damping grows as
the stiffness does, or a peg that lands would ring.

Letters: M = moving geoms that can touch something, F = fixed ones (of the world and of mocap bodies).
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.bullet.links import GROUND, LinkTree

FACE_POINTS = 3
"""Contact points that share the load of a face."""


@dataclass(frozen=True)
class Softness:
    """How a geom gives way where it is touched: MuJoCo's law as the spring and damper of one of Bullet's points."""

    time_constant: float
    """t of `solref` in seconds."""
    ratio: float
    """z of `solref`."""
    impedance: tuple[float, float]
    """d at first touch and dmax of `solimp`."""
    width: float
    """Depth in metres from which the impedance is dmax."""
    midpoint: float
    """Share of that depth where the growth turns from rising to falling."""
    power: float
    """Exponent of the growth."""
    weight: float
    """Inverse mass w in 1/kg that a contact feels."""

    def at(self, depth: float) -> tuple[float, float]:
        """Stiffness in N/m and damping in N s/m of a contact point so deep, metres."""
        first = self.impedance[0]
        touch = 2.0 / (self.impedance[1] * self.time_constant) / (self._give(first) + FACE_POINTS * self.weight)
        stiffness = self._stiffness(self._impedance(depth))
        return stiffness, touch * stiffness / self._stiffness(first)

    def _give(self, d: float) -> float:
        """R at an impedance, 1/kg."""
        return (1.0 - d) * self.weight / d

    def _stiffness(self, d: float) -> float:
        """K at an impedance, N/m."""
        return d / (self.impedance[1] * self.time_constant * self.ratio) ** 2 / self._give(d)

    def _impedance(self, depth: float) -> float:
        """d(r) as in the documentation of `solimp`."""
        first, dmax = self.impedance
        share = min(max(depth, 0.0) / self.width, 1.0)
        grown: float
        if share <= self.midpoint:
            grown = share**self.power / self.midpoint ** (self.power - 1.0)
        else:
            grown = 1.0 - (1.0 - share) ** self.power / (1.0 - self.midpoint) ** (self.power - 1.0)
        return first + grown * (dmax - first)


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
    softness: tuple[Softness, ...]
    """How each moving geom gives way, M."""


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
    return Contacts(
        moving=tuple(moving),
        fixed=tuple(fixed),
        meets=meets,
        friction=pairs.max(axis=0) if len(moving) else np.zeros(len(fixed)),
        softness=tuple(_softness(model, geom) for geom in moving),
    )


def _softness(model: mujoco.MjModel, geom: int) -> Softness:
    time_constant, ratio = model.geom_solref[geom].tolist()
    first, dmax, width, midpoint, power = model.geom_solimp[geom].tolist()
    low, high = mujoco.mjMINIMP, mujoco.mjMAXIMP
    return Softness(
        time_constant=max(time_constant, 2 * model.opt.timestep),  # MuJoCo's own safeguards, here and below
        ratio=ratio,
        impedance=(min(max(first, low), high), min(max(dmax, low), high)),
        width=max(width, mujoco.mjMINVAL),
        midpoint=min(max(midpoint, low), high),
        power=max(power, 1.0),
        weight=float(model.body_invweight0[model.geom_bodyid[geom], 0]),
    )
