"""Wiping a stain off a board with a soft ball: where to wipe is to be seen, and how hard to press is to be felt.

A dot of the stain goes where the ball passes over it and presses with 4 to 12 N on average over a control step. Above
25 N, at any physics step, it scratches the board, and the episode cannot succeed any more. How high the board is and
how far it leans is drawn anew in every episode; together they are worth up to 14 mm under the ball, and a millimetre
is worth two newtons, so that no place to press at is known beforehand.

Letters: N = worlds, n = those being reset, D = dots.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.modality.image import ImageConv
from mmrl.modality.noise import Gaussian
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.impedance import Impedance, ImpedanceController, impedance_with
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, ADAPTER_MASS, HAND, ToolArm
from mmrl_envs.scenes.board import MOST_DOTS, SOFT, StainedBoards, add_board, scattered
from mmrl_envs.scenes.friction import write_sliding
from mmrl_envs.scenes.groups import ARM_GROUP, SCENE_GROUP
from mmrl_envs.scenes.workcell import make_bench
from mmrl_envs.sensors.camera import Camera, Mount
from mmrl_envs.sensors.proprioception import Proprioception
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.task.weights import RewardWeights, weights_with

BALL_RADIUS = 0.010
"""Of the ball, metres."""
WIPE_RADIUS = 0.012
"""Distance of a dot's middle from where the ball touches within which it is wiped, metres."""
TOOL_LENGTH = ADAPTER_LENGTH + 0.14
"""From the flange to the lowest point of the ball, metres."""
HANDLE_MASS, BALL_MASS = 0.06, 0.06
"""In kilograms."""
MOST_LEAST_N, SCRATCH_N = 10.0, 25.0
"""Newtons: the largest force from which dots may be wiped, and the least that may scratch. Contexts keep to either side
of them, so that there always are forces that wipe and do not scratch."""
NEIGHBOURS = 3
"""Dots left, the nearest first, that the critic is given."""
HAND_VIEW = Mount("wrist", (0.05, 0.0, ADAPTER_LENGTH), (0.025, 0.0, TOOL_LENGTH), (1.0, 0.0, 0.0), 70.0)
"""Beside the handle, so steep that the ball hides no dot which it does not wipe. 20 cm of the board are in view when
the ball touches it."""


@dataclass(frozen=True)
class WipeReward(RewardWeights):
    """Weights of the terms of the reward of a control step."""

    wiped: float = 0.3
    """For every dot that is wiped away."""
    approach: float = 4.0
    """For every metre nearer to the nearest dot left, aside and in height."""
    pressed: float = 0.01
    """While the force can wipe and there is a dot left."""
    clean: float = 0.05
    """While no dot is left and the board is whole: no less than `pressed`, or the last dot would be left for it."""
    force: float = -0.02
    """For a force that is twice the largest one that wipes, in proportion to the excess, which counts up to that."""
    scratch: float = -1.0
    """In the moment in which the board is scratched."""


def _hand_camera() -> Camera:
    """48 x 48 pixels, of which a dot is 3 wide."""
    view = HAND_VIEW
    return Camera(
        height=48,
        width=48,
        position=view.position,
        target=view.target,
        up=view.up,
        fovy=view.fovy,
        encoder=ImageConv(kernels=(6, 4, 3), strides=(3, 2, 1)),
    )


_ROUGH = (1e-3, 1e-3, 1e-3, 1e-2, 0.1, 0.1, 0.1, 1.0)
"""Deviation of proprioception: places in metres and radians, velocities faster than the ball ever moves."""


def _rough_proprioception() -> Proprioception:
    """One reading a control step, to 1 mm and 10 cm/s: better ones, or many of them, would tell of contact."""
    sensor = Proprioception(rate_hz=20.0, history=1)
    sensor.modality = replace(sensor.modality, noise=Gaussian(_ROUGH))
    return sensor


