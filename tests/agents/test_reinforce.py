import copy
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from numpy.typing import NDArray
from rich.console import Console

from mmrl.foreign import modalities_of
from mmrl.modality import DifferenceMLP, Modality
from mmrl.policy import ActorCritic, PolicyConfig
from mmrl_agents.config import TrainConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.records.checkpoint import load_checkpoint, save_checkpoint
from mmrl_agents.reinforce import (
    OPTIMIZERS,
    Reinforce,
    ReinforceConfig,
    discounted_returns,
)
from mmrl_agents.train import train

torch.set_num_threads(1)

HEIGHT, WIDTH, BALLS = 7, 5, 6
POINTS = ReinforceConfig(reset_returns_at_points=True)


class Catch(gym.Env[NDArray[np.uint8], Any]):
    """A ball falls through a small image, the paddle below it goes left or right; a game is `BALLS` points."""

    observation_space = spaces.Box(0, 1, (HEIGHT, WIDTH, 2), np.uint8)
    action_space = spaces.Discrete(2)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        super().reset(seed=seed)
        self.points, self.frame = 0, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.paddle = WIDTH // 2
        self._serve()
        return self._see(), {}

    def step(self, action: int) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self.paddle = int(np.clip(self.paddle + 2 * int(action) - 1, 0, WIDTH - 1))
        self.height += 1
        reward = 0.0
        if self.height == HEIGHT - 1:
            reward = 1.0 if abs(self.column - self.paddle) <= 1 else -1.0
            self.points += 1
            self._serve()
        return self._see(), reward, self.points == BALLS, False, {}

    def _serve(self) -> None:
        self.height, self.column = 0, int(self.np_random.integers(WIDTH))

    def _see(self) -> NDArray[np.uint8]:
        previous, self.frame = self.frame, np.zeros((HEIGHT, WIDTH), np.uint8)
        self.frame[self.height, self.column] = 1
        self.frame[HEIGHT - 1, max(self.paddle - 1, 0) : self.paddle + 2] = 1
        return np.stack([previous, self.frame], axis=-1)


def agent_on(
    config: ReinforceConfig, worlds: int = 2, features: int = 20, seed: int = 0, separate_critic: bool = False
) -> Reinforce:
    """The published network, smaller, on games of catch, its worlds reset."""
    envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([Catch] * worlds, autoreset_mode=AutoresetMode.SAME_STEP)
    sense = Modality("observation", (HEIGHT, WIDTH, 2), 15, DifferenceMLP(features), low=0, high=1, dtype="uint8")
    torch.manual_seed(seed)
    network = PolicyConfig(
        fused_features=0, actor_hidden=(), critic_hidden=(16,), head="bernoulli", separate_critic=separate_critic
    )
    policy = ActorCritic({"observation": sense}, spaces.Discrete(2), network)
    agent = Reinforce(envs, policy, config, EpisodeStatistics(), torch.Generator().manual_seed(seed))
    agent.start(seed=seed)
    return agent


def gradients(agent: Reinforce) -> dict[str, torch.Tensor]:
    return {name: x.grad.clone() for name, x in agent.policy.named_parameters() if x.grad is not None}


def test_gradient_is_that_of_a_plain_loop_over_the_steps() -> None:
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
    assert len(rewards) == 2 * BALLS * (HEIGHT - 1)
    assert len(found) == 2  # the critic gets none
    for ours, naive in zip(found, (dw1, dw2), strict=True):
        # What is made more probable goes against the gradient of the loss.
        np.testing.assert_allclose(ours, -naive, rtol=1e-5, atol=1e-5 * np.abs(naive).max())


