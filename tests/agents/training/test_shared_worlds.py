"""Worlds that two ranks share: what each world meets, what a checkpoint holds of it, what the curriculum hears."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.ppo_agent import PPOAgent
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.trainer import Trainer
from tests.blocks import act_in_blocks
from tests.comparing import assert_same
from tests.ranks_in_threads import ThreadRank, thread_ranks, together

PEG = TrainConfig(
    env="mmrl/PegInsertion-v0",
    num_worlds=4,
    total_steps=10_000,
    sensors=("proprioception", "force_torque"),
    env_kwargs={"max_episode_steps": 5},
    ppo=PPOConfig(num_steps=8, minibatch_size=16, epochs=1),
    curriculum="success_gated",
    vary={"friction": [0.9, 0.2], "hole_yaw_rad": [0, [-1.0, 1.0]]},
    sense_dropout=0.3,
    judge_every=32,
    judge_episodes=4,
    evaluate_episodes=0,
    threads=1,
    device="cpu",
)


@contextmanager
def made(config: TrainConfig, folder: Path, count: int) -> Iterator[list[Trainer]]:
    ranks, runs = thread_ranks(count), [RunFolder.create(folder / f"{count}-{rank}") for rank in range(count)]
    trainers = together(lambda rank: Trainer(config, runs[rank.index], rank), ranks)
    try:
        yield trainers
    finally:
        for trainer in trainers:
            trainer.close()


def all_do(trainers: Sequence[Trainer], *steps: str) -> None:
    """Call these methods of all trainers, each in its thread."""

    def work(rank: ThreadRank) -> None:
        for step in steps:
            getattr(trainers[rank.index], step)()

    together(work, [trainer.ranks for trainer in trainers])  # type: ignore[misc]  # they are of threads


def judged_by(trainers: Sequence[Trainer]) -> list[dict[str, float]]:
    """The figures of the judge of each."""

    def work(rank: ThreadRank) -> dict[str, float]:
        judge = trainers[rank.index].judge
        assert judge is not None
        return judge.metrics()

    return together(work, [trainer.ranks for trainer in trainers])  # type: ignore[misc]  # they are of threads


def storage_of(trainer: Trainer) -> RolloutStorage:
    assert isinstance(trainer.agent, PPOAgent)
    return trainer.agent.rollout.storage


def collected(trainer: Trainer) -> dict[str, torch.Tensor]:
    """All that came of the last rollout, (T or T + 1, N, ...)."""
    storage = storage_of(trainer)
    names = ("actions", "log_probs", "rewards", "truncated", "values", "episode_starts")
    return {**storage.observations, **(storage.present or {}), **{name: vars(storage)[name] for name in names}}


def test_a_world_meets_the_same_whichever_rank_has_it(tmp_path: Path) -> None:
    with made(PEG, tmp_path, 2) as pair, made(PEG, tmp_path, 1) as (alone,):
        assert isinstance(alone.policy, ActorCritic)
        # Threads of one process draw their first weights from one generator.
        pair[0].policy.load_state_dict(alone.policy.state_dict())
        act_in_blocks(alone.policy, [slice(0, 2), slice(2, 4)])
        all_do(pair, "begin")
        all_do([alone], "begin")
        expected = collected(alone)
        for name, rows in expected.items():
            if name == "values":  # those of the critic alone are taken of many rows at once
                continue
            found = torch.cat([collected(trainer)[name] for trainer in pair], dim=1)
            assert torch.equal(found, rows), name
        assert float(expected["truncated"].sum()) > 0
        judged = [judged_by([alone])[0], *judged_by(pair)]
        assert judged[1] == judged[2] == pytest.approx(judged[0], rel=1e-5)
        all_do(pair, "advance")
        all_do([alone], "advance")
        first, second = pair
        assert first.curriculum is not None
        assert second.curriculum is not None
        assert alone.curriculum is not None
        assert_same(first.curriculum.rule.state_dict(), second.curriculum.rule.state_dict())
        assert first.curriculum.rule.state_dict()["drawn"] == alone.curriculum.rule.state_dict()["drawn"]
        assert list(first.statistics.recent) == list(second.statistics.recent)


def test_a_checkpoint_of_two_ranks_goes_on_in_any_number(tmp_path: Path) -> None:
    config = replace(PEG, num_worlds=5)
    with made(config, tmp_path, 2) as pair:
        all_do(pair, "begin", "advance", "save")
        (path,) = pair[0].run.list_checkpoints()
        all_do(pair, "advance")
        undisturbed = [collected(trainer) for trainer in pair]
    saved = load_checkpoint(path)
    assert saved["worlds"]["identity"]["num_envs"] == 5
    for count in (1, 2, 3):
        with made(config, tmp_path / "again", count) as trainers:

            def restore(rank: ThreadRank, trainers: list[Trainer] = trainers) -> str:
                return trainers[rank.index].restore(path, saved)

            reasons = together(restore, [trainer.ranks for trainer in trainers])  # type: ignore[misc]
            assert reasons == [""] * count
            all_do(trainers, "save")
            again = load_checkpoint(trainers[0].run.list_checkpoints()[0])
            assert_same(again, saved, but=["seconds", "made_by"])
            if count == 2:
                all_do(trainers, "advance")
                for mine, theirs in zip([collected(trainer) for trainer in trainers], undisturbed, strict=True):
                    assert_same(mine, theirs)
