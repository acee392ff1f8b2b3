"""Ranks: one process agrees with itself, and several that share the worlds learn what one with all of them does."""

from copy import copy
from dataclasses import replace
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray
from torch import Tensor

from mmrl.modality.foreign import modalities_of
from mmrl.normalization import RunningStatistics, pool_statistics
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo import PPO
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.machine.ranks import ALONE
from tests.ranks_in_threads import ThreadRank, thread_ranks, together

WORLDS, STEPS = 4, 16
# All samples in one minibatch: what is in which one is a matter of chance.
CONFIG = PPOConfig(num_steps=STEPS, minibatch_size=WORLDS * STEPS, epochs=2)
BY_STEP = ("actions", "log_probs", "rewards", "terminated", "truncated", "next_values", "values", "episode_starts")


def worlds(count: int) -> gym.vector.VectorEnv[Any, Any, Any]:
    return gym.make_vec(
        "CartPole-v1", count, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )


def network() -> ActorCritic:
    """The same each time."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return ActorCritic(modalities_of(worlds(1).single_observation_space), gym.spaces.Discrete(2))


def room(policy: ActorCritic, count: int) -> RolloutStorage:
    return RolloutStorage(STEPS, count, policy.senses, gym.spaces.Discrete(2), torch.device("cpu"))


def collected() -> RolloutStorage:
    """A rollout of all worlds."""
    policy = network()
    rollout = Rollout(worlds(WORLDS), policy, room(policy, WORLDS), EpisodeStatistics(), torch.Generator())
    rollout.start(seed=3)
    rollout.collect()
    return rollout.storage


def part_of(storage: RolloutStorage, mine: range) -> RolloutStorage:
    """The share of some worlds."""
    part, here = room(network(), len(mine)), slice(mine.start, mine.stop)
    for name, rows in storage.observations.items():
        part.observations[name].copy_(rows[:, here])
    for name in BY_STEP:
        getattr(part, name).copy_(getattr(storage, name)[:, here])
    return part


def learner(config: PPOConfig) -> PPO:
    return PPO(network(), config, torch.Generator().manual_seed(0))


def updated(storage: RolloutStorage, config: PPOConfig) -> list[tuple[PPO, dict[str, float]]]:
    """Two ranks after an update, each with half the worlds, and the metrics that each has."""
    ranks = thread_ranks(2)
    shares = [(learner(config), part_of(storage, rank.share(WORLDS))) for rank in ranks]

    def work(rank: ThreadRank) -> tuple[PPO, dict[str, float]]:
        ppo, mine = shares[rank.index]
        ppo.ranks = rank
        pool_statistics(ppo.policy.modules(), rank.gather)
        metrics = ppo.update(mine)
        ppo.policy.update_statistics({name: rows[1:].flatten(0, 1) for name, rows in mine.observations.items()})
        return ppo, metrics

    return together(work, ranks)


def updated_alone(storage: RolloutStorage, config: PPOConfig) -> tuple[PPO, dict[str, float]]:
    ppo = learner(config)
    metrics = ppo.update(storage)
    ppo.policy.update_statistics({name: rows[1:].flatten(0, 1) for name, rows in storage.observations.items()})
    return ppo, metrics


def state(policy: ActorCritic) -> dict[str, Tensor]:
    """Weights, gradients, running statistics and the scale of the values."""
    gradients = {f"gradient of {name}": x.grad for name, x in policy.named_parameters() if x.grad is not None}
    return {**policy.state_dict(), **gradients}


def assert_close(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """To rounding: sums over the worlds of two ranks are taken in another order."""
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-5, atol=1e-6, equal_nan=True, msg=name)


@pytest.mark.parametrize("scale", [True, False], ids=["scaled values", "values as they are"])
def test_two_ranks_learn_what_one_with_all_worlds_does(scale: bool) -> None:
    storage, config = collected(), replace(CONFIG, scale_values=scale)
    (first, metrics), (second, also) = updated(storage, config)
    alone, expected = updated_alone(storage, config)
    assert metrics == also
    assert_close(metrics, expected)
    assert_close(state(first.policy), state(alone.policy))
    for name, value in state(first.policy).items():
        assert torch.equal(value, state(second.policy)[name]), name
    assert "gradient of actor.0.weight" in state(alone.policy)
    before = network().state_dict()
    assert not torch.equal(before["actor.0.weight"], first.policy.state_dict()["actor.0.weight"])


def test_one_rank_that_cannot_take_a_step_keeps_all_from_it() -> None:
    storage = collected()
    storage.rewards[0, -1] = torch.nan  # a world of the second rank
    (first, metrics), (second, also) = updated(storage, CONFIG)
    _, expected = updated_alone(storage, CONFIG)
    assert metrics["skipped_updates"] == also["skipped_updates"] == expected["skipped_updates"] == CONFIG.epochs
    untouched = dict(network().named_parameters())
    for policy in (first.policy, second.policy):
        for name, weight in policy.named_parameters():
            assert torch.equal(weight, untouched[name]), name


def test_ranks_end_the_epochs_by_the_distance_that_all_have_moved() -> None:
    storage, ends = collected(), set()
    for limit in (1e-6, 1e-4, 1e-2):
        config = replace(CONFIG, learning_rate=1e-3, epochs=4, target_kl=limit)
        pair, alone = updated(storage, config), updated_alone(storage, config)
        taken = {int(next(iter(ppo.optimizer.state.values()))["step"]) for ppo, _ in (*pair, alone)}
        assert len(taken) == 1
        ends |= taken
    assert len(ends) > 1


def advantages_by_hand(storage: RolloutStorage, gamma: float, lam: float) -> NDArray[np.float64]:
    """GAE (Schulman et al. 2016, eq. 16) from the last step to the first, (T, N), brought to mean 0 and deviation 1."""
    names = ("rewards", "values", "next_values", "terminated", "truncated")
    rewards, values, after, over, cut = (getattr(storage, name).numpy() for name in names)
    found, trace = np.zeros_like(rewards), np.zeros(storage.num_worlds)
    for t in reversed(range(storage.num_steps)):
        error = rewards[t] + gamma * after[t] * (1 - over[t]) - values[t]
        trace = error + gamma * lam * (1 - np.maximum(over[t], cut[t])) * trace
        found[t] = trace
    normalized: NDArray[np.float64] = (found - found.mean()) / (found.std() + 1e-8)
    return normalized


def test_advantages_of_two_ranks_are_those_of_all_worlds_to_twelve_digits() -> None:
    storage = collected()
    for name in ("rewards", "values", "next_values", "terminated", "truncated"):
        setattr(storage, name, getattr(storage, name).double())
    assert 0 < float(storage.terminated.sum()) < STEPS * WORLDS
    shares = [slice(0, 3), slice(3, 4)]

    def work(rank: ThreadRank) -> Tensor:
        own = copy(storage)
        for name in ("rewards", "values", "next_values", "terminated", "truncated"):
            setattr(own, name, getattr(storage, name)[:, shares[rank.index]])
        own.finish(0.99, 0.95, True, ranks=rank)
        return own.advantages

    found = torch.cat(together(work, thread_ranks(2)), dim=1).numpy()
    np.testing.assert_allclose(found, advantages_by_hand(storage, 0.99, 0.95), rtol=1e-12, atol=1e-12)


def agent_of_games(config: ReinforceConfig, count: int) -> Reinforce:
    agent = Reinforce(Games(worlds(count), network(), EpisodeStatistics(), torch.Generator().manual_seed(1)), config)
    agent.start(seed=1)
    return agent


@pytest.mark.parametrize(
    "config",
    [
        ReinforceConfig(games_per_batch=WORLDS, baseline="running_mean", standardize="game"),
        ReinforceConfig(games_per_batch=WORLDS, baseline="none", standardize="batch"),
        ReinforceConfig(games_per_batch=WORLDS, baseline="value", value_epochs=1),
    ],
    ids=lambda config: f"{config.baseline} {config.standardize}",
)
def test_two_ranks_learn_from_games_what_one_with_all_of_them_does(config: ReinforceConfig) -> None:
    alone, ranks = agent_of_games(config, WORLDS), thread_ranks(2)
    alone.collect()
    games = alone.games.finished
    games[0] *= 1 + 2500 // len(games[0])  # so long that the first rank has more parts to learn from than the second
    agents = [agent_of_games(config, WORLDS // 2) for _ in ranks]
    for agent, rank in zip(agents, ranks, strict=True):
        mine = rank.share(WORLDS)
        agent.games.finished = games[mine.start : mine.stop]

    def work(rank: ThreadRank) -> dict[str, float]:
        agents[rank.index].ranks = rank
        pool_statistics(agents[rank.index].policy.modules(), rank.gather)
        return agents[rank.index].update()

    metrics, also = together(work, ranks)
    expected = alone.update()
    assert metrics == also
    assert expected["skipped_updates"] == 0
    if config.baseline == "value":  # its minibatches are a matter of chance
        expected |= {"value_loss": pytest.approx(expected["value_loss"], rel=0.2)}
        metrics, expected = dict(metrics), dict(expected)
        assert metrics.pop("value_loss") == expected.pop("value_loss")
    assert_close(metrics, expected)
    for name, value in state(agents[0].policy).items():
        assert torch.equal(value, state(agents[1].policy)[name]), name
    learned = {name for name in state(alone.policy) if "critic" not in name or config.baseline != "value"}
    assert_close(
        {name: value for name, value in state(agents[0].policy).items() if name in learned},
        {name: value for name, value in state(alone.policy).items() if name in learned},
    )
    assert agents[0].running_mean == pytest.approx(alone.running_mean)


def readings(*sizes: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [3 + 5 * torch.randn(size, 2, generator=generator, dtype=torch.float64) for size in sizes]


@pytest.mark.parametrize("sizes", [(40, 24), (64, 0)], ids=["unequal", "one without any"])
def test_running_statistics_of_two_ranks_are_those_of_all_readings(sizes: tuple[int, int]) -> None:
    batches = [readings(*sizes) for _ in range(3)]

    def work(rank: ThreadRank) -> RunningStatistics:
        own = RunningStatistics(2)
        pool_statistics([own], rank.gather)
        for batch in batches:
            own.update(batch[rank.index])
        return own

    alone = RunningStatistics(2)
    for batch in batches:
        alone.update(torch.cat(batch))
    first, second = together(work, thread_ranks(2))
    for name, value in alone.state_dict().items():
        torch.testing.assert_close(first.state_dict()[name], value, rtol=1e-12, atol=0)
        assert torch.equal(first.state_dict()[name], second.state_dict()[name])


def test_a_reading_that_is_no_number_is_refused_on_all_ranks() -> None:
    batches = readings(8, 8)
    batches[1][3, 0] = torch.nan

    def work(rank: ThreadRank) -> str:
        own = RunningStatistics(2)
        pool_statistics([own], rank.gather)
        with pytest.raises(ValueError, match="need finite readings") as refusal:
            own.update(batches[rank.index])
        assert own.count == 0
        return str(refusal.value)

    assert len(set(together(work, thread_ranks(2)))) == 1


def test_the_first_rank_alone_writes_and_all_hear_of_its_failure() -> None:
    done: list[int] = []

    def work(rank: ThreadRank) -> int:
        def write() -> int:
            done.append(rank.index)
            return 7

        def fail() -> int:
            raise OSError("no room")

        with pytest.raises(OSError, match="no room"):
            rank.on_first(fail)
        return rank.on_first(write)

    assert together(work, thread_ranks(3)) == [7, 7, 7]
    assert done == [0]


def test_one_process_agrees_with_itself() -> None:
    assert (ALONE.index, ALONE.count, ALONE.is_first, ALONE.share(8)) == (0, 1, True, range(8))
    assert (ALONE.any(False), ALONE.any(True)) == (False, True)
    assert ALONE.gather([1, 2]) == [1, 2]
    assert ALONE.agree("all steps done") == "all steps done"
    rows = torch.arange(6.0).view(2, 3)
    for same in (ALONE.join(rows, dim=1), ALONE.sum(rows), ALONE.on_first(lambda: rows)):
        assert torch.equal(same, rows)
