"""A trained policy in a few lines, alone and in a robot's loop."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

import mmrl
import mmrl_envs  # noqa: F401 - registers the environments
from mmrl.deploy import ReadyPolicy, Runner
from mmrl.policy.config import PolicyConfig
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.spec import WorldSpec
from tests.trainings import moment_in, trained_quietly

PEG = "mmrl/PegInsertion-v0"


@pytest.fixture(scope="module")
def shipped() -> ReadyPolicy:
    return mmrl.load("peg_insertion")


@pytest.fixture
def world() -> Any:
    env = gym.make(PEG)
    yield env
    env.close()


def first_batch(number: int) -> tuple[dict[str, Any], dict[str, Any]]:
    envs = WorldSpec(PEG).make(number)
    try:
        observation, info = envs.reset(seed=3)
        return observation, info
    finally:
        envs.close()


def test_one_observation_and_a_batch_have_the_same_answers(shipped: ReadyPolicy) -> None:
    batch, info = first_batch(3)
    actions = shipped.act(batch)
    values = shipped.value({**batch, "privileged": info["privileged"]})
    assert (actions.shape, values.shape) == ((3, 3), (3,))
    one = {name: array[1] for name, array in batch.items()}
    np.testing.assert_allclose(shipped.act(one), actions[1], atol=1e-5)
    np.testing.assert_allclose(shipped.value({**one, "privileged": info["privileged"][1]}), values[1], rtol=1e-4)
    assert shipped.act(one).shape == (3,)
    assert shipped.action_space.contains(shipped.act(one))
    assert shipped.hz == 20.0


def test_a_sense_may_be_missing(shipped: ReadyPolicy) -> None:
    batch, _ = first_batch(2)
    one = {name: array[0] for name, array in batch.items()}
    blind = {name: array for name, array in one.items() if name != "camera"}
    without = shipped.act(blind, {"camera": False})
    np.testing.assert_array_equal(without, shipped.act(one, {"camera": False}))
    assert not np.array_equal(without, shipped.act(one))
    of_both = shipped.act(batch, {"camera": [False, True]})
    np.testing.assert_allclose(of_both[0], without, atol=1e-5)
    with pytest.raises(ValueError, match="observation 'camera' needs shape"):
        shipped.act(blind)


def test_a_critic_that_needs_the_simulator_says_so(shipped: ReadyPolicy) -> None:
    batch, _ = first_batch(2)
    with pytest.raises(ValueError, match="the critic reads privileged, which the simulator gives in `info`"):
        shipped.value(batch)


def test_a_critic_that_learned_nothing_has_no_value(tmp_path: Path) -> None:
    config = TrainConfig("CartPole-v1", agent="reinforce", num_worlds=2, total_steps=64, evaluate_episodes=0)
    run = trained_quietly(replace(config, device="cpu", run_dir=tmp_path / "run"))
    with pytest.raises(ValueError, match="no critic of it can be asked"):
        mmrl.load(run).value({"observation": np.zeros(4)})


def test_what_does_not_exist_is_answered_with_what_does() -> None:
    with pytest.raises(FileNotFoundError, match=r"policies that come with the package: .*peg_insertion"):
        mmrl.load("screwdriver")


def through(runner: Runner, time: float, observation: dict[str, Any], new: int) -> None:
    """Push the newest `new` readings of each window, the last of them taken at `time`."""
    for name, sense in runner.senses.items():
        windowed = sense.history is not None
        rows = observation[name][-new:] if windowed and sense.rate_hz > runner.hz else [observation[name]]
        for age, row in zip(range(len(rows) - 1, -1, -1), rows, strict=True):
            runner.push(name, time - age / sense.rate_hz, row)


@pytest.mark.parametrize("acts_after", [0.0, 0.005])
def test_in_a_loop_it_acts_bit_for_bit_as_when_it_is_judged(world: Any, acts_after: float) -> None:
    """By readings one at a time, where the evaluation has windows; some seconds after they were taken too."""
    trained = load_policy("peg_insertion")
    judged = TorchPolicy(trained.policy, world.action_space)
    runner = Runner("peg_insertion")
    observation, _ = world.reset(seed=11)
    through(runner, 0.0, observation, 1)
    for step in range(1, 30):
        action = runner.tick((step - 1) / 20 + acts_after)
        np.testing.assert_array_equal(action, judged.act({n: array[None] for n, array in observation.items()})[0])
        observation, *_ = world.step(action)
        through(runner, step / 20, observation, 50)
    assert set(runner.report().absent_ticks.values()) == {0}


def test_a_policy_with_a_memory_remembers_from_tick_to_tick(world: Any, tmp_path: Path) -> None:
    sensors = ("hole_estimate", "proprioception")
    recurrent = PolicyConfig(fusion="lstm")
    config = replace(moment_in(PEG), sensors=sensors, policy=recurrent, run_dir=tmp_path / "run")
    run = trained_quietly(config)
    batch, _ = first_batch(1)
    senses = {"hole_estimate": np.zeros(4, np.float32), "proprioception": batch["proprioception"][0]}
    policy, runner = mmrl.load(run, checkpoint="last"), Runner(mmrl.load(run, checkpoint="last"))
    for step in range(3):
        runner.push("hole_estimate", step / 20, senses["hole_estimate"])
        if not step:
            runner.push("proprioception", 0.0, senses["proprioception"][0])
        window = np.repeat(senses["proprioception"][:1], 32, axis=0)
        expected = policy.act(senses | {"proprioception": window})
        np.testing.assert_array_equal(runner.tick(step / 20), expected)
    policy.reset()
    runner.reset()
    runner.push("hole_estimate", 0.0, senses["hole_estimate"])
    runner.push("proprioception", 0.0, senses["proprioception"][0])
    again = policy.act(senses | {"proprioception": window})
    assert not np.array_equal(again, expected)
    np.testing.assert_array_equal(runner.tick(0.0), again)
