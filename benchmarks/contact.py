"""How contacts feel by their stiffness and damping: `python -m benchmarks.contact`.

For the contacts of the bench, first, and for others: how far a wall gives way, how hard a flat landing is, how much the
force chatters while the peg slides on the face of the block, and the deepest contact and largest force that full
actions, drawn at random and held for five steps, provoke in holes of 0.2 to 0.5 mm clearance.

Letters: N = worlds, S = physics steps per control step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmrl.arrays import FloatArray
from mmrl_envs.scenes.workcell import CONTACT
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.vector_env import RobotVectorEnv

WORLDS = 16
FACE = {"hole_x_m": 0.035, "hole_y_m": 0.035, "start_x_m": -0.02, "start_y_m": (-0.01, 0.01)}
TIGHT = {
    "clearance_mm": (0.2, 0.5),
    "friction": (0.4, 1.5),
    "start_progress": (0.55, 0.95),
    "hole_yaw_rad": (-3.0, 3.0),
}
SMOOTHED = 20
"""Physics steps over which a force is averaged: what differs from that is chatter."""


@dataclass(frozen=True)
class Contact:
    """MuJoCo's parameters of a contact."""

    solref: tuple[float, ...]
    """Time constant in seconds and damping ratio."""
    solimp: tuple[float, ...] = (0.5, 0.95, 0.001, 0.5, 2.0)
    """Impedance at first touch and at depth, that depth in metres, midpoint and power of the growth between."""


SETTINGS = (
    Contact(CONTACT["solref"], CONTACT["solimp"]),
    Contact((0.01, 1.0)),
    Contact((0.02, 1.0)),
    Contact((0.02, 0.5)),
    Contact((0.02, 0.5), (0.5, 0.98, 0.0005, 0.5, 2.0)),
    Contact((0.025, 0.4), (0.5, 0.99, 0.0007, 0.5, 2.0)),
    Contact((0.03, 1 / 3), (0.5, 0.99, 0.001, 0.5, 2.0)),
    Contact((0.04, 0.25)),
)


class Bench(PegInsertion):
    """Peg insertion with contacts to choose."""

    def __init__(self, contact: Contact, **settings: Any) -> None:
        super().__init__(**settings)
        self._contact = contact

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The scenes with these contacts."""
        specs = super().scenes(physics_hz)
        for geom in (geom for spec in specs for geom in spec.geoms if geom.contype):
            geom.solref, geom.solimp = self._contact.solref, self._contact.solimp
        return specs


def start(contact: Contact, context: dict[str, Any], action: str = "xyz") -> RobotVectorEnv:
    """Worlds on one thread at the start of an episode that does not end."""
    task = Bench(contact, action=action)
    envs = RobotVectorEnv(
        task, WORLDS, sensors=("proprioception",), context=context, max_episode_steps=None, num_threads=1
    )
    envs.reset(seed=0)
    return envs


def push(envs: RobotVectorEnv, action: tuple[float, ...], steps: int) -> FloatArray:
    """Holds an action; contact forces at every physics step, (N, steps x S, 3) newtons."""
    actions, forces = np.tile(np.array(action, np.float32), (WORLDS, 1)), []
    for _ in range(steps):
        envs.step(actions)
        forces.append(envs.world.recorded("contact_force").copy())
    return np.concatenate(forces, axis=1)


def give_mm(contact: Contact) -> float:
    """How far a slippery peg, pushed with 15 N, stands in a wall."""
    envs = start(contact, {"start_progress": 0.8, "friction": 0.05, "clearance_mm": 1.0})
    push(envs, (1.0, 0.0, 0.0), 30)
    task = envs.task
    assert isinstance(task, PegInsertion)
    return float(1e3 * (task.tip_pose()[:, 0] - task.hole[:, 0] - 0.5e-3).mean())


def landing_n(contact: Contact, speed: float) -> float:
    """Median peak force of a flat landing under that share of a full action."""
    forces = push(start(contact, FACE), (0.0, 0.0, -speed), 60)
    return float(np.median(np.linalg.norm(forces, axis=2).max(axis=1)))


def chatter_n(contact: Contact) -> float:
    """Standard deviation of the quick part of the upward force while the peg slides to and fro under some 15 N."""
    envs = start(contact, {**FACE, "start_z_m": 0.006})
    ways = [push(envs, (0.0, side, -0.3), 15) for side in (0.4, -0.4, 0.4)]
    upward = np.concatenate(ways, axis=1)[:, :, 2]
    kernel = np.ones(SMOOTHED) / SMOOTHED
    slow = np.stack([np.convolve(row, kernel, "same") for row in upward])
    return float((upward - slow)[:, 300:-SMOOTHED].std())


def provoked(contact: Contact, shape: str) -> tuple[float, float]:
    """The deepest contact in mm at the end of a control step, the largest force in N of any physics step."""
    envs, rng = start(contact, {**TIGHT, "shape": shape}, "xyz_yaw"), np.random.default_rng(0)
    scratch = [mujoco.MjData(model) for model in map(envs.world.model_of, range(envs.num_envs))]
    depth = force = 0.0
    for _ in range(12):
        forces = push(envs, tuple(rng.choice([-1.0, 1.0], 4)), 5)
        force = max(force, float(np.linalg.norm(forces, axis=2).max()))
        for i, data in enumerate(scratch):
            data.qpos[:] = envs.world.qpos[i]
            data.mocap_pos[:], data.mocap_quat[:] = envs.world.mocap_pos[i], envs.world.mocap_quat[i]
            mujoco.mj_fwdPosition(envs.world.model_of(i), data)
            depth = max([depth, *(-contact.dist for contact in data.contact)])
    return 1e3 * depth, force


def row(contact: Contact) -> list[str]:
    """The cells of one setting."""
    provocations = [provoked(contact, shape) for shape in ("square", "round", "triangular")]
    figures = (give_mm(contact), landing_n(contact, 0.5), landing_n(contact, 1.0), chatter_n(contact))
    deepest, largest = (max(values) for values in zip(*provocations, strict=True))
    solref, solimp = (", ".join(f"{value:.3g}" for value in values) for values in (contact.solref, contact.solimp[:3]))
    give, slow, fast, chatter = figures
    cells = (
        f"{give:.2f} mm",
        f"{slow:.0f} N",
        f"{fast:.0f} N",
        f"{chatter:.1f} N",
        f"{deepest:.2f} mm",
        f"{largest:.0f} N",
    )
    return [solref, solimp, *cells]


if __name__ == "__main__":
    table = Table(
        "solref", "solimp", "give at 15 N", "landing at half speed", "at full speed", "chatter", "deepest", "largest"
    )
    for setting in track(SETTINGS, "contacts"):
        table.add_row(*row(setting))
    Console(width=140).print(table)
