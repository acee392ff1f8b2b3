"""Peg insertion: push a peg that the arm holds into a hole whose place the policy must see or feel.

The task of Lee et al., "Making Sense of Vision and Touch" (ICRA 2019): five shapes of peg, their clearances,
a policy at 20 Hz that moves the tool by Cartesian displacements, a wrench at 1 kHz. The hole lies anywhere in
8 x 8 cm and, where the action turns the tool, at any yaw. An episode runs its full 100 control steps (5 s);
success does not end it but has to be kept.

Letters: N = worlds, n = those being reset.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.controllers.impedance import Impedance, ImpedanceController, impedance_with
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, ADAPTER_MASS, ToolArm
from mmrl_envs.scenes.friction import write_sliding
from mmrl_envs.scenes.workcell import WORKSPACE
from mmrl_envs.sensors import Sensor
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import weights_with
from mmrl_envs.tasks.peg import geometry, pegs, scene
from mmrl_envs.tasks.peg.context import SHAPE_NAMES, peg_parameters
from mmrl_envs.tasks.peg.reward import TERMS, DenseReward, Insertion, keypoint_distances
from mmrl_envs.tasks.peg.yaw import fold_yaw, wrap

TOOL_LENGTH = ADAPTER_LENGTH + pegs.PEG_LENGTH
SUCCESS_DEPTH = pegs.HOLE_DEPTH - 0.003
"""Depth of the tip that counts as bottomed, metres: 3 mm short of the floor."""
START_DEPTH = SUCCESS_DEPTH - 0.002
"""Depth of the tip where `start_progress` is 1, metres: short of success by less than a step's stride."""
HOLD_S = 0.25
"""Seconds for which the peg must stay bottomed, in whole control steps."""
LEAST_START_M = 0.005
"""Least height of the tip above the face where an episode begins above it, metres."""
BROKEN_FORCE_N = 500.0
"""Contact force in newtons that is an engine's error: the most seen of full actions and of policies is 360 N."""
REWARDS = ("dense", "sparse")


