"""A block to be tapped: what it is made of is to be heard, and says where to go.

Four blocks look and feel alike. Each kind has a place above a corner of the block; the tip has to have tapped the block
and to stay at the place of its kind. Which of the places is right nothing but sound says: the sides of the plate that
rings differ from episode to episode, and contacts are the same for all.

Letters: N = worlds, n = those being reset, K = kinds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.controllers.impedance import Impedance, ImpedanceController, impedance_with
from mmrl_envs.physics.sound import MATERIALS, PLATE_COLUMNS, SOUNDING, Material, plate_row
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, ADAPTER_MASS, HAND, ToolArm
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.scenes.workcell import CONTACT, WORKSPACE, make_bench
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with
from mmrl_envs.tasks.peg.reward import closeness

ROD_LENGTH, ROD_RADIUS, ROD_MASS = 0.08, 0.006, 0.10
"""Metres and kilograms."""
BLOCK_HALF_M = (0.04, 0.035, 0.02)
SIDES_M = (0.08, 0.07)
"""Sides of the plate that rings, on average."""
PLACES = np.array([[0.035, 0.035], [-0.035, -0.035], [0.035, -0.035], [-0.035, 0.035]])
"""Places in W, metres: kind k belongs to the k-th."""
NEAR_M, NEAR_STEPS = 0.015, 5
"""How near to the place the tip has to be in the plane, and for how many control steps on end."""
TAP_N = 0.5
"""Contact force in newtons from which the block is tapped."""
_LENGTH, _WIDTH = PLATE_COLUMNS.index("length_m"), PLATE_COLUMNS.index("width_m")
_COLOURS = ((0.84, 0.37, 0.0), (0.0, 0.45, 0.70), (0.0, 0.62, 0.45), (0.80, 0.47, 0.65))  # Okabe and Ito


@dataclass(frozen=True)
class BlockKind:
    """A kind of block, by how it sounds."""

    material: Material
    """Of its plate."""
    thickness_m: float = 0.003
    """Of its plate."""
    load: float = 0.0
    """Mass of what fills it, as a multiple of the plate's."""


@dataclass(frozen=True)
class Distinction:
    """Kinds to be told apart, at most one for each place."""

    kinds: Mapping[str, BlockKind]
    """The kinds by name."""
    spread: float
    """By how much the sides of a plate may differ from the usual ones, as a share."""


_PLASTIC = MATERIALS["plastic"]
DISTINCTIONS: Mapping[str, Distinction] = MappingProxyType(
    {
        "material": Distinction({name: BlockKind(material) for name, material in MATERIALS.items()}, 0.25),
        "hollow": Distinction({"hollow": BlockKind(_PLASTIC), "solid": BlockKind(_PLASTIC, 0.012)}, 0.25),
        "filling": Distinction(
            {
                name: BlockKind(_PLASTIC, load=load)
                for name, load in (("empty", 0.0), ("low", 0.5), ("half", 1.3), ("full", 3.0))
            },
            0.03,
        ),
    }
)
"""Distinctions that the task knows. The pitch of a plate falls with its sides, so that fillings need sides that hardly
differ: their pitches are 1, 0.82, 0.66 and 0.5."""


@dataclass(frozen=True)
class TapReward(RewardWeights):
    """Weights of the terms of the reward of a control step, all 0 until the block is tapped."""

    towards: float = 0.3
    """Of 1 - d / 70 mm, at least -1, d being the distance to the place in the plane."""
    close: float = 0.2
    """Of 1 / (exp(a d) + exp(-a d)), a = 100 / m."""
    success: float = 0.1
    """In every step in which the task is fulfilled."""


