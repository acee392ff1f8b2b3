"""Insertion of a peg that sits in the grasp nobody knows how: shifted by up to 8 mm, turned by up to 40 degrees.

Where the hole is, an estimate says, as seen from the hand. How the peg sits in the hand only touch says: a soft palm
that holds it by suction and feels the outline of its end. Who gropes instead has to take care: a peg that is twisted
too hard turns on the palm, and is lost.

Letters: N = worlds, n = those being reset.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.modality import ImageConv
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.impedance import Impedance, ImpedanceController
from mmrl_envs.physics.engines import BULLET, DEFAULT_ENGINE, make_world
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ToolArm
from mmrl_envs.scenes.workcell import make_bench
from mmrl_envs.sensors.tactile.pad import TactilePad
from mmrl_envs.task import Outcome, Start
from mmrl_envs.tasks.peg import pegs, scene
from mmrl_envs.tasks.peg.grasp import HELD, PAD, PEG_JOINTS, REACH, SUCTION_N, Grasp, foundation_of, hold_peg
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.tasks.peg.yaw import wrap

MOST_SHIFT_M, MOST_TURN_RAD = 0.010, 0.78
"""Largest shift and turn of a peg in the grasp."""
HOLDS_NM = 0.17
"""Twist about the axis of the hand up to which suction holds a peg where it is, N m: that of a friction of 0.28 under
40 N on a square of 4 cm, whose sides are 1.5 cm from its middle on average."""
_TURN = PEG_JOINTS.index("peg_turn")


class GraspedInsertion(PegInsertion):
    """Insertion of a peg whose place in the grasp must be felt.

    Rewards, success and figures are those of `PegInsertion`, of the tip of the peg; the controller, proprioception and
    the estimate of the hole are of the hand, which does not know where that is.

    Args:
        reward: as of `PegInsertion`.
        reward_weights: as of `PegInsertion`.
        impedance: the controller, or settings of it that differ from the usual ones.
    """

    observed = "peg_tip"
    figures = (
        *PegInsertion.figures,
        Figure(
            "lost", "", "last", "low", "1 where the peg has been twisted off its place on the palm, else 0.", event=True
        ),
        Figure("twist_nm", "N m", "max", "low", "Twist of the peg on the palm, its largest."),
    )
    privileged_size = PegInsertion.privileged_size + 4
    senses = (
        "hole_estimate",
        # suction presses each taxel that the peg covers with 0.3 N
        TactilePad(
            body=HELD, suction_n=SUCTION_N, encoder=ImageConv((16, 32), (3, 3), (2, 2), features=64, zero=0.0, unit=0.3)
        ),
        "proprioception",
    )

    def __init__(
        self,
        *,
        reward: str = "dense",
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(action="xyz_yaw", reward=reward, reward_weights=reward_weights, impedance=impedance)
        mounts = {"wrist": "flange", "tip": "tip", PAD: PAD}
        self.robot = ToolArm(REACH, ImpedanceController(self.impedance, "xyz_yaw"), mounts=mounts)
        self.parameters = (
            *self.parameters,
            Parameter("grasp_shift_m", (0.0, 0.008), 0.0, MOST_SHIFT_M, "distance of the peg from the palm's middle"),
            Parameter("grasp_turn_rad", (-0.7, 0.7), -MOST_TURN_RAD, MOST_TURN_RAD, "turn of the peg in the grasp"),
            Parameter("holds_nm", HOLDS_NM, 0.05, 10.0, "twist in N m up to which the peg keeps its place on the palm"),
        )

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """One scene per shape, in the order of `pegs.PEG_SHAPES`."""
        return [self._scene(shape, physics_hz) for shape in pegs.PEG_SHAPES.values()]

    def _scene(self, shape: pegs.PegShape, physics_hz: int) -> mujoco.MjSpec:
        spec = make_bench(physics_hz)
        self.robot.install(spec)
        pegs.add_peg_meshes(spec)
        hold_peg(spec, self.robot, shape)
        scene.add_block(spec, shape)
        return spec

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        if engine == BULLET:
            raise ValueError(f"the peg is on springs, which {engine} has not: leave engine at {DEFAULT_ENGINE!r}")
        return make_world(engine, models, num_worlds, substeps=substeps, num_threads=num_threads)

    def attach(self, world: World) -> None:
        super().attach(world)
        self._grasp: FloatArray = np.zeros((world.num_worlds, 4))  # shift along x and y, turn, depth, as of `Grasp`
        foundations = [foundation_of(shape) for shape in pegs.PEG_SHAPES.values()]
        self._depths = np.array([foundation.pressed_in for foundation in foundations])
        self._stiffness = np.array([foundation.turn for foundation in foundations])
        self._holds: FloatArray = np.full(world.num_worlds, HOLDS_NM)
        self._lost: BoolArray = np.zeros(world.num_worlds, np.bool_)
        self._springs = world.template.jnt_qposadr[[world.template.joint(name).id for name in PEG_JOINTS]]

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """As `PegInsertion`, with the hand where that has the tip; the nearer the start, the more it is the peg."""
        tip = super().begin(worlds, context, streams).setpoint
        assert tip is not None
        angle = 2 * np.pi * streams.uniform(worlds, ())
        shift = np.stack([np.cos(angle), np.sin(angle)], axis=1) * context["grasp_shift_m"][:, None]
        grasp = Grasp(shift, context["grasp_turn_rad"], self._depths[self._shape[worlds]])
        self._grasp[worlds] = np.column_stack([shift, grasp.turn, grasp.pressed_in])
        far = 1.0 - np.minimum(2.0 * context["start_progress"], 1.0)
        tip = tip + far[:, None] * (grasp.tip_of(np.zeros_like(tip)))
        hand, joints = grasp.hand_of(tip), grasp.joints()
        self._tip[worlds] = tip
        self._holds[worlds], self._lost[worlds] = context["holds_nm"], False
        self.world.write("qpos_spring", worlds, joints, self._springs)
        qpos = np.concatenate([self.robot.joints_at(hand), joints], axis=1)
        return Start(qpos, setpoint=hand, figures={"depth_m": self.depth()[worlds], "lost": np.zeros(len(worlds))})

    def assess(self) -> Outcome:
        """As `PegInsertion`; a peg that was twisted off its place earns nothing any more."""
        outcome, twist = super().assess(), self.twist()
        self._lost |= twist > self._holds
        kept = ~self._lost
        terms = {name: term * kept for name, term in outcome.reward_terms.items()}
        figures = {**outcome.figures, "lost": self._lost.astype(np.float64), "twist_nm": twist}
        return replace(
            outcome, reward=outcome.reward * kept, success=outcome.success & kept, figures=figures, reward_terms=terms
        )

    def twist(self) -> FloatArray:
        """Twist that the springs under the pegs bear about the axis of the hand, N m, (N,)."""
        turned = self.world.qpos[:, self._springs[_TURN]] + self._grasp[:, 2]
        twist: FloatArray = self._stiffness[self._shape] * np.abs(turned)
        return np.nan_to_num(twist, nan=0.0, posinf=0.0)

    def hand_pose(self) -> FloatArray:
        """Poses x, y, z (metres), yaw (radians) in W of the place where a peg held straight has its tip, (N, 4)."""
        axis = self.world.current("tip_xaxis")
        yaw = np.arctan2(axis[:, 1], axis[:, 0])
        return np.concatenate([self.world.current("tip_position"), yaw[:, None]], axis=1)

    @property
    def grasp(self) -> Grasp:
        """How the pegs sit, (N, ...): ground truth, for experts and tests."""
        return Grasp(self._grasp[:, :2], self._grasp[:, 2], self._grasp[:, 3])

    def privileged(self) -> NDArray[np.float32]:
        """The vector of `PegInsertion`, then the shift of the peg in the grasp, and its turn as a place on a circle.

        A turn of 40 degrees looks nearly like one of 40 degrees the other way: on the circle they are neighbours.
        """
        times = np.divide(2 * np.pi, self._symmetry, out=np.zeros_like(self._symmetry), where=self._symmetry > 0)
        turns = times * self._grasp[:, 2]
        columns = [self._grasp[:, :2] / 0.008, np.cos(turns)[:, None], np.sin(turns)[:, None]]
        return np.concatenate([super().privileged(), *columns], axis=1).astype(np.float32)

    def field(self, name: str) -> FloatArray:
        """The fields of `PegInsertion`, the estimate of the hole from the hand."""
        if name == "hole_estimate":
            relative = self._estimate - self.hand_pose()
            relative[:, 3] = wrap(relative[:, 3], self._symmetry)
            return relative
        return super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of `PegInsertion`, and how the pegs sit."""
        return {**super().arrays(), "grasp": self._grasp, "holds": self._holds, "lost": self._lost}
