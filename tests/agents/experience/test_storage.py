"""A rollout in memory: what is in a minibatch, in which order, and what is refused."""

import math
from itertools import chain

import pytest
import torch
from gymnasium import spaces

from mmrl.modality import MLP, ImageConv, Modality, Unencoded
from mmrl_agents.experience.storage import Minibatch, RolloutStorage

STEPS, WORLDS = 5, 4
SENSES = {
    "tip": Modality("tip", (2,), 20.0, MLP()),
    "eye": Modality("eye", (36, 36, 3), 20.0, ImageConv(), dtype="uint8"),
    "privileged": Modality("privileged", (1,), 20.0, Unencoded()),
}


def storage_of(num_worlds: int = WORLDS, num_steps: int = STEPS) -> RolloutStorage:
    space = spaces.Box(-1, 1, (2,))
    return RolloutStorage(num_steps, num_worlds, SENSES, space, torch.device("cpu"))


def numbered() -> RolloutStorage:
    """Sample number t * N + world stands in every tensor, in the row after the rollout too."""
    storage = storage_of()
    numbers = torch.arange((STEPS + 1) * WORLDS, dtype=torch.float32).view(STEPS + 1, WORLDS)
    storage.observations["tip"][:] = numbers.unsqueeze(2)
    storage.observations["eye"][:] = numbers.to(torch.uint8).view(STEPS + 1, WORLDS, 1, 1, 1)
    storage.observations["privileged"][:] = numbers.unsqueeze(2)
    storage.values[:] = numbers
    storage.actions[:] = numbers[:-1].unsqueeze(2)
    for rows in (storage.log_probs, storage.advantages, storage.returns):
        rows[:] = numbers[:-1]
    return storage


def samples_in(batch: Minibatch) -> list[float]:
    """The numbers of the samples, which are the same in all parts of the minibatch."""
    numbers: list[float] = batch.log_probs.tolist()
    privileged = batch.observations["privileged"][:, 0]
    for part in (batch.values, batch.advantages, batch.returns, privileged, batch.actions[:, 1]):
        assert part.tolist() == numbers
    assert batch.observations["tip"][:, 1].tolist() == batch.observations["eye"][:, 3, 2, 1].tolist() == numbers
    return numbers


def test_every_sample_comes_once_with_all_its_parts_and_the_remainder_last() -> None:
    batches = list(numbered().minibatches(8, torch.Generator().manual_seed(0)))
    numbers = [samples_in(batch) for batch in batches]
    assert [len(some) for some in numbers] == [8, 8, 4]
    order = list(chain.from_iterable(numbers))
    assert sorted(order) == list(range(STEPS * WORLDS))
    assert order != sorted(order)
    assert all(batch.memory is batch.present is None for batch in batches)


def test_samples_know_their_episodes_and_what_follows() -> None:
    storage = numbered()
    storage.episode_starts[2, 1] = storage.episode_starts[5, 3] = True  # the rollout ends where world 3 begins anew
    for batch in storage.minibatches(6, torch.Generator().manual_seed(0)):
        assert batch.timeline is not None
        numbers = torch.tensor(samples_in(batch)).long()
        step, world = numbers // WORLDS, numbers % WORLDS
        assert torch.equal(batch.timeline.times, step)
        episode = world + WORLDS * ((world == 1) & (step >= 2))  # world 1 has two
        same = batch.timeline.episodes.unsqueeze(0) == batch.timeline.episodes.unsqueeze(1)
        assert torch.equal(same, episode.unsqueeze(0) == episode.unsqueeze(1))
        readings, there = batch.timeline.following(["tip"])
        assert torch.equal(readings["tip"][:, 0], numbers + WORLDS)
        ends = ((world == 1) & (step == 1)) | ((world == 3) & (step == 4))
        assert torch.equal(there, ~ends)


def test_the_order_is_that_of_the_generator() -> None:
    storage = numbered()
    one, same, other = (
        [samples_in(batch) for batch in storage.minibatches(20, torch.Generator().manual_seed(seed))]
        for seed in (1, 1, 2)
    )
    assert one == same
    assert one != other


def test_images_stay_bytes() -> None:
    storage = storage_of()
    assert storage.observations["eye"].shape == (STEPS + 1, WORLDS, 36, 36, 3)
    assert storage.observations["eye"].dtype == torch.uint8
    (batch,) = storage.minibatches(STEPS * WORLDS, torch.Generator())
    assert batch.observations["eye"].dtype == torch.uint8


