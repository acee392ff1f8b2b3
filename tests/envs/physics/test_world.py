"""Batched worlds against MuJoCo itself, and worlds against each other."""

import subprocess
import sys
from pathlib import Path

import mujoco
import numpy as np
import pytest

from mmrl_envs.physics.mujoco_world import MujocoWorld

SUBSTEPS = 10


def pendulum(length: float = 0.5) -> mujoco.MjModel:
    spec = mujoco.MjSpec()
    spec.option.timestep = 0.001
    body = spec.worldbody.add_body(name="bob")
    body.add_joint(name="hinge", axis=[0, 1, 0])
    body.add_geom(type=mujoco.mjtGeom.mjGEOM_SPHERE, size=[0.05, 0, 0], pos=[0, 0, -length])
    spec.add_sensor(
        name="angle", type=mujoco.mjtSensor.mjSENS_JOINTPOS, objtype=mujoco.mjtObj.mjOBJ_JOINT, objname="hinge"
    )
    spec.add_actuator(name="torque", target="hinge", trntype=mujoco.mjtTrn.mjTRN_JOINT, gainprm=[1.0] + [0.0] * 9)
    return spec.compile()


def test_readings_are_those_of_a_loop_over_mj_step() -> None:
    model = pendulum()
    world = MujocoWorld([model], 3, substeps=SUBSTEPS, num_threads=2)
    start = np.array([[0.1], [0.5], [-1.0]])
    world.reset(np.arange(3), start)
    control = np.random.default_rng(0).normal(size=(3, SUBSTEPS, 1))
    assert not world.step(control).any()
    for i in range(3):
        data = mujoco.MjData(model)
        data.qpos[:] = start[i]
        mujoco.mj_forward(model, data)
        readings = []
        for u in control[i]:
            data.ctrl[:] = u
            mujoco.mj_step(model, data)
            # MuJoCo's sensors speak of the state before the step, so they trail the position by one
            readings.append(data.sensor("angle").data.copy())
        np.testing.assert_array_equal(world.recorded("angle")[i], readings)
        np.testing.assert_array_equal(world.qpos[i], data.qpos)
    assert world.recorded("angle")[0, 0, 0] == 0.1


def test_worlds_may_differ_in_their_models() -> None:
    world = MujocoWorld([pendulum(0.5), pendulum(1.0)], 2, substeps=SUBSTEPS)
    world.choose(np.array([1]), np.array([1]))
    world.reset(np.arange(2), np.full((2, 1), 0.3))
    for _ in range(20):
        world.step(np.zeros((2, SUBSTEPS, 1)))
    assert world.qpos[0, 0] != world.qpos[1, 0]
    # the long pendulum falls more slowly
    assert world.qpos[1, 0] > world.qpos[0, 0]


def test_reset_leaves_other_worlds_alone() -> None:
    world = MujocoWorld([pendulum()], 2, substeps=SUBSTEPS)
    world.reset(np.arange(2), np.full((2, 1), 0.3))
    world.step(np.zeros((2, SUBSTEPS, 1)))
    before = world.qpos[1].copy(), world.qvel[1].copy()
    world.reset(np.array([0]), np.array([[0.7]]))
    assert world.qpos[0, 0] == 0.7
    assert world.qvel[0, 0] == 0.0
    np.testing.assert_array_equal(world.qpos[1], before[0])
    np.testing.assert_array_equal(world.qvel[1], before[1])
    assert world.current("angle")[0, 0] == 0.7


def test_fields_are_written_and_read_over_worlds() -> None:
    world = MujocoWorld([pendulum()], 3, substeps=SUBSTEPS)
    world.write("geom_size", np.array([2, 0]), np.array([[[0.1, 0, 0]], [[0.2, 0, 0]]]))
    world.write("geom_rgba", np.array([1]), np.full((1, 1, 4), 0.25), np.array([0]))
    world.write("opt.gravity", np.array([1]), np.array([[0, 0, -1.0]]))
    assert world.read("geom_size")[:, 0, 0].tolist() == [0.2, 0.05, 0.1]
    assert world.read("geom_rgba")[1].tolist() == [[0.25] * 4]
    assert world.model_of(1).opt.gravity.tolist() == [0, 0, -1]
    assert world.template.opt.gravity[2] == -9.81
    world.write("qpos", np.array([1]), np.array([[0.5]]))
    assert world.read("qpos")[:, 0].tolist() == [0, 0.5, 0]


@pytest.mark.parametrize(
    ("field", "values", "rows", "message"),
    [
        (
            "geom_sise",
            np.zeros((2, 1)),
            None,
            r"no field 'geom_sise' to write or read; similar are geom_size, .*MjModel",
        ),
        ("qpso", np.zeros((2, 1)), None, "no field 'qpso' to write or read; similar are qpos, .*There are qpos, qvel"),
        ("geom_size", np.zeros((2, 3)), None, r"write to 'geom_size' need shape \(2, 1, 3\), got \(2, 3\)"),
        ("geom_size", np.zeros((2, 3)), np.array([0]), r"write to 'geom_size' need shape \(2, 1, 3\), got \(2, 3\)"),
        ("qpos", np.zeros(1), None, r"write to 'qpos' need shape \(2, 1\), got \(1,\)"),
        ("qvel", np.zeros((3, 1)), np.array([0]), r"write to 'qvel' need shape \(2, 1\), got \(3, 1\)"),
    ],
)
def test_a_field_that_is_not_there_and_values_of_another_shape_are_named(
    field: str, values: np.ndarray, rows: np.ndarray | None, message: str
) -> None:
    world = MujocoWorld([pendulum()], 3, substeps=SUBSTEPS)
    with pytest.raises(ValueError, match=message):
        world.write(field, np.array([0, 2]), values, rows)