def test_gradient_does_not_depend_on_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, parted = agent_on(POINTS, worlds=10), agent_on(POINTS, worlds=10)
    whole.collect()
    whole.update()
    parted.collect()
    monkeypatch.setattr("mmrl_agents.reinforce._CHUNK", 7)
    parted.update()
    for one, other in zip(gradients(whole).values(), gradients(parted).values(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_step_size_falls_with_the_updates_or_with_the_training() -> None:
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


def judged(
    config: ReinforceConfig, monkeypatch: pytest.MonkeyPatch, separate_critic: bool = False
) -> tuple[Reinforce, list[torch.Tensor]]:
    """An agent whose advantages are caught on their way to the gradient, one tensor for each update."""
    agent, caught = agent_on(config, separate_critic=separate_critic), list[torch.Tensor]()
    gradient = agent._gradient

    def spy(advantages: torch.Tensor) -> Any:
        caught.append(advantages)
        return gradient(advantages)

    monkeypatch.setattr(agent, "_gradient", spy)
    return agent, caught


def returns_of(agent: Reinforce) -> torch.Tensor:
    games = agent.games
    ends = torch.zeros(len(games), dtype=torch.bool)
    ends[games.lengths.cumsum(0) - 1] = True
    return discounted_returns(games.rewards, agent.config.gamma, agent.config.reset_returns_at_points, ends)


def test_advantages_are_standardised_in_the_batch_in_the_game_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("batch", "game", "none"):
        agent, caught = judged(replace(POINTS, games_per_batch=4, standardize=kind), monkeypatch)
        agent.collect()
        agent.update()
        returns = returns_of(agent)
        parts = returns.split(agent.games.lengths.tolist()) if kind == "game" else (returns,)
        scale = 0 if kind == "none" else 1
        expected = torch.cat([(x - scale * x.mean()) / x.std(correction=0) ** scale for x in parts])
        torch.testing.assert_close(caught[0], expected)


def test_running_mean_is_that_of_earlier_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(POINTS, games_per_batch=4, baseline="running_mean", baseline_decay=0.75, standardize="none")
    agent, caught = judged(config, monkeypatch)
    means = []
    for _ in range(3):
        agent.collect()
        agent.update()
        means.append(returns_of(agent).mean())
    # the first batch has none before it; then b = 0.75 b + 0.25 mean
    baselines = [means[0], means[0], 0.75 * means[0] + 0.25 * means[1]]
    for advantages, mean, baseline in zip(caught, means, baselines, strict=True):
        torch.testing.assert_close(advantages.mean(), mean - baseline)
    torch.testing.assert_close(caught[2], returns_of(agent) - baselines[2])


def test_a_baseline_takes_the_place_of_the_mean(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(POINTS, games_per_batch=4, baseline="running_mean")
    agent, caught = judged(config, monkeypatch)
    agent.running_mean = -0.5
    agent.collect()
    agent.update()
    returns = returns_of(agent)
    torch.testing.assert_close(caught[0], (returns + 0.5) / returns.std(correction=0))


@pytest.mark.parametrize("separate", [False, True])
def test_the_critic_is_a_baseline_and_learns_by_itself(separate: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(POINTS, baseline="value", standardize="none", learning_rate=1e-12, games_per_batch=4)
    agent, caught = judged(config, monkeypatch, separate_critic=separate)
    agent.collect()
    samples = next(iter(agent.games.samples(1000)))[1]
    with torch.no_grad():
        values = agent.policy.value(samples.observations)
    before = {name: x.detach().clone() for name, x in agent.policy.named_parameters()}
    agent.update()
    returns = returns_of(agent)
    torch.testing.assert_close(caught[0], returns - values, rtol=1e-4, atol=1e-6)
    # The policy hardly moves by a step of 1e-12, what the critic reads moves only where it is the critic's own.
    moved = {name for name, x in agent.policy.named_parameters() if not torch.allclose(x, before[name], atol=1e-6)}
    own = {name for name in before if name.startswith("critic")}
    assert moved == own
    assert any(name.startswith("critic_encoders") for name in own) == separate
    # A step of the critic leaves no gradient to the next one of the policy.
    monkeypatch.setattr(agent, "_learn_values", lambda returns: 0.0)
    agent.update()
    assert {name.partition(".")[0] for name in gradients(agent)} == {"encoders", "head"}


def test_the_critic_comes_to_know_the_returns_it_is_shown() -> None:
    config = replace(POINTS, baseline="value", learning_rate=1e-12, value_learning_rate=1e-2, games_per_batch=4)
    agent, readers = (agent_on(config, separate_critic=separate) for separate in (True, False))
    losses: list[list[float]] = []
    for one in (agent, readers):
        one.collect()
        losses.append([one.update()["value_loss"] for _ in range(100)])
    # In deviations of the returns the best constant leaves half of 1.
    assert min(losses[0][0], losses[1][0]) > 0.4
    # 20 random features of 35 pixels tell less than those that are learned.
    assert losses[0][-1] < 0.2
    assert losses[0][-1] < losses[1][-1] < 0.5


def test_more_passes_teach_the_critic_more() -> None:
    config = replace(POINTS, baseline="value", value_learning_rate=1e-2, games_per_batch=4)
    once, often = (agent_on(replace(config, value_epochs=epochs), separate_critic=True) for epochs in (1, 20))
    for agent in (once, often):
        agent.collect()
    assert often.update()["value_loss"] < once.update()["value_loss"]


def test_entropy_bonus_and_limit_of_the_gradient() -> None:
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
    agent = Reinforce(envs, policy, config, EpisodeStatistics(), torch.Generator().manual_seed(0))
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


def test_metrics() -> None:
    agent = agent_on(replace(POINTS, games_per_batch=4))
    assert agent.collect() == 4 * BALLS * (HEIGHT - 1)
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


def test_a_step_that_is_no_number_is_left_out_and_counted() -> None:
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


def test_a_critic_whose_gradient_is_no_number_keeps_its_weights_and_is_counted() -> None:
    """Its first step is so long that the squared errors of the second pass are no numbers of 32 bits."""
    agent = agent_on(replace(POINTS, games_per_batch=2, baseline="value", value_learning_rate=1e30, value_epochs=2))
    agent.collect()
    metrics = agent.update()
    assert metrics["skipped_updates"] == 1
    assert math.isnan(metrics["value_loss"])
    assert agent.trouble == "the loss of the critic or its gradient"
    assert agent.updates == 1  # the policy has learned
    assert all(weight.isfinite().all() for weight in agent.policy.critic_parameters())


def test_a_critic_of_its_own_learns_behind_a_fusion(tmp_path: Path) -> None:
    config = TrainConfig(
        env="CartPole-v1",
        agent="reinforce",
        num_worlds=2,
        total_steps=1,
        threads=1,
        device="cpu",
        evaluate_episodes=0,
        run_dir=tmp_path / "run",
        reinforce=ReinforceConfig(games_per_batch=2, baseline="value"),
        policy=PolicyConfig(separate_critic=True),
    )
    assert train(config, Console(quiet=True)).metrics["value_loss"] > 0


def test_a_run_goes_on_with_the_settings_of_today(tmp_path: Path) -> None:
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
def test_state_comes_back(name: Any, tmp_path: Path) -> None:
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


def test_a_simple_game_is_learned() -> None:
    config = replace(POINTS, learning_rate=1e-2, games_per_batch=10)
    agent = agent_on(config, worlds=10, seed=1)
    results = []
    for _ in range(40):
        agent.collect()
        results.append(agent.update()["batch_return"])
    # A paddle of 3 in 5 columns that does not look catches about as much as it misses; 6 is the most.
    assert sum(results[:3]) / 3 < 2
    assert sum(results[-10:]) / 10 > 4


def test_worlds_and_games_must_come_out_even() -> None:
    with pytest.raises(ValueError, match="a multiple of num_worlds, got 10 games for 4 worlds"):
        agent_on(POINTS, worlds=4)
    with pytest.raises(ValueError, match="got 10 games for 20 worlds"):
        agent_on(POINTS, worlds=20)


def test_a_policy_that_remembers_is_refused() -> None:
    envs: VectorEnv[Any, Any, Any] = SyncVectorEnv([Catch] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    sense = Modality("observation", (HEIGHT, WIDTH, 2), 15, DifferenceMLP(5), low=0, high=1, dtype="uint8")
    policy = ActorCritic({"observation": sense}, spaces.Discrete(2), PolicyConfig("gru"))
    with pytest.raises(ValueError, match="a recurrent fusion trains with --agent ppo"):
        Reinforce(envs, policy, POINTS, EpisodeStatistics(), torch.Generator())


def test_there_must_be_games_to_learn_from() -> None:
    with pytest.raises(RuntimeError, match=r"collect\(\) comes before update\(\)"):
        agent_on(POINTS).update()
