"""Ranks that share the worlds of one training: they stay the same, count together, and the first keeps the records."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.records.files import parse_line
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.trainer import Trainer
from tests.comparing import assert_same
from tests.ranks_in_threads import ThreadRank, thread_ranks, together

POLE = TrainConfig(
    env="CartPole-v1",
    num_worlds=4,
    total_steps=10_000,
    ppo=PPOConfig(num_steps=32, minibatch_size=32, epochs=1),
    device="cpu",
    threads=1,
)
GAMES = replace(POLE, agent="reinforce", reinforce=ReinforceConfig(games_per_batch=8))
TIMES = {"steps_per_second", "collect_seconds", "update_seconds", "wall_time_s"}


def trainers(config: TrainConfig, folder: Path) -> list[Trainer]:
    """One for each of two ranks."""
    ranks, runs = thread_ranks(2), [RunFolder.create(folder / str(number)) for number in range(2)]
    return together(lambda rank: Trainer(config, runs[rank.index], rank), ranks)


def trained(pair: list[Trainer], updates: int = 2) -> None:
    def work(rank: ThreadRank) -> None:
        mine = pair[rank.index]
        mine.begin()
        for _ in range(updates):
            mine.advance()
        mine.save()

    ranks = [trainer.ranks for trainer in pair]
    together(work, [rank for rank in ranks if isinstance(rank, ThreadRank)])


def shown(trainer: Trainer) -> dict[str, Any]:
    """Its metrics, without what the clock decides."""
    return {name: value for name, value in trainer.metrics.items() if name not in TIMES}


@pytest.mark.parametrize("config", [POLE, GAMES], ids=["ppo", "reinforce"])
def test_ranks_stay_the_same_and_the_first_keeps_the_records(config: TrainConfig, tmp_path: Path) -> None:
    pair = trainers(config, tmp_path)
    first, second = pair
    with closing(first), closing(second):
        assert (first.share, second.share) == (range(2), range(2, 4))
        trained(pair)
        assert_same(first.policy.state_dict(), second.policy.state_dict())
        assert_same(shown(first), shown(second))
        assert first.step == second.step
        assert list(first.statistics.recent) == list(second.statistics.recent)
        lines = first.run.metrics_path.read_bytes().splitlines()
        assert [line["step"] for line in map(parse_line, lines) if line][-1] == first.step
        assert len(first.run.list_checkpoints()) == 1
        assert [path for path in (tmp_path / "1").rglob("*") if path.is_file()] == []


def test_ranks_have_worlds_of_their_own_and_count_them_together(tmp_path: Path) -> None:
    pair, alone = trainers(POLE, tmp_path), Trainer(POLE, RunFolder.create(tmp_path / "alone"))
    first, second = pair
    with closing(first), closing(second), closing(alone):
        trained(pair)
        alone.begin()
        alone.advance()
        alone.advance()
        assert first.step == alone.step == 3 * 4 * 32  # the first rollout is for the statistics
        assert first.statistics.count == second.statistics.count > 0
        states = [trainer.agent.rollout_state()["rollout"]["observations"]["observation"] for trainer in pair]
        assert not torch.equal(*states)


def test_worlds_that_do_not_spread_evenly_are_shared_all_the_same(tmp_path: Path) -> None:
    pair = trainers(replace(POLE, num_worlds=5), tmp_path)
    first, second = pair
    with closing(first), closing(second):
        assert (first.share, second.share) == (range(3), range(3, 5))
        trained(pair)
        assert_same(first.policy.state_dict(), second.policy.state_dict())
        assert_same(first.agent.state_dict(), second.agent.state_dict())
        assert_same(shown(first), shown(second))


def test_the_worlds_of_ranks_begin_as_those_of_one_process(tmp_path: Path) -> None:
    """World i begins in the same state, whichever rank has it, in environments that follow Gymnasium's seeding."""
    pair, alone = trainers(POLE, tmp_path), Trainer(POLE, RunFolder.create(tmp_path / "alone"))
    with closing(pair[0]), closing(pair[1]), closing(alone):
        for trainer in (*pair, alone):
            trainer.agent.start(7)
        seen = [trainer.agent.rollout_state()["rollout"]["observations"]["observation"] for trainer in (*pair, alone)]
        assert torch.equal(torch.cat(seen[:2]), seen[2])


def test_more_ranks_than_worlds_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="num_worlds is 1, and each of 2 processes needs one or more"):
        trainers(replace(POLE, num_worlds=1), tmp_path)


def test_a_rank_without_a_part_in_a_minibatch_is_refused(tmp_path: Path) -> None:
    tiny = PPOConfig(num_steps=4, minibatch_size=1)
    with pytest.raises(ValueError, match="leave process 0 of 2 without a part in one of them"):
        together(lambda rank: Trainer(replace(POLE, ppo=tiny), RunFolder(tmp_path), rank), thread_ranks(2))


@pytest.mark.parametrize("agent", ["fitted-q", "sb3-ppo"])
def test_agents_that_train_in_one_process_say_so(agent: str, tmp_path: Path) -> None:
    config = TrainConfig("CartPole-v1", agent, recipe="none", num_worlds=2, device="cpu", threads=1)
    with pytest.raises(ValueError, match=f"agent {agent} trains in one process, and there are 2: leave --processes"):
        Trainer(config, RunFolder(tmp_path), thread_ranks(2)[0])