def test_a_world_may_begin_in_motion() -> None:
    world = MujocoWorld([pendulum()], 2, substeps=SUBSTEPS)
    world.reset(np.arange(2), np.full((2, 1), 0.3), np.array([[0.0], [2.0]]))
    assert world.qvel[:, 0].tolist() == [0.0, 2.0]
    world.reset(np.array([1]), np.array([[0.3]]))
    assert world.qvel[1, 0] == 0.0


def test_the_newest_reading_is_of_the_last_step_or_of_the_reset_since_and_goes_on() -> None:
    world, fresh = (MujocoWorld([pendulum()], 2, substeps=SUBSTEPS) for _ in range(2))
    world.reset(np.arange(2), np.full((2, 1), 0.3))
    world.step(np.ones((2, SUBSTEPS, 1)))
    np.testing.assert_array_equal(world.current("angle"), world.recorded("angle")[:, -1])
    world.reset(np.array([0]), np.array([[0.7]]))
    assert world.current("angle")[0, 0] == 0.7
    fresh.load_state_dict(world.state_dict())
    np.testing.assert_array_equal(fresh.current("angle"), world.current("angle"))
    older = {name: value for name, value in world.state_dict().items() if name != "newest"}
    fresh.load_state_dict(older)
    # what older runs have saved tells the readings of the state itself, one physics step newer
    np.testing.assert_array_equal(fresh.current("angle"), world.qpos)


@pytest.mark.parametrize("poison", [np.nan, np.inf, 1e12])
def test_a_diverging_world_is_reported_and_others_go_on(poison: float) -> None:
    worlds = [MujocoWorld([pendulum()], 2, substeps=SUBSTEPS) for _ in range(2)]
    for world in worlds:
        world.reset(np.arange(2), np.full((2, 1), 0.3))
    worlds[0].qvel[0] = poison
    control = np.zeros((2, SUBSTEPS, 1))
    assert worlds[0].step(control).tolist() == [True, False]
    assert worlds[1].step(control).tolist() == [False, False]
    np.testing.assert_array_equal(worlds[0].qpos[1], worlds[1].qpos[1])
    worlds[0].reset(np.array([0]), np.array([[0.3]]))
    assert not worlds[0].step(control).any()
    assert np.isfinite(worlds[0].qpos).all()


def test_mujoco_says_nothing_of_what_the_world_reports(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    world = MujocoWorld([pendulum()], 2, substeps=SUBSTEPS)
    world.qvel[0] = np.nan
    assert world.step(np.zeros((2, SUBSTEPS, 1)))[0]
    assert capfd.readouterr() == ("", "")
    assert list(tmp_path.iterdir()) == []  # no MUJOCO_LOG.TXT
    # For simulations of others MuJoCo speaks as before.
    data = mujoco.MjData(pendulum())
    data.qvel[0] = np.nan
    mujoco.mj_step(pendulum(), data)
    assert "unstable" in capfd.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["MUJOCO_LOG.TXT"]


FORK = """
import os, signal, sys
import numpy as np
from test_world import SUBSTEPS, pendulum
from mmrl_envs.physics.mujoco_world import MujocoWorld

world = MujocoWorld([pendulum()], 3, substeps=SUBSTEPS, num_threads=2)
world.reset(np.arange(3), np.array([[0.1], [0.5], [-1.0]]))
control = np.random.default_rng(0).normal(size=(3, SUBSTEPS, 1))
world.step(control)
ways = {
    "step": lambda: (world.step(control), world.qpos.tobytes(), world.recorded("angle").tobytes())[1:],
    "reset": lambda: world.reset(np.arange(3), np.ones((3, 1))),
    "nothing": lambda: None,
}
reading, writing = os.pipe()
children = {}
for name, way in ways.items():
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        outcome = way()
        if outcome:
            os.write(writing, b"".join(outcome))
        sys.exit(0)  # as a program ends: its objects are freed
    children[name] = child
print({name: os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for name, child in children.items()})
print(os.read(reading, 10000) == b"".join(ways["step"]()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="forking a process with threads")
def test_a_forked_child_steps_on_as_its_parent_does_and_ends() -> None:
    result = subprocess.run(
        [sys.executable, "-c", FORK], cwd=Path(__file__).parent, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.stdout.splitlines() == ["{'step': 0, 'reset': 0, 'nothing': 0}", "True"], result.stderr


def test_unknown_sensor_lists_those_of_the_scene() -> None:
    world = MujocoWorld([pendulum()], 1, substeps=SUBSTEPS)
    with pytest.raises(ValueError, match=r"no MuJoCo sensor 'speed'; it has \['angle'\]"):
        world.recorded("speed")


def test_at_least_one_world() -> None:
    with pytest.raises(ValueError, match="num_worlds must be at least 1, got 0"):
        MujocoWorld([pendulum()], 0, substeps=1)
