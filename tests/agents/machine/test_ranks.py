"""Ranks: one process agrees with itself, and what PPO learns is the same on all of several."""

import threading
from collections.abc import Callable, Sequence
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode
from torch import Tensor, nn

from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo import PPO, PPOConfig
from mmrl_agents.machine.ranks import ALONE, Moments, Ranks

CONFIG = PPOConfig(num_steps=16, minibatch_size=16, epochs=2, scale_values=False)
WORLDS = 4


class Table:
    """A place where threads put down what they have and pick up what all have."""

    def __init__(self, count: int) -> None:
        self.items: list[Any] = [None] * count
        self.barrier = threading.Barrier(count, timeout=30)


class Thread(Ranks):
    """A rank that is a thread of this process."""

    def __init__(self, index: int, table: Table) -> None:
        self.index, self.table = index, table

    def _all(self, item: Any) -> list[Any]:
        self.table.items[self.index] = item
        self.table.barrier.wait()
        items = list(self.table.items)
        self.table.barrier.wait()
        return items

    @property
    def is_first(self) -> bool:
        return self.index == 0

    def first_world(self, num_worlds: int) -> int:
        return self.index * num_worlds

    def moments(self, values: Tensor) -> Moments:
        return ALONE.moments(torch.stack(self._all(values)))

    def average_gradients(self, module: nn.Module) -> None:
        for weight in module.parameters():
            weight.grad = None if weight.grad is None else torch.stack(self._all(weight.grad.clone())).mean(dim=0)

    def any(self, flag: bool) -> bool:
        return any(self._all(flag))

    def agree(self, value: Any) -> Any:
        return self._all(value)[0]

    def gather(self, items: list[Any]) -> list[Any]:
        return [item for share in self._all(items) for item in share]


def together(work: Callable[[Ranks], Any], count: int = 2) -> list[Any]:
    """What each of several ranks comes to."""
    table, results = Table(count), [None] * count

    def run(index: int) -> None:
        results[index] = work(Thread(index, table))

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def collected(ranks: Ranks, seed: int) -> tuple[PPO, RolloutStorage]:
    """The same network everywhere, and experience of one's own."""
    envs = gym.make_vec(
        "CartPole-v1", WORLDS, vectorization_mode="sync", vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP}
    )
    senses, space = modalities_of(envs.single_observation_space), gym.spaces.Discrete(2)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        policy = ActorCritic(senses, space, PolicyConfig())
    storage = RolloutStorage(CONFIG.num_steps, WORLDS, senses, space, torch.device("cpu"))
    rollout = Rollout(envs, policy, storage, EpisodeStatistics(), torch.Generator().manual_seed(seed))
    rollout.start(seed=seed)
    rollout.collect()
    return PPO(policy, CONFIG, torch.Generator().manual_seed(0), ranks), storage


def weights(ppo: PPO) -> Tensor:
    return torch.cat([weight.detach().flatten() for weight in ppo.policy.parameters()])


def updates(broken: Sequence[int] = ()) -> list[tuple[Tensor, float]]:
    """Weights and skipped steps of two ranks after an update; on `broken` ones a reward is no number."""
    shares = [collected(ALONE, seed) for seed in (1, 2)]

    def work(ranks: Ranks) -> tuple[Tensor, float]:
        assert isinstance(ranks, Thread)
        ppo, storage = shares[ranks.index]
        ppo.ranks = ranks
        if ranks.index in broken:
            storage.rewards[0, 0] = torch.nan
        metrics = ppo.update(storage)
        return weights(ppo), metrics["skipped_updates"]

    return together(work)


def test_ranks_with_experience_of_their_own_learn_the_same() -> None:
    (first, skipped), (second, _) = updates()
    assert torch.equal(first, second)
    assert skipped == 0
    before = weights(collected(ALONE, 1)[0])
    alone, storage = collected(ALONE, 1)
    alone.update(storage)
    assert not torch.equal(first, before)
    assert not torch.equal(first, weights(alone))


def test_all_ranks_leave_out_a_step_that_one_cannot_take() -> None:
    (first, skipped), (second, also) = updates(broken=[1])
    assert skipped == also > 0
    assert torch.equal(first, second)


def test_advantages_are_normalised_over_all_ranks() -> None:
    rows = torch.arange(12.0).view(2, 6)
    for moments in together(lambda ranks: ranks.moments(rows[0 if ranks.is_first else 1])):
        assert moments.mean.item() == pytest.approx(5.5)
        assert moments.deviation.item() == pytest.approx(np.arange(12.0).std())


def test_one_process_agrees_with_itself() -> None:
    assert (ALONE.first_world(8), ALONE.is_first, ALONE.any(False), ALONE.any(True)) == (0, True, False, True)
    assert ALONE.gather([1, 2]) == [1, 2]
    assert ALONE.agree("all steps done") == "all steps done"