class PegInsertion(Task):
    """Insertion of one of five pegs, by shape and clearance.

    Args:
        action: "xyz" (displacement at fixed orientation) or "xyz_yaw".
        reward: "dense" (closeness at two scales, engagement, success) or "sparse" (1 while the task is
            fulfilled).
        reward_weights: those weights of the terms of the dense reward that differ from the usual ones, by the names of
            `mmrl_envs.tasks.peg.reward.DenseReward`.
        impedance: the controller, or settings of it that differ from the usual ones.
    """

    robot: ToolArm
    observed = "tip"  # first word of the MuJoCo sensors of the peg's tip
    privileged_size = 26
    senses: tuple[str | Sensor, ...] = ("camera", "force_torque", "proprioception")
    fields: tuple[str, ...] = ("hole_estimate", "tool_wrench")
    figures: tuple[Figure, ...] = (
        Figure("peak_force_n", "N", "max", "low", "The largest contact force of the episode."),
        Figure("mean_force_n", "N", "mean", "low", "The mean contact force over the episode."),
        Figure("depth_m", "m", "last", "high", "How deep the tip is in the hole."),
    )

    def __init__(
        self,
        *,
        action: str = "xyz",
        reward: str = "dense",
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        if reward not in REWARDS:
            raise ValueError(f"unknown reward {reward!r}; rewards are {list(REWARDS)}")
        self.impedance = impedance if isinstance(impedance, Impedance) else impedance_with(impedance or {})
        self.robot = ToolArm(TOOL_LENGTH, ImpedanceController(self.impedance, action))
        self.dense = weights_with(DenseReward, reward_weights) if reward == "dense" else None
        self.reward_terms = tuple(TERMS) if self.dense else ()
        if reward_weights and self.dense is None:
            raise ValueError(
                f"reward_weights are of the dense reward, and reward is {reward!r}, got {reward_weights!r}"
            )
        self.parameters = peg_parameters(turning=action == "xyz_yaw")

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """One scene per shape, in the order of `pegs.PEG_SHAPES`."""
        return [scene.make_scene(self.robot, shape, physics_hz) for shape in pegs.PEG_SHAPES.values()]

    def attach(self, world: World) -> None:
        """Prepares the per-world state."""
        super().attach(world)
        n = world.num_worlds
        self._every = np.arange(n)
        model = world.template
        self._contact_geoms = np.flatnonzero(model.geom_contype != 0)
        self._hole: FloatArray = np.zeros((n, 4))  # x, y, z, yaw in W
        self._estimate: FloatArray = np.zeros((n, 4))
        self._shape: IntArray = np.zeros(n, np.intp)
        self._clearance: FloatArray = np.zeros(n)
        self._symmetry: FloatArray = np.zeros(n)
        self._held: IntArray = np.zeros(n, np.intp)
        self.hold_steps = max(1, round(HOLD_S * world.physics_hz / world.substeps))
        """Control steps for which the peg must stay bottomed."""
        self._tip: FloatArray = np.zeros((n, 4))
        self._velocity: FloatArray = np.zeros((n, 4))
        self._force: FloatArray = np.zeros((n, 3))
        self._in_block: FloatArray = np.zeros(n)  # metres
        self._tilt: FloatArray = np.zeros(n)  # radians
        weight = 9.81 * (ADAPTER_MASS + scene.PEG_MASS)
        self._tool_wrench = np.tile([0.0, 0.0, weight, 0.0, 0.0, 0.0], (n, 1))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Places hole and tip, and gives each world its shape, clearance and friction."""
        chosen = context["shape"].astype(np.intp)
        shapes = [pegs.PEG_SHAPES[SHAPE_NAMES[i]] for i in chosen]
        symmetry = np.array([shape.symmetry_rad for shape in shapes])
        default = np.array([shape.paper_clearance_m for shape in shapes])
        clearance = np.where(np.isnan(context["clearance_mm"]), default, context["clearance_mm"] * 1e-3)
        yaw = fold_yaw(context["hole_yaw_rad"], symmetry)
        hole = np.stack([context["hole_x_m"], context["hole_y_m"], self._face(context), yaw], axis=1)
        self._shape_worlds(worlds, chosen, clearance, context["friction"])
        upright = np.zeros(len(worlds))
        turned = np.stack([np.cos(yaw / 2), upright, upright, np.sin(yaw / 2)], axis=1)
        self.world.write("mocap_pos", worlds, (hole[:, :3] + WORKSPACE)[:, None])
        self.world.write("mocap_quat", worlds, turned[:, None])
        self._shape[worlds], self._clearance[worlds], self._symmetry[worlds] = chosen, clearance, symmetry
        self._hole[worlds] = hole
        angle = 2 * np.pi * streams.uniform(worlds, ())
        error = np.stack([np.cos(angle), np.sin(angle)], axis=1) * context["hole_estimate_error_m"][:, None]
        self._estimate[worlds] = hole
        self._estimate[worlds, :2] += error
        self._estimate[worlds, 2] = 0.0  # where the face of the block would be in a plan
        self._held[worlds] = 0
        start = np.stack([context[f"start_{axis}_m"] for axis in "xyz"] + [np.zeros(len(worlds))], axis=1)
        towards = np.minimum(2.0 * context["start_progress"], 1.0)[:, None]
        start[:, 2] = np.maximum(start[:, 2], hole[:, 2] + LEAST_START_M)
        start += towards * (hole - start)
        start[:, 2] -= START_DEPTH * np.maximum(2.0 * context["start_progress"] - 1.0, 0.0)
        self._tip[worlds] = start
        self._velocity[worlds] = 0.0
        self._force[worlds] = 0.0
        self._in_block[worlds], self._tilt[worlds] = 0.0, 0.0
        depth = {"depth_m": self.depth()[worlds]}
        return Start(self.robot.joints_at(start), setpoint=start, figures=depth)

    def _face(self, context: Mapping[str, FloatArray]) -> FloatArray:
        """Height of the face of the block in W, metres, (n,)."""
        return np.zeros_like(context["hole_x_m"])

    def _shape_worlds(self, worlds: IntArray, chosen: IntArray, clearance: FloatArray, friction: FloatArray) -> None:
        """Gives worlds (n,) the scene of a shape (n,), and contacts of a clearance in metres and a friction, (n,)."""
        scene.choose_shapes(self.world, worlds, chosen, clearance)
        write_sliding(self.world, worlds, self._contact_geoms, friction)

    def assess(self) -> Outcome:
        """Reward, success, contact forces and depth of the tip."""
        self._observe()
        bottomed = self.bottomed()
        self._held = np.where(bottomed, self._held + 1, 0)
        success = self._held >= self.hold_steps
        depth = self.depth()
        reward, terms = self._reward(Insertion(*self.keypoint_distances(), depth, success))
        force = self.world.recorded("contact_force")
        magnitude = np.sqrt(np.einsum("nsd,nsd->ns", force, force))  # (N, S, 3) -> (N, S)
        peak = magnitude.max(axis=1)
        figures = {"peak_force_n": peak, "mean_force_n": magnitude.mean(axis=1), "depth_m": depth}
        broken = (self._in_block > geometry.BROKEN_DEPTH_IN_BLOCK) | (peak > BROKEN_FORCE_N)
        return Outcome(reward, success, figures=figures, reward_terms=terms, broken=broken)

    def _reward(self, insertion: Insertion) -> tuple[FloatArray, dict[str, FloatArray]]:
        """Reward (N,) and what each term adds to it."""
        return self.dense(insertion) if self.dense else (insertion.success.astype(np.float64), {})

    def depth(self) -> FloatArray:
        """How far the tip is in the hole, metres, (N,)."""
        depth: FloatArray = np.where(self.over_hole(), np.maximum(-self.height(), 0.0), 0.0)
        return depth

    def height(self) -> FloatArray:
        """How high the tip is above the face of the block, metres, (N,)."""
        height: FloatArray = self._tip[:, 2] - self._hole[:, 2]
        return height

    def _observe(self) -> None:
        self._tip[:, :3] = self.world.recorded(f"{self.observed}_position")[:, -1]
        axis = self.world.recorded(f"{self.observed}_xaxis")[:, -1]
        self._tip[:, 3] = np.arctan2(axis[:, 1], axis[:, 0])
        self._velocity[:, :3] = self.world.recorded(f"{self.observed}_velocity")[:, -1]
        self._velocity[:, 3] = self.world.recorded(f"{self.observed}_angular_velocity")[:, -1, 2]
        self._force[:] = self.world.recorded("contact_force").mean(axis=1)
        self._observe_geometry(axis, self.world.recorded(f"{self.observed}_zaxis")[:, -1])

    def _observe_geometry(self, x: FloatArray, z: FloatArray) -> None:
        """Depth in the block and tilt for axes of the tool in W, (N, 3) each."""
        yaw = self._hole[:, 3]
        offset = self._tip[:, :3] - self._hole[:, :3]
        offset, x, z = (geometry.into_hole_frame(vectors, yaw) for vectors in (offset, x, z))
        axes = np.stack([x, np.cross(z, x), z], axis=2)
        self._tilt[:] = geometry.tilt(axes)
        self._in_block[:] = 0.0
        low = offset[:, 2] < geometry.REACH_M
        for number in np.unique(self._shape[low]):
            of_it, shape = np.flatnonzero(low & (self._shape == number)), pegs.PEG_SHAPES[SHAPE_NAMES[number]]
            depth = geometry.depth_in_block(shape, self._clearance[of_it], offset[of_it], axes[of_it])
            self._in_block[of_it] = depth

    def over_hole(self) -> BoolArray:
        """Whether the tip's centre is within the play of the hole, plus 0.5 mm for soft contact, (N,)."""
        offset: FloatArray = np.linalg.norm(self._tip[:, :2] - self._hole[:, :2], axis=1)
        # a corner of angle 60 degrees (triangle) lets the centre off by twice the inset of its edges
        return offset <= self._clearance + 0.0005

    def bottomed(self) -> BoolArray:
        """Whether the tip is within 3 mm of the hole's floor and the peg stands in the hole, upright, (N,)."""
        upright = self._tilt <= geometry.MAX_TILT
        possible = self._in_block <= geometry.MAX_DEPTH_IN_BLOCK
        return self.over_hole() & (-self.height() >= SUCCESS_DEPTH) & upright & possible

    def keypoint_distances(self) -> tuple[FloatArray, FloatArray]:
        """How far four points on the peg's rim are from their inserted places: aside and in height, metres, (N,)."""
        offset = self._tip[:, :3] - self._hole[:, :3]
        return keypoint_distances(offset, self.yaw_error(), self.over_hole())

    def yaw_error(self) -> FloatArray:
        """Turn of the peg against the hole in radians, wrapped by the shape's symmetry, (N,)."""
        return wrap(self._tip[:, 3] - self._hole[:, 3], self._symmetry)

    def privileged(self) -> NDArray[np.float32]:
        """Offset to the inserted pose at three scales, yaw error, velocity, force, progress, shape and clearance."""
        offset = self._tip[:, :3] - self._hole[:, :3]
        offset[:, 2] += pegs.HOLE_DEPTH
        turn = self.yaw_error()[:, None]
        columns = [
            offset / 0.05,
            np.tanh(20.0 * offset),
            np.tanh(150.0 * offset),
            turn,
            np.tanh(10.0 * turn),
            self._velocity * (10.0, 10.0, 10.0, 1.0),
            self._force / 20.0,
            np.minimum(self._held, self.hold_steps)[:, None] / self.hold_steps,
            (offset[:, 2:] < pegs.HOLE_DEPTH - 0.001).astype(np.float64),
            np.eye(len(SHAPE_NAMES))[self._shape],
            self._clearance[:, None] / 2e-3,
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def field(self, name: str) -> FloatArray:
        """`tool_wrench` (N, 6), static weight of the tool at the flange; `hole_estimate` (N, 4), from the tip in W."""
        if name == "tool_wrench":
            return self._tool_wrench
        if name == "hole_estimate":
            relative = self._estimate - self._tip
            relative[:, 3] = wrap(relative[:, 3], self._symmetry)
            return relative
        return super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Where hole and tip are, what the hole is like, how long success has been held."""
        return {
            "hole": self._hole,
            "estimate": self._estimate,
            "shape": self._shape,
            "clearance": self._clearance,
            "symmetry": self._symmetry,
            "held": self._held,
            "tip": self._tip,
            "velocity": self._velocity,
            "force": self._force,
            "in_block": self._in_block,
            "tilt": self._tilt,
        }

    def tip_pose(self) -> FloatArray:
        """Tip poses x, y, z in metres and yaw in radians in W, (N, 4): ground truth, for experts and tests."""
        return self._tip

    @property
    def symmetry(self) -> FloatArray:
        """Smallest turn in radians that maps each world's peg onto itself, 0 if every turn does, (N,)."""
        return self._symmetry

    @property
    def clearance(self) -> FloatArray:
        """Hole width minus peg width in metres, (N,)."""
        return self._clearance

    @property
    def hole(self) -> FloatArray:
        """Hole poses x, y, z, yaw in W, (N, 4): ground truth, for experts and tests."""
        return self._hole