class TapToHear(Task):
    """Tap the block, and go to the place of its kind.

    Args:
        tells: the distinction, one of `DISTINCTIONS`.
        reward_weights: those weights that differ from the usual ones, by the names of `TapReward`.
        impedance: the controller, or settings of it that differ from the usual ones.

    Raises ValueError for an unknown distinction.
    """

    robot: ToolArm
    senses = ("tap_sound", "proprioception")
    fields = ("sounding_plate", "tool_wrench")
    figures = (
        Figure("tapped", "", "last", "high", "1 from the first tap on, else 0.", event=True),
        Figure("distance_m", "m", "last", "low", "Distance of the tip from the right place in the plane."),
        Figure("peak_force_n", "N", "max", "low", "The largest contact force of the episode."),
    )
    reward_terms = tuple(vars(TapReward()))

    def __init__(
        self,
        *,
        tells: str = "material",
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        if tells not in DISTINCTIONS:
            raise ValueError(f"unknown distinction {tells!r}; tells is one of {', '.join(DISTINCTIONS)}")
        self.distinction = DISTINCTIONS[tells]
        self.weights = weights_with(TapReward, reward_weights)
        self.impedance = impedance if isinstance(impedance, Impedance) else impedance_with(impedance or {})
        self.robot = ToolArm(ADAPTER_LENGTH + ROD_LENGTH, ImpedanceController(self.impedance))
        self.parameters = _parameters(self.distinction)
        self.privileged_size = len(self.distinction.kinds) + 9

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The bench with the arm, its rod, and the block."""
        spec = make_bench(physics_hz)
        self.robot.install(spec)
        _add_rod(spec)
        _add_block(spec)
        return [spec]

    def attach(self, world: World) -> None:
        super().attach(world)
        n = world.num_worlds
        self._kind: IntArray = np.zeros(n, np.intp)
        kinds = self.distinction.kinds.values()
        self._usual = np.stack([plate_row(k.material, (*SIDES_M, k.thickness_m), k.load) for k in kinds])  # (K, 8)
        self._plates: FloatArray = np.tile(self._usual[0], (n, 1))
        self._tip: FloatArray = np.zeros((n, 3))
        self._velocity: FloatArray = np.zeros((n, 3))
        self._tapped: BoolArray = np.zeros(n, np.bool_)
        self._stayed: IntArray = np.zeros(n, np.intp)  # control steps on end near the place
        self._tool_wrench = np.tile([0.0, 0.0, 9.81 * (ADAPTER_MASS + ROD_MASS), 0.0, 0.0, 0.0], (n, 1))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Chooses a kind and its plate, and puts the rod above the block."""
        kind = context["kind"].astype(np.intp)
        self._kind[worlds], self._plates[worlds] = kind, self._usual[kind]
        for column, name in ((_LENGTH, "length_share"), (_WIDTH, "width_share")):
            self._plates[worlds, column] *= context[name]
        tip = np.stack([context[f"start_{axis}_m"] for axis in "xyz"], axis=1)
        self._tip[worlds], self._velocity[worlds] = tip, 0.0
        self._tapped[worlds], self._stayed[worlds] = False, 0
        pose = np.concatenate([tip, np.zeros((len(worlds), 1))], axis=1)
        return Start(self.robot.joints_at(pose), setpoint=pose)

    def assess(self) -> Outcome:
        """Judges where the tip is, once the block is tapped."""
        self._tip[:] = self.world.recorded("tip_position")[:, -1]
        self._velocity[:] = self.world.recorded("tip_velocity")[:, -1]
        force = self.world.recorded("contact_force")
        peak = np.sqrt(np.einsum("nsd,nsd->ns", force, force)).max(axis=1)  # (N, S, 3) -> (N,)
        self._tapped |= peak >= TAP_N
        distance = np.linalg.norm(self._offset(), axis=1)
        self._stayed[:] = np.where(distance < NEAR_M, self._stayed + 1, 0)
        success = self._tapped & (self._stayed >= NEAR_STEPS)
        amounts = (np.maximum(1.0 - distance / 0.07, -1.0), closeness(distance, 100.0), success)
        terms = {
            name: weight * self._tapped * a
            for (name, weight), a in zip(vars(self.weights).items(), amounts, strict=True)
        }
        figures = {"tapped": self._tapped.astype(np.float64), "distance_m": distance, "peak_force_n": peak}
        return Outcome(sum(terms.values(), np.zeros(len(distance))), success, figures=figures, reward_terms=terms)

    def _offset(self) -> FloatArray:
        """From the tip to the place of the kind in the plane, metres, (N, 2)."""
        offset: FloatArray = PLACES[self._kind] - self._tip[:, :2]
        return offset

    def privileged(self) -> NDArray[np.float32]:
        """The kind, where the tip is and how fast, whether it has tapped, and where it should go."""
        columns = [
            np.eye(len(self._usual))[self._kind],
            self._tip / 0.05,
            10.0 * self._velocity,
            self._tapped[:, None],
            self._offset() / 0.05,
        ]
        return np.concatenate(columns, axis=1).clip(-10.0, 10.0).astype(np.float32)

    def field(self, name: str) -> FloatArray:
        """`sounding_plate` (N, 8), the block as it sounds; `tool_wrench` (N, 6), static weight of the tool."""
        if name == "sounding_plate":
            return self._plates
        return self._tool_wrench if name == "tool_wrench" else super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The block, the tip, and what has been done."""
        return {name: vars(self)[f"_{name}"] for name in ("kind", "plates", "tip", "velocity", "tapped", "stayed")}


def _parameters(distinction: Distinction) -> tuple[Parameter | Choice, ...]:
    kinds, sides = tuple(distinction.kinds), (1.0 - distinction.spread, 1.0 + distinction.spread)
    return (
        Choice("kind", kinds, kinds, "kind of the block"),
        Parameter("length_share", sides, 0.5, 2.0, "length of the plate that rings against the usual one"),
        Parameter("width_share", sides, 0.5, 2.0, "width of the plate that rings against the usual one"),
        Parameter("start_x_m", (-0.01, 0.01), -0.03, 0.03, "place of the tip at the start"),
        Parameter("start_y_m", (-0.01, 0.01), -0.03, 0.03, "place of the tip at the start"),
        Parameter("start_z_m", (0.015, 0.03), 0.005, 0.06, "height of the tip above the block at the start"),
    )


def _add_rod(spec: mujoco.MjSpec) -> None:
    """Adds the rod to the hand, its lower end at the tip."""
    ends = [0, 0, ADAPTER_LENGTH, 0, 0, ADAPTER_LENGTH + ROD_LENGTH - ROD_RADIUS]
    look = {"rgba": (0.30, 0.32, 0.35, 1), "group": SCENE_GROUP}
    rod = {"type": mujoco.mjtGeom.mjGEOM_CAPSULE, "fromto": ends, "size": [ROD_RADIUS, 0, 0], "mass": ROD_MASS}
    spec.body(HAND).add_geom(name="rod", **rod, **look, **CONTACT)


def _add_block(spec: mujoco.MjSpec) -> None:
    """Adds the block, its upper face at the height of the workspace, and marks of the places for films."""
    block = {"type": mujoco.mjtGeom.mjGEOM_BOX, "size": BLOCK_HALF_M, "rgba": (0.80, 0.78, 0.70, 1)}
    spec.worldbody.add_geom(
        name=SOUNDING, pos=WORKSPACE - [0, 0, BLOCK_HALF_M[2]], **block, group=SCENE_GROUP, **CONTACT
    )
    for i, ((x, y), colour) in enumerate(zip(PLACES, _COLOURS, strict=True)):
        mark = {"type": mujoco.mjtGeom.mjGEOM_CYLINDER, "size": [0.004, 0.0004, 0], "rgba": (*colour, 1)}
        spec.worldbody.add_geom(
            name=f"place{i}",
            pos=WORKSPACE + np.array([x * 0.85, y * 0.85, 0.0]),
            **mark,
            group=SCENE_GROUP,
            contype=0,
            conaffinity=0,
        )