class Wipe(Task):
    """Wipe all dots away and scratch nothing.

    Args:
        reward_weights: those weights that differ from the usual ones, by the names of `WipeReward`.
        impedance: the controller, or settings of it that differ from the usual ones.
    """

    robot: ToolArm
    senses = (_hand_camera(), "force_torque", _rough_proprioception())
    fields = ("tool_wrench",)
    privileged_size = 4 * NEIGHBOURS + 3 + 2 + 4 + 3 + 3 + 4
    parameters = (
        Parameter("tilt_x_rad", (-0.07, 0.07), -0.1, 0.1, "lean of the board about the x axis"),
        Parameter("tilt_y_rad", (-0.07, 0.07), -0.1, 0.1, "lean of the board about the y axis"),
        Parameter("board_z_m", (-0.006, 0.006), -0.01, 0.01, "height of the board's middle against the usual one"),
        Parameter("stain_x_m", (-0.03, 0.03), -0.05, 0.05, "place of the stain on the board"),
        Parameter("stain_y_m", (-0.03, 0.03), -0.05, 0.05, "place of the stain on the board"),
        Parameter("stain_radius_m", (0.02, 0.03), 0.005, 0.04, "radius within which its dots lie"),
        Parameter("dots", float(MOST_DOTS), 1.0, float(MOST_DOTS), "dots of the stain, rounded"),
        Parameter("start_x_m", (-0.01, 0.01), -0.04, 0.04, "place of the ball at the start"),
        Parameter("start_y_m", (-0.01, 0.01), -0.04, 0.04, "place of the ball at the start"),
        Parameter("start_z_m", (0.03, 0.05), 0.02, 0.08, "height of the ball above the usual board at the start"),
        Parameter("friction", 0.3, 0.0, 1.0, "sliding friction of ball and board"),
        Parameter("least_press_n", 4.0, 0.5, MOST_LEAST_N, "force from which a dot is wiped away"),
        Parameter("most_press_n", 12.0, MOST_LEAST_N, SCRATCH_N, "force up to which a dot is wiped away"),
        Parameter("scratch_n", SCRATCH_N, SCRATCH_N, 500.0, "force above which the board is scratched"),
    )
    figures = (
        Figure("wiped_share", "", "last", "high", "Dots wiped away as a share of those of the stain.", score=True),
        Figure("scratched", "", "last", "low", "1 where the board is scratched, else 0.", event=True),
        Figure("peak_force_n", "N", "max", "low", "The largest contact force of the episode."),
        Figure("pressed_share", "", "mean", "high", "Share of the episode in which the force could wipe."),
    )
    reward_terms = ("wiped", "approach", "pressed", "clean", "force", "scratch")

    def __init__(
        self,
        *,
        reward_weights: Mapping[str, float] | None = None,
        impedance: Impedance | Mapping[str, Any] | None = None,
    ) -> None:
        self.impedance = impedance if isinstance(impedance, Impedance) else impedance_with(impedance or {})
        if self.impedance.max_force_n < MOST_LEAST_N:
            raise ValueError(
                f"stiffness times lead_m of the impedance must be at least {MOST_LEAST_N:g} N, as wiping may take, "
                f"got {self.impedance.max_force_n:g}"
            )
        self.robot = ToolArm(TOOL_LENGTH, ImpedanceController(self.impedance))
        self._weights = weights_with(WipeReward, reward_weights)

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The bench with the arm, its ball, and the board with its dots."""
        spec = make_bench(physics_hz)
        self.robot.install(spec)
        _add_ball(spec)
        add_board(spec)
        return [spec]

    def attach(self, world: World) -> None:
        """Prepares the per-world state."""
        super().attach(world)
        n, model = world.num_worlds, world.template
        self._boards = StainedBoards(world)
        self._touching = np.array([model.geom(name).id for name in ("ball", "board")])
        self._left: BoolArray = np.zeros((n, MOST_DOTS), np.bool_)
        self._stain: FloatArray = np.ones(n)  # dots at the start
        self._scratched: BoolArray = np.zeros(n, np.bool_)
        self._contact: FloatArray = np.zeros((n, 3))  # lowest point of the ball in the frame of the board, metres
        self._force: FloatArray = np.zeros((n, 4))  # x, y, z in W, and the magnitude, means over a control step
        self._velocity: FloatArray = np.zeros((n, 3))
        self._lean: FloatArray = np.zeros((n, 3))  # tilts in radians and height in metres
        self._limits: FloatArray = np.ones((n, 3))  # least and most force that wipes, force that scratches
        weight = 9.81 * (ADAPTER_MASS + HANDLE_MASS + BALL_MASS)
        self._tool_wrench = np.tile([0.0, 0.0, weight, 0.0, 0.0, 0.0], (n, 1))

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Lays board and stain, and puts the ball above them."""
        limits = (context[name] for name in ("least_press_n", "most_press_n", "scratch_n"))
        self._limits[worlds] = np.stack([*limits], axis=1)
        tilt = np.stack([context["tilt_x_rad"], context["tilt_y_rad"]], axis=1)
        self._lean[worlds] = np.concatenate([tilt, context["board_z_m"][:, None]], axis=1)
        middle = np.stack([context["stain_x_m"], context["stain_y_m"]], axis=1)
        drawn = streams.uniform(worlds, (MOST_DOTS, 2))
        dots = scattered(middle, context["stain_radius_m"], drawn)
        self._boards.lay(worlds, context["board_z_m"], tilt, dots)
        self._stain[worlds] = np.rint(context["dots"])
        self._left[worlds] = np.arange(MOST_DOTS) < self._stain[worlds, None]
        self._boards.show(worlds, self._left[worlds])
        write_sliding(self.world, worlds, self._touching, context["friction"])
        start = np.stack([*(context[f"start_{axis}_m"] for axis in "xyz"), np.zeros(len(worlds))], axis=1)
        self._scratched[worlds], self._force[worlds], self._velocity[worlds] = False, 0.0, 0.0
        lowest = np.zeros_like(self._contact)
        lowest[worlds] = start[:, :3]
        self._contact[worlds] = self._boards.seen_from(lowest)[worlds]
        return Start(self.robot.joints_at(start), setpoint=start)

    def assess(self) -> Outcome:
        """Wipes what the ball has passed over, and judges it."""
        force = self.world.recorded("contact_force")
        magnitude = np.sqrt(np.einsum("nsd,nsd->ns", force, force))  # (N, S, 3) -> (N, S)
        peak, mean = magnitude.max(axis=1), magnitude.mean(axis=1)
        least, most, scratch = self._limits.T
        was, gap, some_left = self._contact.copy(), self._gap(), self._left.any(axis=1)
        self._observe(np.concatenate([force.mean(axis=1), mean[:, None]], axis=1))
        nearer, presses = gap - self._gap(), (mean >= least) & (mean <= most)
        wiped = self._wipe(was, presses)
        scratches = (peak > scratch) & ~self._scratched
        self._scratched |= scratches
        success = ~self._left.any(axis=1) & ~self._scratched
        excess = np.clip(peak / most - 1.0, 0.0, 1.0)
        amounts = (wiped, nearer, presses & some_left, success, excess, scratches)
        terms = {name: vars(self._weights)[name] * each for name, each in zip(self.reward_terms, amounts, strict=True)}
        figures = {
            "wiped_share": 1.0 - self._left.sum(axis=1) / self._stain,
            "scratched": self._scratched.astype(np.float64),
            "peak_force_n": peak,
            "pressed_share": presses.astype(np.float64),
        }
        return Outcome(np.sum(list(terms.values()), axis=0), success, figures=figures, reward_terms=terms)

    def _wipe(self, was: FloatArray, presses: BoolArray) -> IntArray:
        """Takes away the dots on the way from where the balls were (N, 3), where they press; how many, (N,)."""
        passed = self._boards.distances(was[:, :2], self._contact[:, :2]) <= WIPE_RADIUS
        wiped = self._left & passed & presses[:, None]
        self._left &= ~wiped
        if len(worlds := np.flatnonzero(wiped.any(axis=1))):
            self._boards.show(worlds, self._left[worlds])
        number: IntArray = wiped.sum(axis=1)
        return number

    def _observe(self, force: FloatArray) -> None:
        """Takes forces (N, 4), and where the ball is."""
        self._force[:] = force
        self._velocity[:] = self.world.recorded("tip_velocity")[:, -1]
        middle = self.world.recorded("tip_position")[:, -1] - BALL_RADIUS * self.world.recorded("tip_zaxis")[:, -1]
        self._contact[:] = self._boards.seen_from(middle)
        self._contact[:, 2] -= BALL_RADIUS

    def _gap(self) -> FloatArray:
        """Distance to the nearest dot left, aside and in height, metres, 0 where none is left, (N,)."""
        aside = np.linalg.norm(self._boards.dots - self._contact[:, None, :2], axis=2)
        nearest = np.where(self._left, aside, np.inf).min(axis=1)
        gap: FloatArray = np.where(self._left.any(axis=1), nearest + np.maximum(self._contact[:, 2], 0.0), 0.0)
        return gap

    def privileged(self) -> NDArray[np.float32]:
        """The nearest dots left, how many are left and where, height, force, velocity, lean, limits, scratched."""
        away = np.where(self._left[:, :, None], self._boards.dots - self._contact[:, None, :2], 0.0)  # (N, D, 2)
        order = np.argsort(np.where(self._left, np.linalg.norm(away, axis=2), np.inf), axis=1)[:, :NEIGHBOURS]
        near = np.take_along_axis(away, order[:, :, None], axis=1).reshape(len(away), -1)
        number, height = self._left.sum(axis=1)[:, None], self._contact[:, 2:]
        columns = [
            np.tanh(15.0 * near),
            np.tanh(80.0 * near),
            number / MOST_DOTS,
            away.sum(axis=1) / np.maximum(number, 1) / 0.05,
            np.tanh(20.0 * height),
            np.tanh(200.0 * height),
            self._force / 10.0,
            self._velocity * 10.0,
            self._lean / (0.07, 0.07, 0.006),
            self._limits / (4.0, 12.0, 25.0),
            self._scratched[:, None],
        ]
        return np.concatenate(columns, axis=1).clip(-10.0, 10.0).astype(np.float32)

    def field(self, name: str) -> FloatArray:
        """`tool_wrench` (N, 6), static weight of the tool at the flange."""
        return self._tool_wrench if name == "tool_wrench" else super().field(name)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The boards and their dots, what is left of them, and how they are touched."""
        names = ("left", "stain", "scratched", "contact", "force", "velocity", "lean", "limits")
        boards = {name: vars(self._boards)[name] for name in ("middle", "axes", "dots")}
        return {name: vars(self)[f"_{name}"] for name in names} | boards


def _add_ball(spec: mujoco.MjSpec) -> None:
    """Adds the ball, its lowest point at the tip of the tool, and its handle to the hand."""
    hand, middle = spec.body(HAND), TOOL_LENGTH - BALL_RADIUS
    handle = {"size": [0.004, 0, 0], "rgba": (0.3, 0.32, 0.35, 1), "mass": HANDLE_MASS}
    ball = {"size": [BALL_RADIUS, 0, 0], "rgba": (0.12, 0.36, 0.72, 1), "mass": BALL_MASS, "group": SCENE_GROUP}
    rod = {"fromto": [0, 0, ADAPTER_LENGTH, 0, 0, middle], "group": ARM_GROUP}
    hand.add_geom(name="handle", type=mujoco.mjtGeom.mjGEOM_CAPSULE, contype=0, conaffinity=0, **rod, **handle)
    hand.add_geom(name="ball", type=mujoco.mjtGeom.mjGEOM_SPHERE, pos=[0, 0, middle], **ball, **SOFT)
