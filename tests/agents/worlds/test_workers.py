"""Worlds in processes of their own: the same games, and what happens when a process is killed."""

import os
import signal
import socket
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.worlds.foreign_worlds import make_single_world
from mmrl_agents.worlds.making import make_envs
from mmrl_agents.worlds.worker_failures import WorkerReplaced, WorkersFailed
from mmrl_agents.worlds.workers import WorkerWorlds
from mmrl_envs.multimodal import describing

CARTPOLE = "CartPole-v1"


def kill(worlds: WorkerWorlds, worker: int) -> None:
    process = worlds.workers[worker].process_id
    assert process is not None
    os.kill(process, signal.SIGKILL)


def workers_of(trainer: Trainer) -> WorkerWorlds:
    assert isinstance(trainer.envs, WorkerWorlds)
    return trainer.envs


@pytest.fixture
def worlds() -> Any:
    made = make_envs(CARTPOLE, 3, {}, workers=2)
    yield made
    made.close()


def test_they_play_the_same_games_as_one_after_another(worlds: Any) -> None:
    alone = make_envs(CARTPOLE, 3, {})
    assert worlds.single_observation_space == alone.single_observation_space
    assert worlds.single_action_space == alone.single_action_space
    (one, _), (other, _) = alone.reset(seed=3), worlds.reset(seed=3)
    ended = 0
    for actions in np.random.default_rng(0).integers(2, size=(60, 3)):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
        one, *results, info = alone.step(actions)
        other, *others, info_of_one = worlds.step(actions)
        np.testing.assert_array_equal(results, others)
        assert info.keys() == info_of_one.keys()
        for world in np.flatnonzero(results[1] | results[2]):
            ended += 1
            for name, last in info["final_obs"][world].items():
                np.testing.assert_array_equal(last, info_of_one["final_obs"][world][name])
    assert ended >= 3
    assert describing(worlds).incidents == {"workers_lost": 0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_what_a_terminal_sends_to_all_is_answered_by_the_parent(worlds: Any, number: signal.Signals) -> None:
    worlds.reset(seed=0)
    for worker in worlds.workers:
        os.kill(worker.process_id, number)
    worlds.step(np.array([0, 1, 0]))
    assert describing(worlds).incidents == {"workers_lost": 0}


def test_a_killed_worker_ends_its_episodes_and_no_others(worlds: Any) -> None:
    worlds.reset(seed=0)
    before, *_ = worlds.step(np.array([0, 1, 0]))
    kill(worlds, 0)
    observation, reward, terminated, truncated, info = worlds.step(np.array([0, 1, 0]))
    assert truncated.tolist() == [True, True, False]
    assert not terminated.any()
    assert reward.tolist() == [0, 0, 1]
    assert info["final_info"]["worker_lost"].tolist() == [True, True, False]
    for world in (0, 1):
        for name, last in info["final_obs"][world].items():
            np.testing.assert_array_equal(last, before[name][world])
        assert abs(observation["observation"][world]).max() <= 0.05  # where an episode of CartPole begins
    assert describing(worlds).incidents == {"workers_lost": 1}
    ended = np.zeros(3, np.int64)
    for _ in range(20):  # one and the same action lets the pole fall within a dozen steps, in the new process too
        _, reward, terminated, truncated, info = worlds.step(np.array([0, 1, 0]))
        assert (reward == 1).all()
        assert not truncated.any()
        assert "worker_lost" not in info.get("final_info", {})
        ended += terminated
    assert (ended >= 1).all()
    assert describing(worlds).incidents == {"workers_lost": 1}


def test_one_killed_between_episodes_is_replaced_too(worlds: Any) -> None:
    worlds.reset(seed=0)
    kill(worlds, 1)
    observation, _ = worlds.reset(seed=4)
    same = make_envs(CARTPOLE, 3, {}).reset(seed=4)[0]
    np.testing.assert_array_equal(observation["observation"], same["observation"])
    assert describing(worlds).incidents == {"workers_lost": 1}


def test_they_begin_anew_all_at_once(worlds: Any) -> None:
    with pytest.raises(ValueError, match="so no reset_mask"):
        worlds.reset(options={"reset_mask": np.array([True, False, False])})


def test_one_that_cannot_live_says_so() -> None:
    with pytest.raises(WorkersFailed, match="died 3 times before its worlds had begun: is there too little memory"):
        WorkerWorlds(partial(os._exit, 9), 1, 1)


def test_one_that_ends_with_an_error_of_python_is_not_tried_again() -> None:
    with pytest.raises(WorkersFailed, match=r"it is printed above.*must stand under `if __name__ == \"__main__\":`"):
        WorkerWorlds(partial(os._exit, 1), 1, 1)


@pytest.mark.slow
def test_a_script_that_guards_nothing_is_refused(tmp_path: Path) -> None:
    script = tmp_path / "train_it.py"
    script.write_text(
        "from mmrl_agents.settings.config import TrainConfig\n"
        "from mmrl_agents.training.train import train\n"
        "train(TrainConfig('CartPole-v1', num_worlds=4, workers=2, total_steps=256, evaluate_episodes=0))\n"
    )
    ran = subprocess.run([sys.executable, str(script)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    last = ran.stderr.strip().splitlines()[-1]
    assert 'must stand under `if __name__ == "__main__":`' in last
    assert "does not accept" not in last
    assert "memory" not in last


@pytest.mark.slow
def test_one_that_gives_no_answer_is_named_and_replaced() -> None:
    worlds = WorkerWorlds(partial(make_single_world, CARTPOLE, {}, {}), 3, 2, timeout_s=3)
    worlds.reset(seed=0)
    stopped = worlds.workers[0].process_id
    assert stopped is not None
    os.kill(stopped, signal.SIGSTOP)
    message = rf"worker 0 of worlds 0 to 1 \(process {stopped}\) has given no answer for 3 s and is replaced"
    with pytest.warns(WorkerReplaced, match=message):
        _, _, _, truncated, info = worlds.step(np.array([0, 1, 0]))
    assert truncated.tolist() == [True, True, False]
    assert info["final_info"]["worker_lost"].tolist() == [True, True, False]
    assert describing(worlds).incidents == {"workers_lost": 1}
    assert worlds.step(np.array([0, 1, 0]))[1].tolist() == [1, 1, 1]
    worlds.close()


def test_what_a_world_raises_comes_through() -> None:
    worlds = make_envs(CARTPOLE, 2, {}, workers=1)
    with pytest.raises(gym.error.ResetNeeded):
        worlds.step(np.zeros(2, np.int64))
    worlds.close()
    with pytest.raises(ValueError, match="CartPole-v1 does not accept"):
        make_envs(CARTPOLE, 2, {"wind": 1}, workers=1)


def test_a_connection_that_a_world_lost_is_no_death_of_its_process() -> None:
    with pytest.raises(ConnectionRefusedError):
        WorkerWorlds(partial(socket.create_connection, ("127.0.0.1", 1)), 1, 1)


def config(folder: Path) -> TrainConfig:
    ppo = PPOConfig(num_steps=32, minibatch_size=32, epochs=1)
    return TrainConfig(CARTPOLE, num_worlds=4, workers=2, total_steps=10_000, threads=1, ppo=ppo, run_dir=folder)


def test_training_survives_the_death_of_a_worker_and_counts_it(tmp_path: Path) -> None:
    trainer = Trainer(config(tmp_path / "run"), open_run(config(tmp_path / "run")))
    trainer.begin()
    trainer.advance()
    episodes = trainer.statistics.count
    kill(workers_of(trainer), 1)
    trainer.advance()
    assert trainer.metrics["workers_lost"] == 1
    assert trainer.statistics.count > episodes
    # An episode that was cut off tells nothing of the policy: the least that CartPole gives is 8.
    assert min(episode.total_reward for episode in trainer.statistics.recent) >= 8
    path = trainer.save()
    again = Trainer(config(tmp_path / "other"), open_run(config(tmp_path / "other")))
    assert again.restore(path, trainer.run.load("last")[1]) == ""
    for one in (trainer, again):
        one.advance()
        assert one.metrics["workers_lost"] == 1
    for ours, theirs in zip(trainer.policy.parameters(), again.policy.parameters(), strict=True):
        np.testing.assert_array_equal(ours.detach().numpy(), theirs.detach().numpy())
    trainer.close()
    again.close()


def test_worlds_of_our_own_need_no_workers(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["train", "mmrl/PegInsertion-v0", "--workers", "2", "--run-dir", str(tmp_path / "run")]
    assert main(arguments) == 2
    assert "steps its worlds on threads; workers are for environments of other packages" in capsys.readouterr().err


@pytest.mark.slow
def test_a_worker_may_die_just_before_or_after_a_checkpoint(tmp_path: Path) -> None:
    before = Trainer(config(tmp_path / "run"), open_run(config(tmp_path / "run")))
    before.begin()
    path = before.save()
    state = before.run.load("last")[1]
    kill(workers_of(before), 0)
    before.save()  # where the worlds stood is lost, what was learned is not
    assert before.run.load("last")[1]["worlds"] is None
    before.close()
    after = Trainer(config(tmp_path / "other"), open_run(config(tmp_path / "other")))
    assert after.restore(path, state) == ""
    kill(workers_of(after), 0)
    after.advance()
    assert after.metrics["workers_lost"] == 1
    after.close()
