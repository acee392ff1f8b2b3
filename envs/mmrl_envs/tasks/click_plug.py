"""A plug to be pushed until a sprung bolt clicks behind its ridge, at a depth that nobody knows, and no further.

The policy says when the plug is in: a number of its action, which ends the episode. That is a success within 2 mm after
the click, if no more than 25 N has pressed on anything. Where the bolt is only contact says: it is drawn anew in every
episode, hidden from cameras, and a floor that must not be hit lies a few millimetres below.

Letters: N = worlds, n = those being reset, S = physics steps per control step.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.impedance import Impedance, ImpedanceController, impedance_with
from mmrl_envs.controllers.saying_done import DONE, SayingDone
from mmrl_envs.physics.engines import BULLET, DEFAULT_ENGINE, make_world
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, ADAPTER_MASS, HAND, ToolArm
from mmrl_envs.scenes.click_socket import (
    BOLT_POSITION,
    CLICK_BELOW,
    OVERLAP,
    PLUG_LENGTH,
    PLUG_MASS,
    RIDGE_ABOVE_TIP,
    SHELL,
    add_plug,
    add_socket,
    place_bolts,
)
from mmrl_envs.scenes.friction import write_sliding
from mmrl_envs.scenes.workcell import WORKSPACE, make_bench
from mmrl_envs.sensors.force_torque import ForceTorque
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with

MOST_FORCE_N = 25.0
"""Contact force in newtons above which the socket breaks."""
MOST_PAST_M = 0.002
"""Distance past the click in metres within which done has to be said."""
PUSHED_BACK_M, RELEASED_M = 0.5 * OVERLAP, 0.25 * OVERLAP
"""How far in metres the bolt must have been pushed back, and how near to its rest it must come then, for a click."""
_NOMINAL_M = RIDGE_ABOVE_TIP + CLICK_BELOW
"""Depth of the tip below that of the bolt at which it clicks, for a plug in the middle that moves slowly, metres."""
_MIDDLE, _SPREAD = np.array([0.010, 3000.0, 0.25]), np.array([0.003, 500.0, 0.1])
"""Of the depth of the bolt, the stiffness of its spring and the friction, to bring them to order one."""
_MM = 1e-3


@dataclass(frozen=True)
class ClickReward(RewardWeights):
    """Weights of the terms of the reward."""

    nearing: float = 0.1
    """Of each millimetre that the tip comes nearer to the middle of the mouth in the plane."""
    deeper: float = 0.1
    """Of each millimetre that the tip goes down to where the bolt clicks."""
    click: float = 1.0
    """Once, when the bolt clicks."""
    past: float = -0.3
    """Of each millimetre past the click."""
    success: float = 5.0
    """Once, when done is said in time."""
    wrong: float = -0.5
    """Once, when done is said without success."""
    broken: float = -1.0
    """Once, when the socket breaks."""


class ClickPlug(Task):
    """Push until it clicks, and say done.

    Args:
        reward_weights: those weights of the reward that differ from the usual ones, by the names of `ClickReward`.
        impedance: the controller of the tip, or settings of it that differ from the usual ones.
        done_above: the last number of an action above which it says done.
    """

    robot: ToolArm
    senses = ("hole_estimate", ForceTorque(history=50))  # 32 ms of 50 would miss one click in three
    fields = ("hole_estimate", "tool_wrench", "sounding_plate")
    figures = (
        Figure("peak_force_n", "N", "max", "low", "The largest contact force of the episode."),
        Figure("clicked", "", "last", "high", "1 from the click on, else 0.", event=True),
        Figure("past_click_m", "m", "last", "low", "How much deeper than the click the tip has been."),
        Figure("said_done", "", "last", "high", "1 where the policy has said done, else 0.", event=True),
        Figure(
            "broken", "", "last", "low", "1 where the socket is broken, which ends the episode, else 0.", event=True
        ),
    )
    reward_terms = tuple(vars(ClickReward()))
    privileged_size = 18
    parameters = (
        Parameter("detent_depth_m", (0.007, 0.013), 0.006, 0.016, "depth of the bolt below the face of the socket"),
        Parameter("bolt_stiffness_n_m", (2500.0, 3500.0), 500.0, 8000.0, "stiffness of the bolt's spring"),
        Parameter("friction", (0.15, 0.35), 0.05, 0.6, "sliding friction of plug, socket and bolt"),
        Parameter("socket_x_m", (-0.03, 0.03), -0.04, 0.04, "place of the socket in the workspace"),
        Parameter("socket_y_m", (-0.03, 0.03), -0.04, 0.04, "place of the socket in the workspace"),
        Parameter("start_x_m", (-0.003, 0.003), -0.02, 0.02, "place of the tip at the start, from the mouth"),
        Parameter("start_y_m", (-0.003, 0.003), -0.02, 0.02, "place of the tip at the start, from the mouth"),
        Parameter(
            "start_z_m",
            (0.004, 0.01),
            -0.006,
            0.05,
            "height of the tip at the start; below 0 in the middle of the mouth",
        ),
        Parameter("hole_estimate_error_m", (0.0, 0.001), 0.0, 0.005, "distance between true and estimated mouth"),
    )

    def __init__(
        self,
        *,
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
        done_above: float = 0.9,
    ) -> None:
        self.weights = weights_with(ClickReward, reward_weights)
        self.impedance = impedance if isinstance(impedance, Impedance) else impedance_with(impedance or {})
        controller = SayingDone(ImpedanceController(self.impedance), done_above)
        self.robot = ToolArm(ADAPTER_LENGTH + PLUG_LENGTH, controller)

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The bench with the arm, its plug, and the socket."""
        spec = make_bench(physics_hz)
        self.robot.install(spec)
        add_plug(spec.body(HAND), ADAPTER_LENGTH)
        add_socket(spec)
        return [spec]

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        if engine == BULLET:
            raise ValueError(f"the bolt is on a spring, which {engine} has not: leave engine at {DEFAULT_ENGINE!r}")
        return make_world(engine, models, num_worlds, substeps=substeps, num_threads=num_threads)

    def attach(self, world: World) -> None:
        super().attach(world)
        n, model = world.num_worlds, world.template
        self._contact_geoms = np.flatnonzero(model.geom_contype != 0)
        self._mouth: FloatArray = np.zeros((n, 3))
        self._estimate_error: FloatArray = np.zeros((n, 2))
        self._context: FloatArray = np.zeros((n, 3))  # depth of the bolt, stiffness, friction
        self._tip: FloatArray = np.zeros((n, 3))
        self._velocity: FloatArray = np.zeros((n, 3))
        self._force: FloatArray = np.zeros((n, 3))
        self._bolt: FloatArray = np.zeros(n)
        self._deepest: FloatArray = np.zeros(n)
        self._click_at: FloatArray = np.full(n, np.nan)
        self._armed: BoolArray = np.zeros(n, np.bool_)
        weight = 9.81 * (ADAPTER_MASS + PLUG_MASS)
        self._tool_wrench = np.tile([0.0, 0.0, weight, 0.0, 0.0, 0.0], (n, 1))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        zero = np.zeros(len(worlds))
        names = ("detent_depth_m", "bolt_stiffness_n_m", "friction")
        self._context[worlds] = np.stack([context[name] for name in names], axis=1)
        mouth = np.stack([context["socket_x_m"], context["socket_y_m"], zero], axis=1)
        self._mouth[worlds] = mouth
        self.world.write("mocap_pos", worlds, (mouth + WORKSPACE)[:, None])
        place_bolts(self.world, worlds, context["detent_depth_m"], context["bolt_stiffness_n_m"])
        write_sliding(self.world, worlds, self._contact_geoms, context["friction"])
        angle = 2 * np.pi * streams.uniform(worlds, ())
        away = np.stack([np.cos(angle), np.sin(angle)], axis=1)
        self._estimate_error[worlds] = away * context["hole_estimate_error_m"][:, None]
        start = np.stack([context[f"start_{axis}_m"] for axis in "xyz"], axis=1)
        start[:, :2] *= start[:, 2:] >= 0.0
        tip = mouth + start
        self._tip[worlds], self._deepest[worlds] = tip, -tip[:, 2]
        self._velocity[worlds], self._force[worlds], self._bolt[worlds] = 0.0, 0.0, 0.0
        self._click_at[worlds], self._armed[worlds] = np.nan, False
        pose = np.concatenate([tip, zero[:, None]], axis=1)
        qpos = np.concatenate([self.robot.joints_at(pose), zero[:, None]], axis=1)  # the bolt at rest
        return Start(qpos, setpoint=pose)

    def assess(self) -> Outcome:
        """Judges the word by how things stood when it was said; what its control step brings counts no more."""
        done = self.world.recorded(DONE)[:, -1, 0] > 0.5
        success = done & self.clicked & (self.past_click() <= MOST_PAST_M)
        before = self._progress()
        force = self._observe(np.flatnonzero(~done))
        broken = force > MOST_FORCE_N
        terms = self._reward(self._progress() - before, success, done & ~success, broken)
        figures = {
            "peak_force_n": force,
            "clicked": self.clicked.astype(np.float64),
            "past_click_m": self.past_click(),
            "said_done": done.astype(np.float64),
            "broken": broken.astype(np.float64),
        }
        return Outcome(sum(terms.values(), np.zeros(len(done))), success, done | broken, figures, terms)

    def _observe(self, worlds: IntArray) -> FloatArray:
        """Takes in a step of worlds (n,); returns the largest contact forces in newtons, 0 in other worlds, (N,)."""
        tip, bolt, force = (
            self.world.recorded(name)[worlds] for name in ("tip_position", BOLT_POSITION, "contact_force")
        )
        self._tip[worlds], self._bolt[worlds] = tip[:, -1], bolt[:, -1, 0]
        self._velocity[worlds] = self.world.recorded("tip_velocity")[worlds, -1]
        self._force[worlds] = force.mean(axis=1)
        depth = -tip[..., 2]
        self._listen(worlds, depth, bolt[..., 0])
        self._deepest[worlds] = np.maximum(self._deepest[worlds], depth.max(axis=1))
        peak: FloatArray = np.zeros(len(self._tip))
        peak[worlds] = np.sqrt(np.einsum("nsd,nsd->ns", force, force)).max(axis=1)
        return peak

    def _listen(self, worlds: IntArray, depth: FloatArray, bolt: FloatArray) -> None:
        """Notes clicks in the depth of the tip and the place of the bolt at each physics step, (n, S) metres each."""
        armed = np.logical_or.accumulate(bolt > PUSHED_BACK_M, axis=1) | self._armed[worlds, None]
        past_bolt = depth > self._context[worlds, :1] + RIDGE_ABOVE_TIP
        clicks = armed & past_bolt & (bolt < RELEASED_M)
        new = clicks.any(axis=1) & ~self.clicked[worlds]
        self._click_at[worlds[new]] = depth[new, clicks[new].argmax(axis=1)]
        self._armed[worlds] = armed[:, -1]

    @property
    def clicked(self) -> BoolArray:
        """Whether the bolt has clicked behind the ridge, (N,)."""
        return np.isfinite(self._click_at)

    def past_click(self) -> FloatArray:
        """How much deeper than at the click the tip has been, 0 before the click, metres, (N,)."""
        return np.nan_to_num(np.maximum(self._deepest - self._click_at, 0.0))

    def _progress(self) -> FloatArray:
        """The way made so far: nearer and deeper in millimetres, the click, and millimetres past it, (4, N)."""
        aside = np.linalg.norm(self._tip[:, :2] - self._mouth[:, :2], axis=1)
        deep = np.minimum(self._deepest, self._context[:, 0] + _NOMINAL_M)
        return np.stack([-aside / _MM, deep / _MM, self.clicked, self.past_click() / _MM])

    def _reward(
        self, gains: FloatArray, success: BoolArray, wrong: BoolArray, broke: BoolArray
    ) -> dict[str, FloatArray]:
        """The terms, (N,) each, of the way made in a control step (4, N), and of what happened in it, (N,) each."""
        parts = (*gains, success, wrong, broke)
        return {name: weight * part for (name, weight), part in zip(vars(self.weights).items(), parts, strict=True)}

    def privileged(self) -> NDArray[np.float32]:
        """Way to the click, velocity, force, bolt, what has happened, and what the socket is like."""
        offset = self._tip - self._mouth
        offset[:, 2] += self._context[:, 0] + _NOMINAL_M
        columns = [
            offset / 0.02,
            np.tanh(300.0 * offset),
            self._velocity * 20.0,
            self._force / 10.0,
            self._bolt[:, None] / OVERLAP,
            self.clicked[:, None],
            np.minimum(self.past_click()[:, None] / MOST_PAST_M, 3.0),
            (self._context - _MIDDLE) / _SPREAD,
        ]
        return np.concatenate(columns, axis=1).astype(np.float32)

    def field(self, name: str) -> FloatArray:
        """`tool_wrench` (N, 6), the tool's weight; `hole_estimate` (N, 4), the mouth as seen from the tip;
        `sounding_plate` (N, 8), what rings when the bolt snaps."""
        if name == "tool_wrench":
            return self._tool_wrench
        if name == "sounding_plate":
            return np.tile(SHELL, (len(self._tip), 1))
        if name == "hole_estimate":
            relative = np.zeros((len(self._tip), 4))
            relative[:, :3] = self._mouth - self._tip
            relative[:, :2] += self._estimate_error
            return relative
        return super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        names = ("mouth", "estimate_error", "context", "tip", "velocity", "force", "bolt", "deepest")
        return {name: vars(self)[f"_{name}"] for name in (*names, "click_at", "armed")}
