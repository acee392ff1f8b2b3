"""REINFORCE as a whole: its gradient, its batches, what it survives and what it saves."""

import copy
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv

from mmrl.modality import MLP, Modality
from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.learning.optimizers import OPTIMIZERS
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.records.checkpoint import load_checkpoint, save_checkpoint

torch.set_num_threads(1)

# Of the games of catch in conftest.py: a ball falls for six steps, and a game is so many balls.
BALLS, FALL = 6, 6
MakeAgent = Callable[..., Reinforce]
POINTS = ReinforceConfig(reset_returns_at_points=True)


def gradients(agent: Reinforce) -> dict[str, torch.Tensor]:
    return {name: x.grad.clone() for name, x in agent.policy.named_parameters() if x.grad is not None}


def test_gradient_is_that_of_a_plain_loop_over_the_steps(agent_on: MakeAgent) -> None:
    """The protocol as the blog writes it: forward and backward by hand, step after step, in float64."""
    agent = agent_on(replace(POINTS, games_per_batch=2, optimizer="sgd", learning_rate=1e-12))
    agent.collect()
    agent.update()
    w1, w2 = (x.detach().numpy().astype(np.float64) for x in list(agent.policy.parameters())[:2])
    xs, hs, dlogps, rewards = [], [], [], []
    for _, samples in agent.games.samples(1):
        frames = samples.observations["observation"][0].numpy().astype(np.float64)
        x = (frames[..., 1] - frames[..., 0]).ravel()
        h = w1.T @ x
        h[h < 0] = 0
        p = 1.0 / (1.0 + np.exp(-np.dot(w2[0], h)))
        xs.append(x)
        hs.append(h)
        dlogps.append(float(samples.actions[0]) - p)
    for game in agent.games.finished:
        rewards += [step.reward for step in game]
    returns, running = np.zeros(len(rewards)), 0.0
    for t in reversed(range(len(rewards))):
        if rewards[t] != 0:
            running = 0.0  # a game ends with a point as well
        running = running * 0.99 + rewards[t]
        returns[t] = running
    returns = (returns - returns.mean()) / returns.std()
    dw1, dw2 = np.zeros_like(w1), np.zeros_like(w2)
    for x, h, dlogp, advantage in zip(xs, hs, dlogps, returns, strict=True):
        dw2[0] += dlogp * advantage * h
        dh = dlogp * advantage * w2[0]
        dh[h <= 0] = 0
        dw1 += np.outer(x, dh)
    found = list(gradients(agent).values())
    assert len(rewards) == 2 * BALLS * FALL
    assert len(found) == 2  # the critic gets none
    for ours, naive in zip(found, (dw1, dw2), strict=True):
        # What is made more probable goes against the gradient of the loss.
        np.testing.assert_allclose(ours, -naive, rtol=1e-5, atol=1e-5 * np.abs(naive).max())


