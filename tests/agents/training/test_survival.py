"""Training that is killed, starved of disk or fed numbers that are none: what is left, and how it goes on."""

import errno
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import torch
from rich.console import Console
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mmrl_agents.cli import main
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.lock import FolderInUse
from mmrl_agents.records.run_status import read_status
from mmrl_agents.records.runs import DamagedCheckpoint, RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import TrainingFailed, train
from mmrl_agents.training.trainer import Trainer
from tests import trainings
from tests.toys.breaking import Overflowing
from tests.trainings import json_lines

KILLED = [
    *("train", "mmrl/PegInsertion-v0", "--sensors", "proprioception", "force_torque", "--num-worlds", "2"),
    *("--set", "max_episode_steps=11", "--context", "force_torque_noise=0.2", "--threads", "1", "--device", "cpu"),
    *("--ppo.num-steps", "8", "--ppo.minibatch-size", "8", "--ppo.epochs", "1", "--evaluate-episodes", "0"),
    *("--checkpoint-every-minutes", "0", "--keep-checkpoints", "2"),
    *("--curriculum", "learning_progress", "--vary", "friction=[0.9,0.2]", "hole_x_m=[0,[-0.04,0.04]]"),
    *("--curriculum-options", "fit_every=8", "neighbours=20", "averaged=1", "most_components=3"),
]
POLE = replace(trainings.POLE, total_steps=320)


def quietly(config: TrainConfig) -> str:
    text = StringIO()
    train(config, Console(file=text, width=500))
    return text.getvalue()


def weights(run: Path) -> dict[str, torch.Tensor]:
    state = RunFolder(run).load("last")[1]
    return {**state["policy"], "adam": state["agent"]["optimizer"]["state"][0]["exp_avg"]}


def assert_same_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)


def updates_logged(run: Path) -> int:
    try:
        return len((run / "metrics.jsonl").read_bytes().splitlines())
    except FileNotFoundError:
        return 0


