"""A plug that clicks: where and how, what the word is worth when, what breaks, and who can know the depth."""

from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH
from mmrl_envs.scenes.click_socket import CLICK_BELOW, PLUG_LENGTH, RIDGE_ABOVE_TIP
from mmrl_envs.tasks.click_plug import MOST_FORCE_N, MOST_PAST_M, ClickPlug
from mmrl_envs.tasks.experts.click_experts import ClickFeeler, ClickHearer, DepthGuesser
from mmrl_envs.vector_env import RobotVectorEnv

ENV_ID = "mmrl/ClickPlug-v0"
OVER_THE_MOUTH = {
    **dict.fromkeys(("socket_x_m", "socket_y_m", "start_x_m", "start_y_m", "hole_estimate_error_m"), 0.0),
    "start_z_m": 0.002,
    "friction": 0.25,
    "bolt_stiffness_n_m": 3000.0,
}
DEPTHS = np.array([0.007, 0.010, 0.013])
STEP = 0.001


def make(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    envs = gym.make_vec(ENV_ID, num_envs=num_envs, num_threads=1, **kwargs)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def over_the_mouth(num_envs: int, **kwargs: Any) -> RobotVectorEnv:
    """Worlds whose plug only has to be pushed down; they stay as they end."""
    context = {**OVER_THE_MOUTH, **kwargs.pop("context", {})}
    envs = make(num_envs, context=context, autoreset=False, max_episode_steps=None, **kwargs)
    envs.reset(seed=0)
    return envs


def task_of(envs: RobotVectorEnv) -> ClickPlug:
    assert isinstance(envs.task, ClickPlug)
    return envs.task


def action(envs: RobotVectorEnv, down_m: Any = 0.0, done: Any = 0.0) -> np.ndarray:
    """Actions (N, 4) that move the setpoints down, and say done where that is 1."""
    move = np.zeros((envs.num_envs, 4), np.float32)
    move[:, 2], move[:, 3] = -np.asarray(down_m) / STEP, done
    return move


def push_until(envs: RobotVectorEnv, what: Any) -> list[tuple[Any, ...]]:
    """Pushes at 10 mm/s until something holds in each world; worlds in which it does stand still."""
    history = []
    for _ in range(100):
        here = what()
        if here.all():
            return history
        history.append(envs.step(action(envs, np.where(here, 0.0, 0.0005))))
    raise AssertionError(f"still not after 5 s: {here}")


def successes(
    expert: type[ClickFeeler] | type[ClickHearer] | type[DepthGuesser], sensors: Any = None, **options: Any
) -> np.ndarray:
    """Success of 24 episodes of an expert, one a world."""
    envs = make(24, sensors=sensors)
    observation, _ = envs.reset(seed=3)
    acting = expert(24, step_m=STEP, **options)
    success, going = np.zeros(24, np.bool_), np.ones(24, np.bool_)
    while going.any():
        observation, _, terminated, truncated, info = envs.step(acting.act(observation))
        ended = (terminated | truncated) & going
        if ended.any():
            success[ended] = info["final_info"]["is_success"][ended]
        going &= ~ended
    return success


def test_an_expert_that_feels_the_click_succeeds() -> None:
    assert successes(ClickFeeler).mean() >= 0.95


def test_an_expert_that_hears_the_click_succeeds() -> None:
    assert successes(ClickHearer, sensors=("hole_estimate", "microphone")).mean() >= 0.95


def test_the_click_is_heard_in_the_step_in_which_the_bolt_snaps_and_all_else_is_silent() -> None:
    envs = over_the_mouth(3, context={"detent_depth_m": DEPTHS}, sensors=("microphone",))
    history = push_until(envs, lambda: task_of(envs).clicked)
    loud = np.stack([step[0]["microphone"][:, -5:].max(axis=(1, 2)) for step in history], axis=1)  # (N, steps)
    clicked = np.stack([step[4]["clicked"] for step in history], axis=1)
    np.testing.assert_array_equal((loud > 40).argmax(axis=1), clicked.argmax(axis=1))
    for world, step in enumerate(clicked.argmax(axis=1)):
        assert loud[world, :step].max() == 0.0
        assert loud[world, step] > 60
    envs.close()


def test_one_that_stops_at_the_mean_depth_succeeds_in_a_third_of_the_cases() -> None:
    """Detents lie evenly within 6 mm, of which 2 mm are near enough."""
    depth = 0.010 + RIDGE_ABOVE_TIP + CLICK_BELOW + MOST_PAST_M / 2
    assert 0.1 <= successes(DepthGuesser, stop_m=depth).mean() <= 0.6


def test_it_clicks_where_the_ridge_leaves_the_bolt_and_the_wrench_has_it() -> None:
    envs = over_the_mouth(3, context={"detent_depth_m": DEPTHS})
    history = push_until(envs, lambda: task_of(envs).clicked)
    click = task_of(envs).arrays()["click_at"]
    np.testing.assert_allclose(click, DEPTHS + RIDGE_ABOVE_TIP + CLICK_BELOW, atol=2e-4)
    push = -np.concatenate([step[0]["force_torque"][:, :, 2] for step in history], axis=1)
    assert (push.max(axis=1) > 4.0).all()  # the bolt resists,
    assert (push.min(axis=1) < -2.0).all()  # draws the plug in
    for world, click_step in enumerate(push.argmin(axis=1)):
        assert np.abs(push[world, click_step + 5 : click_step + 20]).max(initial=0.0) < 1.0  # and lets go within 5 ms


def test_a_stiffer_spring_resists_more() -> None:
    envs = over_the_mouth(2, context={"bolt_stiffness_n_m": np.array([2000.0, 4000.0])})
    history = push_until(envs, lambda: task_of(envs).clicked)
    peak = np.max([step[4]["peak_force_n"] for step in history], axis=0)
    assert peak[1] > 1.5 * peak[0]


@pytest.mark.parametrize(
    ("past_m", "clicked", "success"), [(-0.003, 0.0, False), (0.0, 1.0, True), (0.001, 1.0, True), (0.0025, 1.0, False)]
)
def test_done_is_right_within_two_millimetres_after_the_click(past_m: float, clicked: float, success: bool) -> None:
    envs = over_the_mouth(1, context={"detent_depth_m": 0.010})
    tip, task = envs.world.current("tip_position"), task_of(envs)
    click_at = 0.010 + RIDGE_ABOVE_TIP + CLICK_BELOW
    push_until(envs, lambda: (-tip[:, 2] > click_at + past_m) & (task.clicked == bool(clicked)))
    *_, terminated, truncated, info = envs.step(action(envs, done=1.0))
    assert (terminated[0], truncated[0], info["is_success"][0]) == (True, False, success)
    assert (info["said_done"][0], info["clicked"][0]) == (1.0, clicked)
    terms = {name: float(info["reward_terms"][name][0]) for name in ("click", "success", "wrong")}
    assert terms == {"click": clicked, "success": 5.0 * success, "wrong": -0.5 * (not success)}


def test_a_plug_that_is_drawn_back_before_the_edge_has_not_clicked() -> None:
    envs = over_the_mouth(1, context={"detent_depth_m": 0.010})
    push_until(envs, lambda: envs.world.current("bolt_position")[:, 0] > 0.5e-3)
    for _ in range(20):
        *_, info = envs.step(action(envs, -0.001))
    assert info["clicked"][0] == 0.0
    assert envs.world.current("bolt_position")[0, 0] < 0.2e-3


def test_the_floor_breaks_the_socket_and_ends_the_episode() -> None:
    envs = over_the_mouth(1, context={"detent_depth_m": 0.007})
    for _ in range(100):
        *_, terminated, _, info = envs.step(action(envs, 0.001))
        if terminated[0]:
            break
    assert info["broken"][0] == 1.0
    assert info["peak_force_n"][0] > MOST_FORCE_N
    assert not info["is_success"][0]
    assert info["reward_terms"]["broken"][0] == -1.0
    assert not info["physics_error"][0]


def test_before_contact_nothing_tells_how_deep_the_bolt_is() -> None:
    """Two worlds that differ in the bolt and the floor alone look the same to every sense, the camera too."""
    senses = ("camera", "depth", "hole_estimate", "force_torque", "proprioception")
    envs = over_the_mouth(2, context={"detent_depth_m": np.array([0.007, 0.013])}, sensors=senses)
    for _ in range(20):  # 8 mm deep, the ridge 2 mm below the face
        observation, *_ = envs.step(action(envs, 0.0005))
    for name in senses:
        np.testing.assert_allclose(observation[name][0], observation[name][1], atol=1e-6, err_msg=name)


def test_the_estimate_is_off_by_as_much_as_it_is_said_to_be() -> None:
    envs = make(8, context={"hole_estimate_error_m": 0.003, "start_x_m": 0.0, "start_y_m": 0.0, "start_z_m": 0.01})
    observation, _ = envs.reset(seed=0)
    np.testing.assert_allclose(np.linalg.norm(observation["hole_estimate"][:, :2], axis=1), 0.003, atol=1e-6)
    np.testing.assert_allclose(observation["hole_estimate"][:, 2], -0.01, atol=1e-6)


def test_an_episode_goes_on_bit_by_bit_from_a_saved_state() -> None:
    envs, other = (make(2, context={**OVER_THE_MOUTH, "detent_depth_m": 0.007}) for _ in range(2))
    envs.reset(seed=0)
    for _ in range(28):
        envs.step(action(envs, 0.0005))
    other.reset(seed=1)
    other.set_state(envs.get_state())
    for done in (0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 0.0):
        here, there = envs.step(action(envs, 0.0005, done)), other.step(action(other, 0.0005, done))
        np.testing.assert_array_equal(here[0]["force_torque"], there[0]["force_torque"])
        np.testing.assert_array_equal(here[1], there[1])
        np.testing.assert_array_equal(here[4]["privileged"], there[4]["privileged"])


def test_the_tool_ends_where_the_tip_is() -> None:
    envs = over_the_mouth(1)
    assert task_of(envs).robot.tool_length == ADAPTER_LENGTH + PLUG_LENGTH
    np.testing.assert_allclose(envs.world.current("tip_position")[0], [0.0, 0.0, 0.002], atol=1e-4)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"context": {"detent_depth_m": 0.03}}, r"'detent_depth_m' must lie in \[0.006, 0.016\], got 0.03"),
        ({"context": {"bolt_stiffness_n_m": 1e5}}, r"'bolt_stiffness_n_m' must lie in \[500.0, 8000.0\], got 100000.0"),
        ({"reward_weights": {"succes": 1.0}}, "ClickReward has no succes; it has nearing, "),
        ({"reward_weights": {"past": float("nan")}}, "reward_weights.past must be finite, got nan"),
        ({"done_above": 1.5}, "SayingDone.threshold must lie between -1 and 1, got 1.5"),
        ({"engine": "pybullet"}, "the bolt is on a spring, which pybullet has not: leave engine at 'mujoco'"),
    ],
)
def test_bad_settings_are_named(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(2, **kwargs)


def test_a_plug_is_filmed() -> None:
    envs = make(1, render_mode="rgb_array", width=96, height=96)
    envs.reset(seed=0)
    (frame,) = envs.render()  # type: ignore[misc]  # one world
    assert frame.std() > 10
