"""Declarations and answers of a task, and how wrong ones are refused."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import mujoco
import numpy as np
import pytest

from mmrl.evaluation.figures import Figure
from mmrl.modality import MLP, Modality
from mmrl.streams import Streams
from mmrl_envs.context import Parameter
from mmrl_envs.controllers.base import Controller
from mmrl_envs.controllers.direct import torque_control
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.sensors.base import Sensor, View
from mmrl_envs.task import Outcome, Start, Task
from mmrl_envs.vector_env import RobotVectorEnv

N = 2
WIDE = Parameter("width_m", 0.2, 0.1, 0.4, "width of the door")


@dataclass(frozen=True)
class Hinge(Robot):
    """One joint."""

    controller: Controller = field(default_factory=lambda: torque_control(("hinge",), (1.0,)))
    joints: tuple[str, ...] = ("hinge",)
    mounts: Mapping[str, str] = field(default_factory=dict)

    def install(self, spec: mujoco.MjSpec) -> None:
        body = spec.worldbody.add_body()
        body.add_joint(name="hinge")
        body.add_geom(size=[0.1, 0, 0])
        self.controller.install(spec)
        kind, on = mujoco.mjtSensor.mjSENS_JOINTPOS, mujoco.mjtObj.mjOBJ_JOINT
        spec.add_sensor(name="angle", type=kind, objtype=on, objname="hinge")


class Angle(Sensor):
    """Angle of the joint (1,)."""

    modality = Modality("angle", (1,), 20, MLP())

    def read(self, view: View) -> np.ndarray:
        return view["angle"]


class Door(Task):
    """Turn the door to its angle."""

    robot: Robot = Hinge()
    senses = (Angle(),)
    parameters = (WIDE,)
    figures = (Figure("gap_rad", "rad"), Figure("push_n", "N", "max"))
    reward_terms = ("near", "far")
    privileged_size = 1

    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        spec = mujoco.MjSpec()
        spec.option.timestep = 1.0 / physics_hz
        self.robot.install(spec)
        return [spec]

    def attach(self, world: World) -> None:
        super().attach(world)
        self.goal = np.ones(N)

    def begin(self, worlds: np.ndarray, context: Mapping[str, np.ndarray], streams: Streams) -> Start:
        return Start(np.zeros((len(worlds), 1)))

    def assess(self) -> Outcome:
        gap = np.abs(self.world.current("angle")[:, 0] - self.goal)
        terms = {"near": 1.0 / (1.0 + gap), "far": -0.1 * gap}
        figures = {"gap_rad": gap, "push_n": np.zeros(N)}
        return Outcome(terms["near"] + terms["far"], gap < 0.1, figures=figures, reward_terms=terms)

    def privileged(self) -> np.ndarray:
        return self.goal[:, None].astype(np.float32)

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {"goal": self.goal}


def variant(**changes: Any) -> Task:
    made: Task = type("Door", (Door,), changes)()
    return made


def played(task: Task) -> RobotVectorEnv:
    """A step and a snapshot of it."""
    envs = RobotVectorEnv(task, N, physics_hz=100, max_episode_steps=2)
    envs.reset(seed=0)
    for _ in range(3):  # over the end of an episode
        envs.step(np.zeros((N, 1), np.float32))
    envs.get_state()
    return envs


def test_a_task_of_three_methods_and_their_declarations_runs() -> None:
    assert played(Door()).figures == Door.figures


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"robot": None}, r"Door\.robot must be a .*Robot, such as .*ToolArm\(tool_length=0.2\), got None"),
        ({"robot": Hinge}, r"Door\.robot must be a .*Robot, .* got <class .*Hinge"),
        ({"figures": Figure("gap_rad")}, r"Door\.figures must be a sequence of Figure, got Figure\(name='gap_rad'"),
        ({"figures": ("gap_rad",)}, r"Door\.figures must be a sequence of Figure, got 'gap_rad'"),
        ({"figures": (Figure("a"), Figure("a"))}, r"names of figures must differ, got \['a', 'a'\]"),
        ({"figures": (Figure("success"),)}, "success is the name of something else in infos"),
        ({"figures": tuple(Figure(n, score=True) for n in "ab")}, r"at most one figure is the score, got \['a', 'b'\]"),
        ({"reward_terms": "near"}, r"Door\.reward_terms must be a sequence of str, got 'near'"),
        ({"reward_terms": ("near", "near")}, r"Door\.reward_terms must be names that differ, got \['near', 'near'\]"),
        ({"fields": ("a", "a")}, r"Door\.fields must be names that differ, got \['a', 'a'\]"),
        ({"parameters": WIDE}, r"Door\.parameters must be a sequence of Parameter or Choice, got Parameter\(name='wid"),
        ({"parameters": (WIDE, WIDE)}, "context parameters need different names, got more than one width_m"),
        (
            {"parameters": (replace(WIDE, name="camera_shift_m"),)},
            "context parameters need different names, got more than one camera_shift_m",
        ),
        ({"privileged_size": -1}, r"Door\.privileged_size must be a whole number of at least 0, got -1"),
        ({"scenes": lambda self, hz: None}, r"Door\.scenes must be a sequence of MjSpec, got None"),
        ({"scenes": lambda self, hz: []}, r"Door\.scenes must give at least one mujoco\.MjSpec, got none"),
        ({"scenes": lambda self, hz: Door.scenes(self, hz)[0]}, r"Door\.scenes must be a sequence of MjSpec, got <muj"),
        (
            {"scenes": lambda self, hz: Door.scenes(self, 2 * hz)},
            r"Door\.scenes must set option\.timestep to 1 / physics_hz = 0\.01 s, got 0\.005 s",
        ),
        ({"attach": lambda self, world: None}, r"Door\.attach must call super\(\)\.attach\(world\)"),
    ],
)
def test_declarations_that_are_none_are_refused_before_anything_runs(declared: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        RobotVectorEnv(variant(**declared), N, physics_hz=100)


def test_a_scene_without_a_camera_for_spectators_says_what_to_add() -> None:
    envs = RobotVectorEnv(Door(), N, physics_hz=100, render_mode="rgb_array")
    envs.reset(seed=0)
    with pytest.raises(ValueError, match=r"camera 'scene_camera' of the scene .* has none: add it by spec\.worldbody"):
        envs.render()


def test_what_is_no_task_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"a task must be a mmrl_envs\.task\.Task, got <class .*: give an object, Door\("
    ):
        RobotVectorEnv(Door, N)  # type: ignore[arg-type]  # refused


def started(**changes: Any) -> Callable[..., Start]:
    return lambda self, worlds, context, streams: Start(**{"qpos": np.zeros((len(worlds), 1)), **changes})


@pytest.mark.parametrize(
    ("begin", "message"),
    [
        (lambda self, worlds, context, streams: None, r"Door\.begin must return a Start, got None"),
        (started(qpos=np.zeros((N, 2))), r"Door\.begin: qpos must be numbers of shape \(2, 1\), got float64 of shape"),
        (
            started(qpos=np.zeros(1)),
            r"Door\.begin: qpos must be numbers of shape \(2, 1\), got float64 of shape \(1,\)",
        ),
        (started(qpos=np.full((N, 1), np.nan)), r"Door\.begin: qpos must be finite, got \[nan\]"),
        (started(qvel=np.zeros((N, 2))), r"Door\.begin: qvel must be numbers of shape \(2, 1\), got float64 of shape"),
        (
            started(figures={"gap": np.zeros(N)}),
            r"figures may hold those over_episode 'last', \['gap_rad'\], got \['gap",
        ),
        (started(figures={"push_n": np.zeros(N)}), r"those over_episode 'last', \['gap_rad'\], got \['push_n'\]"),
        (
            started(figures={"gap_rad": 0.0}),
            r"figures\['gap_rad'\] must be numbers of shape \(2,\), got float64 of sha",
        ),
        (
            started(setpoint=np.zeros((N, 3))),
            r"the controls of a robot need shape \(2, 1\), worlds x actuators, got \(2, 3\)",
        ),
    ],
)
def test_a_wrong_start_is_named(begin: Callable[..., Any], message: str) -> None:
    envs = RobotVectorEnv(variant(begin=begin), N, physics_hz=100)
    with pytest.raises(ValueError, match=message):
        envs.reset(seed=0)


def test_a_context_that_is_misspelled_is_answered_with_the_parameters() -> None:
    def begin(self: Task, worlds: np.ndarray, context: Mapping[str, np.ndarray], streams: Streams) -> Start:
        return Start(context["wyde"][:, None])

    envs = RobotVectorEnv(variant(begin=begin), N, physics_hz=100)
    with pytest.raises(ValueError, match=rf"the context has no 'wyde'; its parameters are .*\b{WIDE.name}\b"):
        envs.reset(seed=0)


def assessed(**changes: Any) -> Callable[[Task], Outcome]:
    return lambda self: replace(Door.assess(self), **changes)  # type: ignore[arg-type]  # of a Door


class Halting:
    """A controller that gives one input for all physics steps together."""

    def begin(self, worlds: np.ndarray, setpoint: np.ndarray | None) -> np.ndarray:
        return np.zeros((len(worlds), 1))

    def command(self, action: np.ndarray) -> np.ndarray:
        return np.zeros((N, 1))

    def arrays(self) -> Mapping[str, np.ndarray]:
        return {}


@dataclass(frozen=True)
class HaltingControl:
    """Settings of `Halting`."""

    action_space = torque_control(("hinge",), (1.0,)).action_space

    def install(self, spec: mujoco.MjSpec) -> None:
        torque_control(("hinge",), (1.0,)).install(spec)

    def start(self, world: World, control_hz: float) -> Halting:
        return Halting()


def test_controls_of_another_shape_are_named() -> None:
    message = r"the controls of a robot need shape \(2, 5, 1\), worlds x physics steps x actuators, got \(2, 1\)"
    with pytest.raises(ValueError, match=message):
        played(variant(robot=Hinge(HaltingControl())))


ZERO, NONE = np.zeros(N), np.zeros(N, bool)


@pytest.mark.parametrize(
    ("assess", "message"),
    [
        (lambda self: None, r"Door\.assess must return an Outcome, got None"),
        (assessed(reward=0.0), r"Door\.assess: reward must be numbers of shape \(2,\), got float64 of shape \(\)"),
        (assessed(reward=ZERO[:, None]), r"reward must be numbers of shape \(2,\), got float64 of shape \(2, 1\)"),
        (assessed(reward=ZERO + np.nan), r"Door\.assess: reward must be finite, got nan"),
        (assessed(success=ZERO), r"success must be bool of shape \(2,\), one for each world, got float64 of shape"),
        (assessed(success=NONE[:, None]), r"success must be bool of shape \(2,\), .* got bool of shape \(2, 1\)"),
        (assessed(success=None), r"success must be bool of shape \(2,\), one for each world, got object of shape"),
        (assessed(ended=ZERO.astype(int)), r"ended must be bool of shape \(2,\), one for each world, got int64"),
        (assessed(broken=ZERO), r"broken must be bool of shape \(2,\), one for each world, got float64"),
        (assessed(figures={}), r"figures must be those that the task declares, \['gap_rad', 'push_n'\], got \[\]"),
        (
            assessed(figures={"gap_rad": ZERO[:, None], "push_n": ZERO}),
            r"Door\.assess: figures\['gap_rad'\] must be numbers of shape \(2,\), got float64 of shape \(2, 1\)",
        ),
        (assessed(reward_terms={"near": ZERO}), r"reward_terms must be those that .*\['far', 'near'\], got \['near'\]"),
        (
            assessed(reward_terms={"near": ZERO[:, None], "far": ZERO}),
            r"reward_terms\['near'\] must be numbers of shape \(2,\), got float64 of shape \(2, 1\)",
        ),
        (
            assessed(reward_terms={"near": ZERO + np.nan, "far": ZERO}),
            r"reward_terms\['near'\] must be finite, got nan",
        ),
        (
            assessed(reward=ZERO, reward_terms={"near": ZERO + 1, "far": ZERO}),
            "Door.assess: reward must be the sum of its reward_terms, got 0 and a sum of 1 in world 0",
        ),
    ],
)
def test_a_wrong_outcome_is_named(assess: Callable[..., Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        played(variant(assess=assess))


def test_numbers_that_are_not_finite_count_where_physics_is_sound_alone() -> None:
    broken, nan = np.array([True, False]), np.array([np.nan, 1.0])
    terms = {"near": nan, "far": np.zeros(N)}
    task = variant(
        assess=assessed(reward=nan, reward_terms=terms, broken=broken),
        privileged=lambda self: np.where(self.world.qpos > 9, np.nan, 1.0),
    )
    envs = RobotVectorEnv(task, N, physics_hz=100)
    envs.reset(seed=0)
    _, reward, terminated, _, _ = envs.step(np.zeros((N, 1), np.float32))
    assert reward.tolist() == [0.0, 1.0]
    assert terminated.tolist() == [True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"privileged_size": 3},
            r"Door\.privileged: the state must be numbers of shape \(2, 3\), got float32 of shape",
        ),
        (
            {"privileged": lambda self: None},
            r"Door\.privileged: the state must be numbers of shape \(2, 1\), got object",
        ),
        (
            {"privileged": lambda self: np.full((N, 1), np.inf)},
            r"Door\.privileged: the state must be finite, got \[inf\]",
        ),
        ({"arrays": lambda self: None}, r"Door\.arrays must give a mapping from names to arrays, got None"),
        ({"arrays": lambda self: {"goal": self.goal + 0}}, r"'goal' must be the array of the task itself, got a copy"),
        (
            {"arrays": lambda self: {"goal": 3}},
            r"Door\.arrays: 'goal' must be an array with a row for .* 2 worlds, got 3",
        ),
        ({"arrays": lambda self: {"goal": np.zeros(5)}}, r"'goal' must be an array with a row .* of shape \(5,\)"),
    ],
)
def test_wrong_state_is_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        played(variant(**changes))
