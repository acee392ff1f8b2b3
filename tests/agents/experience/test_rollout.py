from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv
from torch import Tensor

from mmrl.inputs import Memory
from mmrl.modality import Modality, Unencoded
from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from tests.toys.coins import COIN_FIGURES, DeclaringWorlds
from tests.toys.dials import ReachedDial
from tests.toys.groups import Groups
from tests.toys.pictures import Shade


def worlds_of(count: int, broken: str) -> SyncVectorEnv:
    worlds = DeclaringWorlds([lambda: ReachedDial(broken)] * count, autoreset_mode=AutoresetMode.SAME_STEP)
    worlds.figures = COIN_FIGURES
    return worlds


def groups_of(count: int, broken: str) -> Groups:
    """The same worlds in two groups, of which the first may have one more."""
    sizes = [(count + 1) // 2, count // 2][: min(count, 2)]
    groups = Groups(*(worlds_of(size, broken) for size in sizes))
    groups.figures = COIN_FIGURES
    return groups


@pytest.fixture(autouse=True, params=[False, True], ids=["at once", "in groups"])
def in_groups(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever holds of a rollout holds with worlds in groups too."""
    if request.param:
        monkeypatch.setitem(globals(), "worlds_of_a_rollout", groups_of)


worlds_of_a_rollout: Callable[[int, str], VectorEnv[Any, Any, Any]] = worlds_of


def make_rollout(
    num_worlds: int = 3, num_steps: int = 16, privileged: bool = False, broken: str = "", fusion: str = "concat"
) -> Rollout:
    return rollout_in(worlds_of_a_rollout(num_worlds, broken), num_steps, 3 if privileged else 0, fusion)


def rollout_in(envs: VectorEnv[Any, Any, Any], num_steps: int, privileged_size: int, fusion: str = "concat") -> Rollout:
    senses = modalities_of(envs.single_observation_space)
    space = envs.single_action_space
    assert isinstance(space, spaces.Box | spaces.Discrete)
    torch.manual_seed(0)
    of_critic = {"privileged": Modality("privileged", (privileged_size,), 20, Unencoded())} if privileged_size else {}
    policy = ActorCritic(senses, space, PolicyConfig(fusion, log_std_init=0.0), of_critic)
    storage = RolloutStorage(num_steps, envs.num_envs, policy.senses, space, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    rollout = Rollout(envs, policy, storage, EpisodeStatistics(), generator)
    rollout.start(seed=7)
    return rollout


def finals(rollout: Rollout) -> list[list[tuple[float, float, int]]]:
    parts = rollout.envs.parts if isinstance(rollout.envs, Groups) else [rollout.envs]
    return [env.unwrapped.final_ones for part in parts for env in part.envs]  # type: ignore[attr-defined]


@pytest.mark.parametrize("privileged", [False, True])
def test_truncated_steps_bootstrap_from_the_true_last_observation(privileged: bool) -> None:
    rollout = make_rollout(privileged=privileged)
    rollout.collect()
    storage = rollout.storage
    checked = 0
    for world, ends in enumerate(finals(rollout)):
        done = (storage.terminated + storage.truncated)[:, world].nonzero().flatten().tolist()
        assert len(done) == len(ends)
        for t, (position, goal, steps) in zip(done, ends, strict=True):
            if storage.terminated[t, world]:
                continue
            with torch.no_grad():
                expected = rollout.policy.value(
                    {
                        "dial": torch.tensor([[position]]),
                        "mark.at": torch.tensor([[goal]]),
                        **({"privileged": torch.tensor([[position, goal, float(steps)]])} if privileged else {}),
                    }
                )
            torch.testing.assert_close(storage.next_values[t, world], expected[0])
            assert storage.next_values[t, world] != storage.values[t + 1, world]
            checked += 1
    assert checked >= 3


def test_running_steps_bootstrap_from_the_next_row() -> None:
    rollout = make_rollout()
    rollout.collect()
    storage = rollout.storage
    running = (storage.terminated + storage.truncated) == 0
    assert torch.equal(storage.next_values[running], storage.values[1:][running])
    with torch.no_grad():
        here = {name: rows[4] for name, rows in storage.observations.items()}
        torch.testing.assert_close(storage.values[4], rollout.policy.value(here))


def test_rollouts_join_without_a_gap() -> None:
    rollout = make_rollout()
    rollout.collect()
    after = {name: rows[-1].clone() for name, rows in rollout.storage.observations.items()}
    rollout.collect()
    for name, rows in rollout.storage.observations.items():
        assert torch.equal(rows[0], after[name])


def test_actions_are_stored_as_drawn_and_sent_within_bounds() -> None:
    rollout = make_rollout(num_worlds=8)
    rollout.collect()
    # a dial asserts the bounds; with a standard deviation of 1 a third of the draws lie outside
    assert (rollout.storage.actions.abs() > 1).any()
    here = {name: rows[3] for name, rows in rollout.storage.observations.items()}
    log_prob = rollout.policy.distribution(here).log_prob(rollout.storage.actions[3])
    torch.testing.assert_close(log_prob.detach(), rollout.storage.log_probs[3])


def test_minibatches_hold_every_sample_once_and_keep_it_together() -> None:
    rollout = make_rollout(num_worlds=3, num_steps=5, privileged=True)
    rollout.collect()
    storage = rollout.storage
    numbers = torch.arange(15.0).view(5, 3)
    storage.observations["dial"][:5, :, 0] = numbers
    storage.observations["privileged"][:5, :, 0] = numbers
    storage.actions[:, :, 0] = numbers
    for rows in (storage.log_probs, storage.returns, storage.advantages, storage.values[:5]):
        rows.copy_(numbers)
    sizes, seen = [], []
    for batch in storage.minibatches(4, torch.Generator().manual_seed(0)):
        index = batch.log_probs
        sizes.append(len(index))
        seen += index.tolist()
        for other in (
            batch.observations["dial"][:, 0],
            batch.observations["privileged"][:, 0],
            batch.actions[:, 0],
            batch.returns,
            batch.advantages,
            batch.values,
        ):
            assert torch.equal(other, index)
    assert sizes == [4, 4, 4, 3]
    assert sorted(seen) == list(range(15))


def world_by_world(rollout: Rollout) -> Iterator[tuple[int, int, Memory, dict[str, Tensor]]]:
    """Every step t of every world: what is remembered of its episode, carried along by hand, and what is seen."""
    storage, zeros = rollout.storage, torch.zeros(1, rollout.policy.state_size)
    no, yes = torch.zeros(1, 1, dtype=torch.bool), torch.ones(1, 1, dtype=torch.bool)
    done = (storage.terminated + storage.truncated).bool()
    for world in range(storage.num_worlds):
        memory = Memory(zeros, yes)
        for t in range(storage.num_steps + 1):
            here = {name: rows[t, world : world + 1] for name, rows in storage.observations.items()}
            yield t, world, memory, here
            state = rollout.policy.step(here, memory).state
            assert state is not None
            fresh = t < storage.num_steps and bool(done[t, world])
            memory = Memory(state, yes if fresh else no)


@pytest.mark.parametrize("fusion", ["lstm", "mvlstm"])
def test_a_recurrent_policy_remembers_its_episode_and_nothing_else(fusion: str) -> None:
    rollout = make_rollout(fusion=fusion)
    rollout.collect()
    storage = rollout.storage
    assert (storage.terminated + storage.truncated).any(dim=0).all()
    with torch.no_grad():
        for t, world, memory, here in world_by_world(rollout):
            value = rollout.policy.value(here, memory=memory)
            torch.testing.assert_close(storage.values[t, world], value[0])
            if t < storage.num_steps:
                log_prob = rollout.policy.distribution(here, memory=memory).log_prob(storage.actions[t, world])
                torch.testing.assert_close(storage.log_probs[t, world], log_prob[0])


def test_truncated_steps_of_a_recurrent_policy_bootstrap_with_what_it_remembered() -> None:
    rollout = make_rollout(fusion="gru")
    rollout.collect()
    storage, checked = rollout.storage, 0
    ends = [iter(world) for world in finals(rollout)]
    with torch.no_grad():
        for t, world, memory, here in world_by_world(rollout):
            if t == storage.num_steps or not storage.terminated[t, world] + storage.truncated[t, world]:
                continue
            position, goal, _ = next(ends[world])
            state = rollout.policy.step(here, memory).state
            assert state is not None
            last = {"dial": torch.tensor([[position]]), "mark.at": torch.tensor([[goal]])}
            value = rollout.policy.value(last, memory=Memory(state, torch.zeros(1, 1, dtype=torch.bool)))
            if storage.truncated[t, world] and not storage.terminated[t, world]:
                torch.testing.assert_close(storage.next_values[t, world], value[0])
                checked += 1
    assert checked >= 3


def test_memories_join_without_a_gap_and_a_new_start_forgets_them() -> None:
    rollout = make_rollout(num_steps=3, fusion="lstm")  # shorter than an episode
    rollout.collect()
    states = rollout.storage.states
    assert states is not None
    left, starts = states[-1].clone(), rollout.storage.episode_starts[-1].clone()
    assert (left != 0).any()
    rollout.collect()
    assert torch.equal(states[0], left)
    assert torch.equal(rollout.storage.episode_starts[0], starts)
    rollout.start(seed=7)
    rollout.collect()
    assert rollout.storage.episode_starts[0].all()


@pytest.mark.parametrize(("size", "sequences"), [(12, [2, 2, 1]), (5, [1] * 5), (1, [1] * 5), (99, [5])])
def test_minibatches_of_a_recurrent_policy_are_whole_sequences(size: int, sequences: list[int]) -> None:
    rollout = make_rollout(num_worlds=5, num_steps=6, fusion="gru")
    rollout.collect()
    storage = rollout.storage
    assert storage.states is not None
    numbers = torch.arange(30.0).view(6, 5)
    storage.observations["dial"][:6, :, 0] = numbers
    storage.log_probs.copy_(numbers)
    seen, sizes = [], []
    for batch in storage.minibatches(size, torch.Generator().manual_seed(0)):
        assert batch.memory is not None
        index = batch.log_probs.view(6, -1).long()  # (T, worlds), step by step
        worlds = index[0]
        sizes.append(len(worlds))
        seen += worlds.tolist()
        assert torch.equal(index, torch.arange(6).unsqueeze(1) * 5 + worlds)
        assert torch.equal(batch.observations["dial"][:, 0], batch.log_probs)
        assert torch.equal(batch.memory.state, storage.states[0, worlds])
        assert torch.equal(batch.memory.episode_start, storage.episode_starts[:-1, worlds])
    assert sizes == sequences
    assert sorted(seen) == list(range(5))
    assert seen != list(range(5))


def test_normalised_advantages_have_no_mean_and_unit_deviation() -> None:
    rollout = make_rollout()
    rollout.collect()
    rollout.storage.finish(0.99, 0.95, normalize=True)
    assert rollout.storage.advantages.mean().item() == pytest.approx(0, abs=1e-6)
    assert rollout.storage.advantages.std(correction=0).item() == pytest.approx(1, abs=1e-5)


def test_finished_episodes_are_counted_with_their_success() -> None:
    rollout = make_rollout(num_worlds=4, num_steps=40)
    rollout.collect()
    ends = [final for world in finals(rollout) for final in world]
    metrics = rollout.statistics.metrics()
    successes = [abs(position - goal) < 0.1 for position, goal, _ in ends]
    assert metrics["episodes"] == len(ends)
    assert metrics["success_rate"] == pytest.approx(np.mean(successes))
    assert metrics["mean_length"] == pytest.approx(np.mean([steps for *_, steps in ends]))
    assert 0 < metrics["success_rate"] < 1
    assert metrics["swing_mm"] == pytest.approx(np.mean([1.5 * steps for *_, steps in ends]))
    assert "luck" not in metrics  # which is declared, and never reported


def test_returns_of_episodes_are_sums_of_their_rewards() -> None:
    rollout = make_rollout(num_worlds=1, num_steps=40)
    rollout.collect()
    storage = rollout.storage
    done = (storage.terminated + storage.truncated)[:, 0].nonzero().flatten() + 1
    parts = torch.tensor_split(storage.rewards[:, 0], done)[:-1]
    totals = [episode.total_reward for episode in rollout.statistics.recent]
    assert totals == pytest.approx([float(part.sum()) for part in parts], rel=1e-5)


def test_an_episode_begun_in_the_middle_is_not_counted() -> None:
    rollout = make_rollout(num_worlds=2)
    # Gymnasium's SyncVectorEnv hands unknown options to the environments, where a dial ignores them
    rollout.start(seed=7, options={"elapsed_steps": np.array([0, 3])})
    rollout.collect()
    ended = sum(len(world) for world in finals(rollout))
    assert rollout.statistics.count == ended - 1


def test_bad_numbers_are_named() -> None:
    with pytest.raises(ValueError, match="reward of world 0 is nan"):
        make_rollout(broken="reward").collect()
    with pytest.raises(ValueError, match=r"observation 'dial' has .* not finite"):
        make_rollout(broken="dial").collect()


def test_images_stay_bytes_and_discrete_actions_whole() -> None:
    envs = SyncVectorEnv([Shade] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    rollout = rollout_in(envs, num_steps=4, privileged_size=0)
    rollout.collect()
    images = rollout.storage.observations["observation"]
    assert images.dtype == torch.uint8
    assert images.shape == (5, 2, 36, 36, 3)
    assert rollout.storage.actions.dtype == torch.int64
    assert torch.equal(images[1:, :, 0, 0, 0].long(), 7 * rollout.storage.actions)
