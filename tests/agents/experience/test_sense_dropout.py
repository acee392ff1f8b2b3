"""Training with senses unplugged: who loses what for how long, and that learning sees the same."""

import io
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.sense_dropout import SenseDropout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo import ppo_loss
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce import reinforce_loss
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from tests.toys.dials import ClickingDial

ENV_ID = "test-dropout/ClickingDial-v0"


def make(worlds: int, fusion: str = "concat") -> tuple[Any, dict[str, Any], ActorCritic, SenseDropout]:
    envs = SyncVectorEnv([ClickingDial] * worlds, autoreset_mode=AutoresetMode.SAME_STEP)
    senses = modalities_of(envs.single_observation_space)
    torch.manual_seed(0)
    policy = ActorCritic(senses, ClickingDial.action_space, PolicyConfig(fusion, fused_features=8))
    for name, weights in policy.named_parameters():
        if "absent" in name:  # learned from zero: something to be told apart from a reading
            torch.nn.init.normal_(weights)
        if name.startswith("head"):  # near zero at first, as if nothing seen mattered
            weights.data *= 100
    return envs, senses, policy, SenseDropout(tuple(senses), worlds, 0.5, seed=3)


def rollout_of(worlds: int = 4, steps: int = 24, fusion: str = "concat", dropping: bool = True) -> Rollout:
    envs, senses, policy, dropout = make(worlds, fusion)
    storage = RolloutStorage(steps, worlds, senses, ClickingDial.action_space, torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    rollout = Rollout(envs, policy, storage, EpisodeStatistics(), generator, dropout if dropping else None)
    rollout.start(seed=5)
    return rollout


def masks(storage: RolloutStorage) -> torch.Tensor:
    """(T + 1, N, S)"""
    assert storage.present is not None
    return torch.stack(list(storage.present.values()), dim=-1)


@given(p=st.floats(0.05, 1), senses=st.integers(2, 4), seed=st.integers(0, 99))
def test_shares_of_absence_are_as_stated_and_never_are_all_absent(p: float, senses: int, seed: int) -> None:
    worlds, episodes = 100, 20
    dropout = SenseDropout("abcd"[:senses], worlds, p, seed)
    assert dropout.present.all()
    absent = np.zeros(senses)
    for _ in range(episodes):
        dropout.begin(np.arange(worlds))
        assert dropout.present.any(axis=1).all()
        absent += (~dropout.present).sum(axis=0)
    expected = p - p**senses / senses
    # Of 2,000 draws: six standard deviations, at most 6 sqrt(0.25 / 2000) = 6.7 %.
    assert np.abs(absent / (worlds * episodes) - expected).max() < 6 * np.sqrt(expected * (1 - expected) / 2000) + 1e-9


def test_senses_have_shares_of_their_own() -> None:
    dropout = SenseDropout("abc", 1000, {"a": 0.5, "c": 0.1}, seed=0)
    dropout.begin(np.arange(1000))
    absent = (~dropout.present).mean(axis=0)
    assert absent[1] == 0
    # Five standard deviations of 1,000 draws.
    assert absent[0] == pytest.approx(0.5, abs=0.08)
    assert absent[2] == pytest.approx(0.1, abs=0.05)
    config = TrainConfig("a", sense_dropout=0.2, sense_dropout_of={"a": 0.5, "c": 0})
    assert config.dropped_senses("abc") == {"a": 0.5, "b": 0.2}
    assert TrainConfig("a", sense_dropout_of={"c": 0}).dropped_senses("abc") == {}


def test_what_a_world_loses_depends_on_the_seed_and_the_world_alone() -> None:
    few, many = SenseDropout("abc", 2, 0.5, seed=1), SenseDropout("abc", 5, 0.5, seed=1)
    for worlds in ([0, 1], [1], [0, 1], [0]):
        few.begin(np.array(worlds))
        many.begin(np.array([*worlds, 4]))
        assert np.array_equal(few.present, many.present[:2])
    again = SenseDropout("abc", 2, 0.5, seed=9)
    again.load_state_dict(few.state_dict())
    for dropout in (few, again):
        dropout.begin(np.arange(2))
    assert np.array_equal(few.present, again.present)


def test_senses_stay_away_for_whole_episodes_across_rollouts() -> None:
    rollout = rollout_of()
    before, changes, episodes = None, 0, 0
    for _ in range(3):
        rollout.collect()
        present, starts = masks(rollout.storage), rollout.storage.episode_starts
        assert present.any(dim=-1).all()
        if before is not None:
            assert torch.equal(present[0], before)
        before = present[-1].clone()
        changed = (present[1:] != present[:-1]).any(dim=-1)
        assert not changed[~starts[1:]].any()
        changes, episodes = changes + int(changed.sum()), episodes + int(starts[1:].sum())
    assert changes > 0.5 * episodes > 10  # 7 of 8 subsets are drawn, so that few follow themselves


@pytest.mark.parametrize("fusion", ["concat", "poe", "transformer", "lstm", "mfn"])
def test_learning_sees_what_acting_saw(fusion: str) -> None:
    """Before the first gradient step every probability ratio is 1, and the values are those of acting."""
    rollout = rollout_of(fusion=fusion)
    rollout.collect()
    rollout.collect()  # begins within episodes, with senses already gone
    storage = rollout.storage
    storage.finish(0.99, 0.95, normalize=True)
    rows = 0
    for batch in storage.minibatches(24, torch.Generator().manual_seed(0)):
        now = rollout.policy.evaluate_actions(
            batch.observations, batch.actions, present=batch.present, memory=batch.memory
        )
        torch.testing.assert_close(now.log_prob, batch.log_probs, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(now.value, batch.values, rtol=1e-4, atol=1e-4)
        assert ppo_loss(rollout.policy, batch, PPOConfig()).kl < 1e-8
        unaware = rollout.policy.evaluate_actions(batch.observations, batch.actions, memory=batch.memory)
        assert (unaware.log_prob - batch.log_probs).abs().max() > 1e-2
        rows += len(batch.actions)
    assert rows == 4 * 24


def test_the_value_at_an_end_is_that_of_the_senses_of_the_episode_that_ended() -> None:
    rollout = rollout_of()
    seen: list[tuple[int, int, Any]] = []
    step = rollout.envs.step

    def spying(actions: Any) -> Any:
        result = step(actions)
        for world in np.flatnonzero(result[3]):
            seen.append((len(times), int(world), result[4]["final_obs"][world]))
        times.append(0)
        return result

    times: list[int] = []
    rollout.envs.step = spying  # type: ignore[method-assign]  # a spy
    rollout.collect()
    storage, told_apart = rollout.storage, 0
    for t, world, last in seen:
        obs = {name: torch.from_numpy(reading)[None] for name, reading in last.items()}
        present = storage.presence((t, slice(world, world + 1)))
        after = storage.presence((t + 1, slice(world, world + 1)))
        with torch.no_grad():
            expected, other = (rollout.policy.value(obs, present=mask) for mask in (present, after))
        torch.testing.assert_close(storage.next_values[t, world], expected[0])
        told_apart += not torch.isclose(expected, other).item()
    assert told_apart > 5


def test_absent_readings_teach_the_statistics_nothing() -> None:
    rollout = rollout_of()
    rollout.collect()
    rollout.learn_statistics()
    present, clock = masks(rollout.storage)[1:], rollout.storage.observations["clock"][1:]
    (index,) = (i for i, name in enumerate(rollout.storage.observations) if name == "clock")
    statistics = rollout.policy.perception.encoders["/clock"].state_dict()
    mean = next(value for name, value in statistics.items() if name.endswith("mean"))
    torch.testing.assert_close(mean, clock[present[..., index]].double().mean(dim=0))


def test_without_dropout_nothing_is_stored_and_nothing_changes() -> None:
    plain = rollout_of(dropping=False)
    plain.collect()
    assert plain.storage.present is None
    assert next(plain.storage.minibatches(8, torch.Generator().manual_seed(0))).present is None
    always, never = rollout_of(), rollout_of(dropping=False)
    assert always.dropout is not None
    always.dropout = SenseDropout(always.dropout.senses, 4, {}, seed=3)  # drawn, but nothing is ever gone
    for rollout in (always, never):
        rollout.start(seed=5)
        rollout.collect()
    assert torch.equal(always.storage.actions, never.storage.actions)
    assert torch.equal(always.storage.values, never.storage.values)


def test_games_lose_senses_as_a_whole_and_are_learned_from_as_they_were_played() -> None:
    envs, _, policy, dropout = make(2)
    games = Games(envs, policy, EpisodeStatistics(), torch.Generator().manual_seed(0), dropout)
    games.start(seed=0)
    games.play(12)
    played = []
    for game in games.finished:
        present = np.array([step.present for step in game])
        assert (present == present[0]).all()
        assert present.any(axis=1).all()
        played.append(tuple(present[0]))
    assert len(set(played)) > 3
    (_, samples), *rest = games.samples(1000)
    assert not rest
    assert samples.present is not None
    assert torch.stack(list(samples.present.values()), 1).tolist() == [
        list(present) for present, game in zip(played, games.finished, strict=True) for _ in game
    ]
    ones = torch.ones(len(games))
    loss = reinforce_loss(policy, samples, ones, ReinforceConfig(games_per_batch=12))
    loss.total.backward()  # type: ignore[no-untyped-call]  # torch leaves it unannotated
    absent = dict(policy.named_parameters())["perception.fusion.absent"].grad
    assert absent is not None
    assert absent.abs().sum() > 0  # the learned vectors of absent senses are trained


LEARNERS: dict[str, TrainConfig] = {
    "ppo": TrainConfig(env=ENV_ID, ppo=PPOConfig(num_steps=8, minibatch_size=8, epochs=1, anneal=False)),
    "reinforce": TrainConfig(env=ENV_ID, agent="reinforce", reinforce=ReinforceConfig(games_per_batch=4)),
}


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_run_goes_on_with_the_senses_it_had(learner: str, tmp_path: Path) -> None:
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=ClickingDial)
    base = replace(
        LEARNERS[learner], num_worlds=2, threads=1, device="cpu", evaluate_episodes=0, sense_dropout=0.4, seed=2
    )
    silent = Console(file=io.StringIO())
    train(replace(base, total_steps=96, run_dir=tmp_path / "whole"), silent)
    train(replace(base, total_steps=40, run_dir=tmp_path / "run"), silent)
    text = io.StringIO()
    train(replace(base, total_steps=96, resume=tmp_path / "run"), Console(file=text))
    assert "new episodes begin" not in text.getvalue()
    states = [RunFolder(tmp_path / name).load("last")[1] for name in ("whole", "run")]
    under_way = [state["under_way"]["rollout"] if learner == "ppo" else state["under_way"] for state in states]
    assert torch.equal(under_way[0]["dropout"]["present"], under_way[1]["dropout"]["present"])
    assert under_way[0]["dropout"]["streams"] == under_way[1]["dropout"]["streams"]
    assert all(torch.equal(states[0]["policy"][name], states[1]["policy"][name]) for name in states[0]["policy"])


def test_what_cannot_be_dropped_is_refused() -> None:
    with pytest.raises(ValueError, match=r"sense_dropout must be a number in \[0, 1\], got 1.5"):
        TrainConfig(env="CartPole-v1", sense_dropout=1.5)
    for share in (-0.1, "half", True):
        with pytest.raises(ValueError, match=rf"sense_dropout_of eye must be a number in \[0, 1\], got {share!r}"):
            TrainConfig(env="CartPole-v1", sense_dropout_of={"eye": share})
    with pytest.raises(ValueError, match=r"sense_dropout_of\.eye must be finite, got nan"):
        TrainConfig(env="CartPole-v1", sense_dropout_of={"eye": float("nan")})
    with pytest.raises(ValueError, match="needs two senses or more, of which one stays; there is observation"):
        train(TrainConfig(env="CartPole-v1", sense_dropout=0.5, device="cpu"), Console(file=io.StringIO()))
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=ClickingDial)
    with pytest.raises(ValueError, match="sense_dropout_of eye: the senses are clock, dial, mark"):
        train(TrainConfig(env=ENV_ID, sense_dropout_of={"eye": 0.5}, device="cpu"), Console(file=io.StringIO()))
    with pytest.raises(ValueError, match="sb3-ppo always trains with all senses, so sense_dropout must be 0"):
        train(TrainConfig(env=ENV_ID, agent="sb3-ppo", sense_dropout=0.5, device="cpu"), Console(file=io.StringIO()))