def kill_at_random(command: list[str], run: Path, most: int, dice: random.Random) -> None:
    """Start a training and kill it after at most so many updates, within one or while it writes a checkpoint."""
    after = updates_logged(run) + dice.randint(0, most)
    with subprocess.Popen([sys.executable, "-m", "mmrl_agents", *command], stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 300
        while process.poll() is None and updates_logged(run) < after and time.monotonic() < deadline:
            time.sleep(0.002)
        time.sleep(dice.random() * 0.05)
        process.kill()
    assert process.returncode == -signal.SIGKILL  # it had not ended by itself


def survives(tmp_path: Path, kills: int, updates: int, seed: int) -> None:
    """As many kills, then on to the end: the same weights, logs and curriculum as without."""
    whole, run = tmp_path / "whole", tmp_path / "run"
    begin = [*KILLED, "--total-steps", str(16 * (updates + 1)), "--run-dir"]
    assert main([*begin, str(whole)]) == 0
    dice = random.Random(seed)
    for _ in range(kills):
        begun = (run / "config.json").exists()
        kill_at_random(
            ["train", "--resume", str(run)] if begun else [*begin, str(run)], run, updates // 2 // kills, dice
        )
    assert main(["train", "--resume", str(run)] if (run / "config.json").exists() else [*begin, str(run)]) == 0
    assert_same_weights(whole, run)
    assert read_status(run / "status.json").state == "finished"
    assert [line["step"] for line in json_lines(run / "metrics.jsonl")] == [16 * (i + 2) for i in range(updates)]
    assert json_lines(run / "contexts.jsonl") == json_lines(whole / "contexts.jsonl")
    first, second = (EventAccumulator(str(folder)).Reload().Scalars("losses/policy_loss") for folder in (whole, run))
    assert [(event.step, event.value) for event in first] == [(event.step, event.value) for event in second]
    assert len(first) == updates
    assert not list(run.rglob("*unfinished*"))


@pytest.mark.slow
def test_two_kills_change_nothing(tmp_path: Path) -> None:
    survives(tmp_path, 2, updates=30, seed=1)


@pytest.mark.slow
def test_twenty_kills_change_nothing(tmp_path: Path) -> None:
    survives(tmp_path, 20, updates=160, seed=2)


def test_a_damaged_checkpoint_costs_only_time(tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    config = replace(POLE, checkpoint_every_minutes=0.0)
    quietly(replace(config, run_dir=whole))
    quietly(replace(config, run_dir=run))
    newest, before, _ = reversed(RunFolder(run).list_checkpoints())
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(DamagedCheckpoint, match=f"{newest.name}: truncated.*{before.name} in its place"):
        quietly(replace(config, resume=run))
    assert_same_weights(whole, run)
    assert [line["step"] for line in json_lines(run / "metrics.jsonl")] == list(range(64, 321, 32))
    assert (run / "checkpoints" / f"{newest.stem}.damaged").exists()


def test_a_run_without_a_checkpoint_starts_again(tmp_path: Path) -> None:
    whole, run = tmp_path / "whole", tmp_path / "run"
    quietly(replace(POLE, run_dir=whole))
    quietly(replace(POLE, run_dir=run))
    for path in (run / "checkpoints").iterdir():
        path.unlink()
    quietly(replace(POLE, resume=run))
    assert_same_weights(whole, run)
    assert [line["step"] for line in json_lines(run / "metrics.jsonl")] == list(range(64, 321, 32))


def test_a_folder_that_a_kill_left_empty_may_be_used(tmp_path: Path) -> None:
    run = tmp_path / "run"
    (run / "checkpoints").mkdir(parents=True)
    (run / ".config.json.unfinished-0123").write_text("{")
    quietly(replace(POLE, run_dir=run))
    assert updates_logged(run) > 0


def test_a_full_disk_in_the_middle_is_reported_and_survived(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save, calls = RunFolder.save, []

    def starved(self: RunFolder, *args: Any, **kwargs: Any) -> Path:
        calls.append(args[0])
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, "No space left on device")
        return save(self, *args, **kwargs)

    monkeypatch.setattr(RunFolder, "save", starved)
    text = quietly(replace(POLE, run_dir=tmp_path / "run", checkpoint_every_minutes=0.0))
    assert "no checkpoint at step 96: [Errno 28] No space left on device; the one before stays" in text
    assert load_checkpoint(RunFolder(tmp_path / "run").checkpoint("last"))["step"] == 320


def test_a_run_that_is_being_trained_is_left_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    quietly(replace(POLE, run_dir=run))
    with closing(RunFolder(run)) as other:
        other.claim()
        before = (run / "config.json").read_text()
        assert main(["train", "--resume", str(run)]) == 2
        assert f"{run} is being trained by another process; stop that one first" in capsys.readouterr().err
        assert (run / "config.json").read_text() == before
    quietly(replace(POLE, resume=run, total_steps=352))
    assert updates_logged(run) == 10
    assert not list(run.glob(".*"))


def test_a_new_folder_that_another_training_just_took_is_left_alone(tmp_path: Path) -> None:
    with closing(RunFolder.create(tmp_path / "run")) as other:
        other.claim()
        with pytest.raises(FolderInUse, match="is being trained by another process"):
            quietly(replace(POLE, run_dir=tmp_path / "run"))
    quietly(replace(POLE, run_dir=tmp_path / "run"))


def test_trainings_that_cannot_begin_leave_no_lock(tmp_path: Path) -> None:
    for _ in range(2):
        with pytest.raises(ValueError, match="device 'meta' is none"):
            quietly(replace(POLE, run_dir=tmp_path / "run", device="meta"))
        assert not (tmp_path / "run").exists()
    quietly(replace(POLE, run_dir=tmp_path / "run"))
    for total in (352, 384):
        with pytest.raises(ValueError, match="device 'meta' is none"):
            quietly(replace(POLE, resume=tmp_path / "run", total_steps=total, device="meta"))


@pytest.mark.slow
def test_of_two_trainings_of_a_folder_the_second_is_refused_while_the_first_lives(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = "--num-worlds 2 --threads 1 --device cpu --evaluate-episodes 0 --ppo.num-steps 16 --ppo.epochs 1"
    begin = [*["train", "CartPole-v1", "--checkpoint-every-minutes", "0"], *options.split(), "--run-dir", str(run)]
    again = ["train", "--resume", str(run), "--total-steps"]
    with subprocess.Popen([sys.executable, "-m", "mmrl_agents", *begin, "--total-steps", "1000000"]) as first:
        try:
            while updates_logged(run) < 3:
                time.sleep(0.02)
            assert main([*again, "1000000"]) == 2
            assert f"by another process ({first.pid} on " in capsys.readouterr().err
            assert main([*begin, "--total-steps", "64"]) == 2
        finally:
            first.kill()
    step = RunFolder(run).load("last")[1]["step"]
    assert main([*again, str(step + 64)]) == 0  # at once: no lock outlives its process
    assert [line["step"] for line in json_lines(run / "metrics.jsonl")] == list(range(64, step + 65, 32))


def test_a_disk_that_is_full_in_the_end_is_reported_with_the_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, write: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    def last_update(self: Trainer) -> str | None:
        if not self.updates:
            return None
        monkeypatch.setattr("mmrl_agents.records.checkpoint.write_atomically", full)
        monkeypatch.setattr("mmrl_agents.records.run_status.write_atomically", full)
        return "all steps done"

    monkeypatch.setattr("mmrl_agents.training.trainer.Trainer.reason_to_stop", last_update)
    with pytest.raises(OSError, match=r"no checkpoint at step 64: \[Errno 28\] .*; make room and begin again"):
        quietly(replace(POLE, run_dir=tmp_path / "run"))
    assert read_status(tmp_path / "run" / "status.json").state == "failed"  # written over the "running" before


def test_every_ending_says_how_to_resume(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = tmp_path / "run"
    assert f"resume with:   mmrl train --resume {run}" in quietly(replace(POLE, run_dir=run))
    assert read_status(run / "status.json").reason == "all steps done"
    failing = tmp_path / "failing"
    monkeypatch.setattr(
        "mmrl_agents.training.trainer.Trainer.reason_to_stop", lambda self: 1 / (3 - self.updates) and None
    )
    text = StringIO()
    with pytest.raises(ZeroDivisionError):
        train(replace(POLE, run_dir=failing), Console(file=text, width=500))
    assert f"resume with:   mmrl train --resume {failing}" in text.getvalue()
    status = read_status(failing / "status.json")
    assert (status.state, status.reason) == ("failed", "division by zero")


@pytest.fixture
def overflowing() -> Iterator[str]:
    gym.register("Overflowing-v0", entry_point=Overflowing)
    yield "Overflowing-v0"
    del gym.registry["Overflowing-v0"]


def test_updates_that_are_not_finite_are_left_out_and_counted(overflowing: str, tmp_path: Path) -> None:
    # A rollout is 16 steps a world, the first one looks around: steps 33 to 64 are updates 2 and 3 of 9.
    bad = {"start": 33, "steps": 32}
    quietly(replace(POLE, env=overflowing, env_kwargs=bad, run_dir=tmp_path / "run", most_failed_updates=3))
    log = json_lines(tmp_path / "run" / "metrics.jsonl")
    assert [line["skipped_updates"] for line in log] == [0, 2, 2, 0, 0, 0, 0, 0, 0]
    assert log[-1]["skipped_updates_in_all"] == 4
    assert all(torch.isfinite(tensor).all() for tensor in weights(tmp_path / "run").values())


@pytest.mark.parametrize("agent", ["ppo", "reinforce"])
def test_after_too_many_of_them_the_run_stops_with_its_state_saved(
    overflowing: str, agent: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    options = "--num-worlds 2 --total-steps 5000 --threads 1 --device cpu --evaluate-episodes 0 --most-failed-updates 3"
    of_agents = {
        "ppo": "--ppo.num-steps 16 --ppo.minibatch-size 16 --ppo.epochs 1",
        # else overflowing returns, being all alike, would come out as zeros
        "reinforce": "--reinforce.games-per-batch 2 --reinforce.standardize none",
    }
    own = of_agents[agent].split()
    assert main(["train", overflowing, "--agent", agent, "--run-dir", str(run), *options.split(), *own]) == 2
    said = capsys.readouterr()
    assert "3 updates in a row met numbers that are not finite" in said.err
    assert "Traceback" not in said.err
    assert f"resume with:   mmrl train --resume {run}" in said.out.replace("\n", "")
    assert "made of returns" in said.err
    status = read_status(run / "status.json")
    assert status.state == "failed"
    assert "updates in a row" in status.reason
    state = load_checkpoint(RunFolder(run).checkpoint("last"))
    assert state["updates"] == len(json_lines(run / "metrics.jsonl")) >= 3


def test_the_failure_has_a_name_of_its_own(overflowing: str, tmp_path: Path) -> None:
    with pytest.raises(TrainingFailed, match=r"the last one for .*loss \(1 of 1 values, such as (nan|inf)\), made of"):
        quietly(replace(POLE, env=overflowing, run_dir=tmp_path / "run", most_failed_updates=1))