def test_what_remembers_learns_from_whole_sequences_step_by_step() -> None:
    storage = numbered()
    storage.remember(3)
    assert storage.states is not None
    storage.states[:] = storage.values.unsqueeze(2)
    storage.episode_starts[2, 1] = True
    # 12 samples hold two sequences of 5 steps, so the four worlds make two minibatches.
    batches = list(storage.minibatches(12, torch.Generator().manual_seed(0)))
    assert [len(batch.log_probs) for batch in batches] == [10, 10]
    seen: list[int] = []
    for batch in batches:
        rows = torch.tensor(samples_in(batch)).view(STEPS, 2)
        worlds = [int(number) for number in rows[0]]
        assert rows.tolist() == [[step * WORLDS + world for world in worlds] for step in range(STEPS)]
        assert batch.memory is not None
        assert batch.memory.state[:, 0].tolist() == worlds  # as the policy began the rollout
        assert batch.memory.episode_start.nonzero().tolist() == ([[2, worlds.index(1)]] if 1 in worlds else [])
        seen += worlds
    assert sorted(seen) == list(range(WORLDS))
    assert len(list(storage.minibatches(1, torch.Generator()))) == WORLDS  # at least one sequence each


def test_a_policy_without_memory_is_given_none() -> None:
    storage = storage_of()
    storage.remember(0)
    assert storage.states is None
    assert storage.memory(0) is None
    storage.remember(2)
    memory = storage.memory(1, slice(1, 3))
    assert memory is not None
    assert (memory.state.shape, memory.episode_start.shape) == ((2, 2), (1, 2))


def test_dropped_senses_stand_with_the_samples() -> None:
    storage = numbered()
    assert storage.presence(0) is None
    storage.drop_senses(("tip", "eye"))
    assert storage.present is not None
    storage.present["eye"][:, 2] = False  # world 2 has no eye
    for batch in storage.minibatches(7, torch.Generator().manual_seed(0)):
        assert batch.present is not None
        assert batch.present["tip"].all()
        assert batch.present["eye"].tolist() == [number % WORLDS != 2 for number in samples_in(batch)]


def test_advantages_are_normalised_if_asked() -> None:
    storage = storage_of()
    storage.rewards[:] = torch.rand(STEPS, WORLDS, generator=torch.Generator().manual_seed(0))
    storage.finish(0.9, 0.8, normalize=False)
    plain = storage.advantages
    storage.finish(0.9, 0.8, normalize=True)
    assert storage.advantages.mean().item() == pytest.approx(0.0, abs=1e-6)
    assert storage.advantages.std(correction=0).item() == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(storage.advantages, (plain - plain.mean()) / plain.std(correction=0))


def test_a_reward_may_end_what_is_counted() -> None:
    storage = storage_of(num_worlds=1, num_steps=3)
    storage.rewards[:, 0] = torch.tensor([0.0, 1.0, 4.0])
    # with gamma and lambda of 1 and no values the return is the sum of the rewards to come
    storage.finish(1.0, 1.0, normalize=False)
    assert storage.returns[:, 0].tolist() == [5.0, 5.0, 4.0]
    storage.finish(1.0, 1.0, normalize=False, cut_at_rewards=True)
    assert storage.returns[:, 0].tolist() == [1.0, 1.0, 4.0]
    assert not storage.terminated.any()


def test_a_number_that_is_none_is_named_with_its_sense() -> None:
    storage = storage_of()
    storage.require_finite()
    storage.observations["tip"][1, 2] = math.nan
    with pytest.raises(ValueError, match=r"observation 'tip' has 2 values that are not finite"):
        storage.require_finite()
    storage = storage_of()
    storage.observations["privileged"][0, 0] = math.inf
    with pytest.raises(ValueError, match="observation 'privileged' has 1 values that are not finite"):
        storage.require_finite()


def test_a_rollout_larger_than_the_memory_says_how_many_worlds_fit() -> None:
    with pytest.raises(ValueError, match=r"1,000,000,000 steps of 4 worlds takes .* GiB.*at most 0 worlds fit"):
        storage_of(num_steps=1_000_000_000)
