"""A peg that sits in the grasp nobody knows how: how it hangs, what is felt of it, what of it shows elsewhere."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.tasks.experts.grasp_expert import GraspExpert, OutlineFit
from mmrl_envs.tasks.peg.grasp import (
    MODULUS_PA,
    PAD_THICKNESS,
    PEG_JOINTS,
    SUCTION_N,
    Grasp,
    foundation_of,
)
from mmrl_envs.tasks.peg.grasped import GraspedInsertion
from mmrl_envs.tasks.peg.pegs import PEG_SHAPES
from mmrl_envs.vector_env import RobotVectorEnv
from tests.comparing import assert_same

GRASPED = "mmrl/GraspedInsertion-v0"
STILL = np.zeros((2, 4), np.float32)


def make(num_envs: int = 2, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(GRASPED, num_envs=num_envs, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def task_of(envs: RobotVectorEnv) -> GraspedInsertion:
    assert isinstance(envs.task, GraspedInsertion)
    return envs.task


def run_expert(num_envs: int, without: tuple[str, ...] = ()) -> dict[str, Any]:
    envs = make(num_envs)
    impedance = task_of(envs).impedance
    expert = GraspExpert(impedance.step_m, impedance.step_rad)
    seen, _ = envs.reset(seed=0)
    straight = {"tactile": centred(num_envs), "hole_estimate": seen["hole_estimate"] * 0}
    for _ in range(100):
        seen, *_, info = envs.step(expert.act({**seen, **{name: straight[name] for name in without}}))
    return dict(info["final_info"])


def test_a_peg_that_is_twisted_in_the_hole_is_lost_and_earns_nothing_more() -> None:
    """The hand turns by 0.15 rad against a peg that walls hold: 2.8 N m/rad of the palm, above 0.17 N m."""
    context = {"start_progress": 1.0, "grasp_turn_rad": 0.0, "grasp_shift_m": 0.0}
    envs = make(autoreset=False, context=context)
    envs.reset(seed=0, options={"context": {"holds_nm": np.array([0.17, 10.0])}})
    down, twisting = np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32)
    down[:, 2], twisting[:, 3] = -0.5, 1.0
    for _ in range(15):
        _, reward, *_, info = envs.step(down)
    assert info["is_success"].all()
    assert (reward > 0).all()
    for _ in range(4):
        *_, info = envs.step(twisting)
    assert (info["twist_nm"] > 0.17).all()
    for _ in range(10):
        _, reward, *_, info = envs.step(-twisting * 0.4)
    assert info["lost"].tolist() == [1.0, 0.0]
    assert info["is_success"].tolist() == [False, True]
    assert reward[0] == 0
    assert reward[1] > 0
    _, info = envs.reset(seed=1)
    assert info["lost"].tolist() == [0.0, 0.0]


def centred(num_envs: int) -> np.ndarray:
    """Maps of pegs that sit straight."""
    map_ = OutlineFit(16).maps(np.zeros((1, 3)))[0]
    return np.tile(map_[None, :, :, None] * (1.0, 0.0, 0.0), (num_envs, 1, 1, 1))


def test_an_expert_that_feels_the_grasp_succeeds_and_without_either_sense_it_fails() -> None:
    felt = run_expert(12)
    assert felt["is_success"].all()
    assert not felt["lost"].any()
    assert felt["twist_nm"].max() < 0.02
    assert run_expert(12, ("tactile",))["is_success"].mean() < 0.2
    assert run_expert(12, ("hole_estimate",))["is_success"].mean() < 0.2


def test_how_the_peg_sits_is_read_off_the_first_map() -> None:
    envs = make(20)
    seen, _ = envs.reset(seed=3)
    sits = OutlineFit(16)(seen["tactile"][..., 0].astype(float))
    grasp = task_of(envs).grasp
    np.testing.assert_allclose(sits[:, :2] * (1, -1), grasp.shift, atol=5e-4)
    np.testing.assert_allclose(-sits[:, 2], grasp.turn, atol=0.04)
    assert np.abs(grasp.turn).max() > 0.5
    assert np.linalg.norm(grasp.shift, axis=1).max() > 0.006


def test_the_tip_is_where_the_grasp_says_and_stays_there() -> None:
    envs = make(4)
    envs.reset(seed=1)
    task = task_of(envs)
    expected = task.grasp.tip_of(task.hand_pose())
    np.testing.assert_allclose(task.tip_pose(), expected, atol=1e-6)
    np.testing.assert_allclose(envs.world.current("peg_tip_position"), expected[:, :3], atol=1e-6)
    for _ in range(10):
        envs.step(np.zeros((4, 4), np.float32))
    np.testing.assert_allclose(envs.world.current("peg_tip_position"), expected[:, :3], atol=5e-4)


def test_hand_and_tip_belong_to_each_other() -> None:
    rng = np.random.default_rng(0)
    grasp = Grasp(rng.normal(size=(9, 2)) * 0.005, rng.uniform(-0.7, 0.7, 9), np.full(9, 1e-3))
    hand = rng.normal(size=(9, 4))
    np.testing.assert_allclose(grasp.hand_of(grasp.tip_of(hand)), hand, atol=1e-12)
    quarter = Grasp(np.array([[0.004, 0.0]]), np.zeros(1), np.zeros(1))
    np.testing.assert_allclose(
        quarter.tip_of(np.array([[0, 0, 0, np.pi / 2]]))[0], [0, 0.004, 0, np.pi / 2], atol=1e-12
    )


def test_the_springs_are_those_of_a_soft_layer() -> None:
    # a square of side a = 4 cm: kn a^2 along the normal, kn a^4 / 12 against tilts, kn / 3 x a^4 / 6 against turns
    kn, a = MODULUS_PA / PAD_THICKNESS, 0.04
    square = foundation_of(PEG_SHAPES["square"])
    np.testing.assert_allclose(
        square.of_joints(), [kn * a**2 / 3] * 2 + [kn * a**2, kn * a**4 / 18] + [kn * a**4 / 12] * 2, rtol=1e-9
    )
    # of a disc of radius r, pi r^2 and pi r^4 / 4; the round peg has 64 corners
    disc, r = foundation_of(PEG_SHAPES["round"]), 0.02
    assert disc.normal == pytest.approx(kn * np.pi * r**2, rel=2e-3)
    assert disc.tilt == pytest.approx(kn * np.pi * r**4 / 4, rel=4e-3)


def test_taxels_add_up_to_suction_and_weight_and_then_to_the_push() -> None:
    envs = make(2, context={"start_z_m": 0.005, "hole_x_m": 0.02, "start_x_m": -0.02, "grasp_shift_m": 0.0})
    seen, _ = envs.reset(seed=0)
    weight = 9.81 * 0.15
    np.testing.assert_allclose(seen["tactile"][..., 0].sum(axis=(1, 2)), SUCTION_N - weight, rtol=1e-5)
    for _ in range(12):
        seen, *_ = envs.step(np.tile(np.array([0, 0, -1, 0], np.float32), (2, 1)))
    pushed = -envs.world.recorded("contact_force")[:, -1, 2]  # that on the block
    assert (pushed > 5.0).all()
    np.testing.assert_allclose(seen["tactile"][..., 0].sum(axis=(1, 2)), SUCTION_N - weight + pushed, atol=0.5)


def test_nothing_but_touch_shows_how_the_peg_sits() -> None:
    """Two worlds that differ in the grasp alone have the same readings of every other sense."""
    grasps = {"grasp_shift_m": np.array([0.0, 0.008]), "grasp_turn_rad": np.array([0.0, 0.6])}
    place = {f"{name}_{axis}_m": 0.01 for name in ("hole", "start") for axis in "xy"}
    senses = ("hole_estimate", "proprioception", "tactile", "force_torque", "joint_proprioception")
    seen, _ = make(2, sensors=senses, context={**grasps, **place, "start_z_m": 0.03}).reset(seed=0)
    for name in ("hole_estimate", "proprioception", "joint_proprioception"):
        np.testing.assert_allclose(seen[name][0], seen[name][1], atol=1e-6)
    np.testing.assert_allclose(seen["force_torque"][0, :, :3], seen["force_torque"][1, :, :3], atol=1e-6)
    assert np.abs(seen["tactile"][0] - seen["tactile"][1]).max() > 0.1


def test_torque_at_the_wrist_shows_the_weight_of_a_peg_aside_and_no_turn() -> None:
    turns = {"grasp_shift_m": 0.0, "grasp_turn_rad": np.array([-0.6, 0.6]), "start_z_m": 0.03}
    seen, _ = make(2, sensors=("force_torque",), context=turns).reset(seed=0)
    np.testing.assert_allclose(seen["force_torque"][0], seen["force_torque"][1], atol=1e-4)


@pytest.mark.parametrize(("progress", "depth"), [(0.5, 0.0), (1.0, 0.025)])
def test_it_can_begin_in_the_hole_however_the_peg_sits(progress: float, depth: float) -> None:
    envs = make(3, context={"start_progress": progress})
    envs.reset(seed=2)
    task = task_of(envs)
    np.testing.assert_allclose(task.tip_pose()[:, [0, 1, 3]], task.hole[:, [0, 1, 3]], atol=1e-9)
    np.testing.assert_allclose(task.depth(), depth, atol=1e-9)


@pytest.mark.parametrize("shape", PEG_SHAPES)
def test_every_shape_is_held_and_felt(shape: str) -> None:
    envs = make(2, context={"shape": shape})
    envs.reset(seed=0)
    for _ in range(3):
        seen, *_, info = envs.step(STILL)
    assert not info["physics_error"].any()
    assert (seen["tactile"][..., 0].sum(axis=(1, 2)) > 30.0).all()


def test_a_saved_state_goes_on_bit_for_bit() -> None:
    envs, twin = make(), make()
    envs.reset(seed=0)
    twin.reset(seed=5)
    down = np.tile(np.array([0.3, 0, -1, 0.5], np.float32), (2, 1))
    for _ in range(8):
        envs.step(down)
    twin.set_state(envs.get_state())
    for _ in range(3):
        assert_same(envs.step(down), twin.step(down))


def test_an_engine_without_springs_is_refused() -> None:
    with pytest.raises(ValueError, match="the peg is on springs, which pybullet has not"):
        make(engine="pybullet")


def test_it_has_joints_for_every_way_in_which_the_peg_can_move() -> None:
    assert [make(1).world.template.joint(name).name for name in PEG_JOINTS] == list(PEG_JOINTS)
