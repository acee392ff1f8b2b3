"""Two processes that train together: they say the same, learn the same, and the first hears why the other ended."""

import os
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist

from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.learning.ppo_agent import PPOAgent
from mmrl_agents.machine.cpu import share_cores
from mmrl_agents.machine.ranks import ALONE
from mmrl_agents.machine.torch_ranks import joined_ranks, name_of_meeting
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.training.trainer import Trainer
from mmrl_envs.arguments import CORES, available_cores
from tests.blocks import act_in_blocks, shuffle_in_blocks
from tests.comparing import assert_same
from tests.two_ranks import READINGS, SIGNS, SPOILT, followed

TIMES = {"steps_per_second", "collect_seconds", "update_seconds", "wall_time_s"}


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with all that two processes leave."""
    folder, port = tmp_path_factory.mktemp("ranks"), str(free_port())
    place = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-m", "tests.two_ranks", str(folder)]
    processes = [
        subprocess.Popen(command, env={**os.environ, **place, "RANK": rank, "LOCAL_RANK": rank}) for rank in "01"
    ]
    assert [process.wait(timeout=900) for process in processes] == [0, 0]
    return folder


@pytest.fixture(scope="module")
def pair(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.pt", weights_only=False) for rank in range(2)]


def test_ranks_say_the_same(pair: list[dict[str, Any]]) -> None:
    first, second = (found["talk"] for found in pair)
    assert (first.pop("share"), second.pop("share")) == ([0, 1, 2], [3, 4])
    assert_same(first, second)
    gradients = first.pop("gradients")
    assert_same(first.pop("join"), torch.tensor([[0.0, 1.0, 1.0]] * 2))
    assert_same(first.pop("sum"), torch.tensor([3.0]))
    assert_same(gradients, [torch.tensor([3.0, 6.0]), torch.tensor([torch.inf]), None])
    assert first == {
        "gather": ["a", "a", "a"],
        "agree": {"rank": 0},
        "any": (False, True),
        "merge": [0, 1, 2, 3],
        "on_first": 0,
        "refused": "that folder is in use",
    }


def test_statistics_are_those_of_all_readings(pair: list[dict[str, Any]]) -> None:
    first, second = (found["statistics"] for found in pair)
    assert_same(first, second)
    assert first["count"] == len(READINGS)
    np.testing.assert_allclose(first["mean"].numpy(), READINGS.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(first["var"].numpy(), READINGS.var(axis=0), rtol=1e-12)


def test_ranks_with_unequal_shares_stay_the_same_and_skip_the_same_steps(pair: list[dict[str, Any]]) -> None:
    first, second = (found["trained"] for found in pair)
    assert (first["worlds"], second["worlds"]) == (3, 2)
    for name in ("policy", "agent", "actions", "step", "skipped"):
        assert_same(first[name], second[name], name)
    assert_same(first["metrics"], second["metrics"], but=TIMES)
    assert first["step"] == 4 * 5 * 16  # the first rollout is for the statistics
    assert first["skipped"] == [4.0, 0.0]  # two epochs of two minibatches
    everywhere = torch.cat([first["advantages"], second["advantages"]], dim=1).double().numpy()
    np.testing.assert_allclose([everywhere.mean(), everywhere.std()], [0.0, 1.0], atol=1e-6)


def test_after_fifty_updates_ranks_are_the_same_and_left_out_the_same_steps(pair: list[dict[str, Any]]) -> None:
    first, second = (found["fifty"] for found in pair)
    assert (first["worlds"], second["worlds"]) == (33, 31)
    assert first["hashes"] == second["hashes"]
    spoilt = [4.0 if update in SPOILT else 0.0 for update in range(50)]  # one epoch of four minibatches
    assert first["skipped"] == second["skipped"] == spoilt
    steps = {int(moments["step"]) for moments in first["state"]["optimizer"]["optimizer"]["state"].values()}
    assert steps == {4 * (50 - len(SPOILT))}
    assert float(first["state"]["policy"]["value_mean"]) != 0.0


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The same training in one process that acts and shuffles in the blocks of two ranks."""
    trainer = Trainer(SIGNS, RunFolder.create(tmp_path_factory.mktemp("alone") / "run"))
    assert isinstance(trainer.policy, ActorCritic)
    assert isinstance(trainer.agent, PPOAgent)
    blocks = [slice(0, 32), slice(32, 64)]
    act_in_blocks(trainer.policy, blocks)
    shuffle_in_blocks(trainer.agent.rollout.storage, blocks)
    return followed(trainer, 20)