def test_gradient_does_not_depend_on_its_parts(agent_on: MakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = agent_on(POINTS, worlds=10), agent_on(POINTS, worlds=10)
    whole.collect()
    whole.update()
    parted.collect()
    monkeypatch.setattr("mmrl_agents.learning.reinforce._CHUNK", 7)
    parted.update()
    for one, other in zip(gradients(whole).values(), gradients(parted).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_step_size_falls_with_the_updates_or_with_the_training(agent_on: MakeAgent) -> None:
    agent = agent_on(replace(POINTS, learning_rate=0.1, final_learning_rate=0.02, decay_updates=2, games_per_batch=2))
    rates = []
    for _ in range(4):
        agent.collect()
        rates.append(agent.update()["learning_rate"])
        assert agent.optimizer.param_groups[0]["lr"] == rates[-1]
    assert rates == pytest.approx([0.1, 0.06, 0.02, 0.02])
    agent = agent_on(replace(POINTS, learning_rate=0.1, final_learning_rate=0.02))
    assert [agent.set_progress(x) for x in (0.0, 0.5, 1.0, 1.5)] == pytest.approx([0.1, 0.06, 0.02, 0.02])
    constant = agent_on(replace(POINTS, learning_rate=0.1))
    assert constant.set_progress(0.7) == 0.1


def test_entropy_bonus_and_limit_of_the_gradient(agent_on: MakeAgent) -> None:
    plain = agent_on(replace(POINTS, optimizer="sgd", learning_rate=1e-12))
    bonus = agent_on(replace(POINTS, optimizer="sgd", learning_rate=1e-12, entropy_coef=0.3))
    limited = agent_on(replace(POINTS, optimizer="sgd", learning_rate=1e-12, max_grad_norm=1e-2))
    for agent in (plain, bonus, limited):
        agent.collect()
    metrics = [agent.update() for agent in (plain, bonus, limited)]
    before = gradients(plain)
    norm = math.sqrt(sum(float(x.square().sum()) for x in before.values()))
    assert [m["grad_norm"] for m in metrics[::2]] == pytest.approx([norm, norm])
    for name, gradient in gradients(limited).items():
        torch.testing.assert_close(gradient, before[name] * 1e-2 / norm, rtol=1e-3, atol=1e-6)
    plain.policy.zero_grad()
    samples = next(iter(plain.games.samples(10_000)))[1]
    entropy = plain.policy.evaluate_actions(samples.observations, samples.actions).entropy
    assert metrics[0]["entropy"] == pytest.approx(float(entropy.detach().mean()), rel=1e-4)
    entropy.sum().backward()
    for name, gradient in gradients(bonus).items():
        torch.testing.assert_close(gradient, before[name] - 0.3 * gradients(plain)[name], rtol=1e-3, atol=1e-3)


def test_a_batch_is_played_by_one_policy_which_the_update_changes() -> None:
    envs: VectorEnv[Any, Any, Any] = gym.make_vec(
        "CartPole-v1", 2, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )
    space = envs.single_action_space
    assert isinstance(space, spaces.Discrete)
    torch.manual_seed(0)
    policy = ActorCritic(modalities_of(envs.single_observation_space), space)
    config = ReinforceConfig(games_per_batch=4)
    agent = Reinforce(Games(envs, policy, EpisodeStatistics(), torch.Generator().manual_seed(0)), config)
    agent.start(seed=0)
    before = copy.deepcopy(policy.state_dict())
    steps = agent.collect()
    assert all(torch.equal(before[name], x) for name, x in policy.state_dict().items())
    metrics = agent.update()
    after = policy.state_dict()
    # Its observations are readings whose scale is learned, once the batch is used.
    seen = torch.cat([samples.observations["observation"] for _, samples in agent.games.samples(64)])
    means = [x for name, x in after.items() if name.endswith("normalizer.mean")]
    torch.testing.assert_close(means[0], seen.double().mean(dim=0))
    assert not torch.equal(before["head.linear.weight"], after["head.linear.weight"])
    assert (metrics["games"], metrics["batch_return"]) == (4.0, steps / 4)  # cartpole gives 1 for a step


def test_metrics(agent_on: MakeAgent) -> None:
    agent = agent_on(replace(POINTS, games_per_batch=4))
    assert agent.collect() == 4 * BALLS * FALL
    metrics = agent.update()
    assert metrics["games"] == 4
    assert metrics["points"] == 4 * BALLS
    assert (
        metrics["batch_return"]
        == float(agent.games.rewards.sum()) / 4
        == agent.games.statistics.metrics()["mean_return"]
    )
    assert metrics["learning_rate"] == POINTS.learning_rate
    assert metrics["skipped_updates"] == 0
    assert "value_loss" not in metrics


def test_a_step_that_is_no_number_is_left_out_and_counted(agent_on: MakeAgent) -> None:
    agent = agent_on(replace(POINTS, games_per_batch=2, baseline="value"))
    agent.collect()
    agent.update()
    before = copy.deepcopy((agent.policy.state_dict(), agent.optimizer.state_dict()))
    agent.collect()
    game = agent.games.finished[0]
    game[3] = game[3]._replace(reward=math.nan)
    metrics = agent.update()
    assert metrics["skipped_updates"] == 1
    assert math.isnan(metrics["policy_loss"])
    assert agent.updates == 1
    torch.testing.assert_close((agent.policy.state_dict(), agent.optimizer.state_dict()), before, rtol=0, atol=0)
    agent.collect()
    assert agent.update()["skipped_updates"] == 0


def test_a_run_goes_on_with_the_settings_of_today(agent_on: MakeAgent, tmp_path: Path) -> None:
    config = replace(POINTS, optimizer="rmsprop", games_per_batch=2, eps=1e-5)
    agent = agent_on(config)
    agent.collect()
    agent.update()
    state = agent.state_dict()
    today = agent_on(replace(config, eps=0.1, rms_decay=0.5, value_learning_rate=0.3))
    today.load_state_dict(copy.deepcopy(state))
    (group,), (critic,) = today.optimizer.param_groups, today.critic_optimizer.param_groups
    assert (group["eps"], group["alpha"], critic["lr"]) == (0.1, 0.5, 0.3)
    torch.testing.assert_close(today.optimizer.state_dict()["state"], agent.optimizer.state_dict()["state"])
    with pytest.raises(ValueError, match=r"reinforce\.optimizer is adam, but the run was trained with rmsprop"):
        agent_on(replace(config, optimizer="adam")).load_state_dict(state)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_state_comes_back(agent_on: MakeAgent, name: Any, tmp_path: Path) -> None:
    config = replace(
        POINTS, optimizer=name, games_per_batch=2, baseline="running_mean", final_learning_rate=1e-6, decay_updates=5
    )
    agent, twin = agent_on(config), agent_on(config, seed=1)
    for _ in range(2):
        agent.collect()
        agent.update()
    state = {"agent": agent.state_dict(), "policy": agent.policy.state_dict()}
    save_checkpoint(tmp_path / "state", state)
    state = load_checkpoint(tmp_path / "state")
    twin.load_state_dict(state["agent"])
    twin.policy.load_state_dict(state["policy"])
    twin.games.generator.set_state(agent.games.generator.get_state())
    for one in (agent, twin):
        one.start(seed=9)
    for _ in range(2):
        assert agent.collect() == twin.collect()
        assert agent.update() == twin.update()
    assert all(map(torch.equal, agent.policy.parameters(), twin.policy.parameters()))


def test_a_simple_game_is_learned(agent_on: MakeAgent) -> None:
    config = replace(POINTS, learning_rate=1e-2, games_per_batch=10)
    agent = agent_on(config, worlds=10, seed=1)
    results = []
    for _ in range(40):
        agent.collect()
        results.append(agent.update()["batch_return"])
    # A paddle of 3 in 5 columns that does not look catches about as much as it misses; 6 is the most.
    assert sum(results[:3]) / 3 < 2
    assert sum(results[-10:]) / 10 > 4


def test_worlds_and_games_must_come_out_even(agent_on: MakeAgent) -> None:
    with pytest.raises(ValueError, match="a multiple of num_worlds, got 10 games for 4 worlds"):
        agent_on(POINTS, worlds=4)
    with pytest.raises(ValueError, match="got 10 games for 20 worlds"):
        agent_on(POINTS, worlds=20)


def test_a_policy_that_remembers_is_refused(agent_on: MakeAgent) -> None:
    sense = Modality("observation", (3,), 15, MLP())
    policy = ActorCritic({"observation": sense}, spaces.Discrete(2), PolicyConfig("gru"))
    with pytest.raises(ValueError, match="a recurrent fusion trains with --agent ppo"):
        Reinforce(Games(agent_on(POINTS).games.envs, policy, EpisodeStatistics(), torch.Generator()), POINTS)


def test_there_must_be_games_to_learn_from(agent_on: MakeAgent) -> None:
    with pytest.raises(RuntimeError, match=r"collect\(\) comes before update\(\)"):
        agent_on(POINTS).update()
