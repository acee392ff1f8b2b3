"""The baselines that REINFORCE subtracts from returns, and the critic that learns one."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console

from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.returns import discounted_returns
from mmrl_agents.learning.reinforce import Reinforce, running_mean
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train

torch.set_num_threads(1)

MakeAgent = Callable[..., Reinforce]
POINTS = ReinforceConfig(reset_returns_at_points=True)


def judged(
    agent_on: MakeAgent, config: ReinforceConfig, monkeypatch: pytest.MonkeyPatch, separate_critic: bool = False
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


def test_advantages_are_standardised_in_the_batch_in_the_game_or_not(
    agent_on: MakeAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in ("batch", "game", "none"):
        agent, caught = judged(agent_on, replace(POINTS, games_per_batch=4, standardize=kind), monkeypatch)
        agent.collect()
        agent.update()
        returns = returns_of(agent)
        parts = returns.split(agent.games.lengths.tolist()) if kind == "game" else (returns,)
        scale = 0 if kind == "none" else 1
        expected = torch.cat([(x - scale * x.mean()) / x.std(correction=0) ** scale for x in parts])
        torch.testing.assert_close(caught[0], expected)


def test_a_return_that_is_not_finite_does_not_stay_in_the_running_mean(agent_on: MakeAgent) -> None:
    agent = agent_on(replace(POINTS, baseline="running_mean"))
    for bad in (math.nan, math.inf):
        running_mean(agent, torch.tensor([bad, 1.0]))
        assert running_mean(agent, torch.tensor([2.0, 4.0])).tolist() == [3.0, 3.0]


def test_running_mean_is_that_of_earlier_batches(agent_on: MakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(POINTS, games_per_batch=4, baseline="running_mean", baseline_decay=0.75, standardize="none")
    agent, caught = judged(agent_on, config, monkeypatch)
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


def test_a_baseline_takes_the_place_of_the_mean(agent_on: MakeAgent, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(POINTS, games_per_batch=4, baseline="running_mean")
    agent, caught = judged(agent_on, config, monkeypatch)
    agent.running_mean = -0.5
    agent.collect()
    agent.update()
    returns = returns_of(agent)
    torch.testing.assert_close(caught[0], (returns + 0.5) / returns.std(correction=0))


@pytest.mark.parametrize("separate", [False, True])
def test_the_critic_is_a_baseline_and_learns_by_itself(
    agent_on: MakeAgent, separate: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = replace(POINTS, baseline="value", standardize="none", learning_rate=1e-12, games_per_batch=4)
    agent, caught = judged(agent_on, config, monkeypatch, separate_critic=separate)
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
    assert any(name.startswith("critic_perception") for name in own) == separate
    # A step of the critic leaves no gradient to the next one of the policy.
    monkeypatch.setattr(agent, "_learn_values", lambda returns: 0.0)
    agent.update()
    moved = {name for name, x in agent.policy.named_parameters() if x.grad is not None}
    assert {name.partition(".")[0] for name in moved} == {"perception", "head"}


def test_the_critic_comes_to_know_the_returns_it_is_shown(agent_on: MakeAgent) -> None:
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


def test_more_passes_teach_the_critic_more(agent_on: MakeAgent) -> None:
    config = replace(POINTS, baseline="value", value_learning_rate=1e-2, games_per_batch=4)
    once, often = (agent_on(replace(config, value_epochs=epochs), separate_critic=True) for epochs in (1, 20))
    for agent in (once, often):
        agent.collect()
    assert often.update()["value_loss"] < once.update()["value_loss"]


def test_a_critic_whose_gradient_is_no_number_keeps_its_weights_and_is_counted(agent_on: MakeAgent) -> None:
    """Its first step is so long that the squared errors of the second pass are no numbers of 32 bits."""
    agent = agent_on(replace(POINTS, games_per_batch=2, baseline="value", value_learning_rate=1e30, value_epochs=2))
    agent.collect()
    metrics = agent.update()
    assert metrics["skipped_updates"] == 1
    assert math.isnan(metrics["value_loss"])
    assert agent.last_error == "the loss of the critic or its gradient"
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