def test_two_ranks_train_as_one_process_that_acts_and_shuffles_in_their_blocks(
    pair: list[dict[str, Any]], alone: dict[str, Any]
) -> None:
    """64 worlds, four minibatches an epoch, two epochs an update."""
    first, second = (found["followed"] for found in pair)
    for name, rows in alone["rollout"].items():
        assert torch.equal(torch.cat([first["rollout"][name], second["rollout"][name]], dim=1), rows), name
    assert_same(first["weights"], second["weights"])
    flat, expected = (
        torch.cat([x.flatten() for x in weights.values()]) for weights in (first["weights"], alone["weights"])
    )
    assert float((flat - expected).norm() / expected.norm()) < 1e-6
    assert first["successes"] == second["successes"]
    np.testing.assert_allclose(first["successes"], alone["successes"], atol=0.01)
    assert alone["successes"][0] < 0.7
    assert alone["successes"][-1] > 0.9


def test_one_rank_writes_and_reads_a_checkpoint_of_all_worlds(folder: Path, pair: list[dict[str, Any]]) -> None:
    (path,) = (folder / "run0" / "checkpoints").glob("step_*.pt")
    state = load_checkpoint(path)
    assert len(state["worlds"]["replay"]) == 5
    for found in pair:  # which the first rank read for all
        assert_same(found["trained"]["checkpoint"], state)
    assert not list((folder / "run1").rglob("*.pt"))


def test_the_first_rank_hears_why_another_ended(pair: list[dict[str, Any]]) -> None:
    assert pair[1]["own"] == "the reward of world 3 is nan, not a finite number"
    assert pair[0]["lost"] == f"process 1 ended with an error: {pair[1]['own']}"


def test_a_process_by_itself_is_alone() -> None:
    with joined_ranks(60.0) as ranks:
        assert ranks is ALONE


def test_ranks_that_cannot_be_met_are_named_with_their_place(monkeypatch: pytest.MonkeyPatch) -> None:
    port = str(free_port())
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}.items():
        monkeypatch.setenv(name, value)
    expected = f"process 1 of 2 did not meet the others at 127.0.0.1:{port}: .*; all of them have to be started"
    with pytest.raises(ValueError, match=expected), joined_ranks(1.0):
        pass


def test_processes_that_are_started_anew_meet_under_another_name() -> None:
    """In the store of those before them, in which one of three had got no further than to say hello."""
    store = dist.HashStore()
    store.set_timeout(timedelta(seconds=60))
    names = []
    for _ in range(3):
        store.set("hello/2", "somebody who is gone")
        with ThreadPoolExecutor(3) as pool:
            found = list(pool.map(lambda rank: name_of_meeting(store, rank, 3, 60.0), (2, 0, 1)))
        assert len(set(found)) == 1
        names += found[:1]
    assert len(set(names)) == 3


def test_a_process_that_does_not_come_is_named() -> None:
    store = dist.HashStore()
    store.set("hello/1", "somebody who is gone")
    with pytest.raises(RuntimeError, match=r"process 1, 2 did not come within 0\.1 s"):
        name_of_meeting(store, 0, 3, 0.1)


def test_processes_of_one_machine_share_its_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = []
    for index in range(3):
        monkeypatch.setenv(CORES, "8")
        share_cores(index, 3)
        shares.append(available_cores())
    assert shares == [2, 3, 3]
    monkeypatch.setenv(CORES, "1")
    share_cores(0, 3)
    assert available_cores() == 1
    monkeypatch.setenv(CORES, "many")
    with pytest.raises(ValueError, match="MMRL_CORES"):
        available_cores()
