import json
import math
from datetime import datetime
from pathlib import Path

import pytest

from mmrl_agents.checkpoint import CheckpointError, load_checkpoint
from mmrl_agents.runs import RunFolder, run_name


def test_name_says_what_ran() -> None:
    name = run_name("mmrl/PegInsertion-v0", "ppo", 3, datetime(2030, 1, 2, 3, 4, 5))
    assert name == "PegInsertion-v0_ppo_20300102-030405_s3"


def test_a_used_folder_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FileExistsError, match=r"--resume .* another --run-dir"):
        RunFolder.create(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_empty_folder_may_be_used(tmp_path: Path) -> None:
    assert RunFolder.create(tmp_path).checkpoints.is_dir()


def test_what_is_no_run_is_said(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"no run folder: it has no config\.json"):
        RunFolder.open(tmp_path)


def test_config_comes_back(tmp_path: Path) -> None:
    RunFolder.create(tmp_path).write_config({"seed": 3, "senses": {"camera": {"shape": [2]}}})
    document = RunFolder.open(tmp_path).read_config()
    assert document == {"seed": 3, "senses": {"camera": {"shape": [2]}}}


def test_metrics_are_json_lines_and_scalars(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    run.log(64, {"loss": 0.5, "explained_variance": math.nan})
    run.log(128, {"loss": 0.25})
    run.close()
    lines = [json.loads(line) for line in run.metrics_path.read_text().splitlines()]
    assert lines == [
        {"step": 64, "loss": 0.5, "explained_variance": None},
        {"step": 128, "loss": 0.25},
    ]
    assert list(tmp_path.glob("events.*"))


def test_a_resumed_run_forgets_what_it_does_again(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for step in (64, 128, 192):
        run.log(step, {"loss": 0.5})
    run.close()
    with run.metrics_path.open("a") as stream:
        stream.write('{"step": 25')  # cut short by a crash
    run.forget_metrics_after(128)
    steps = [json.loads(line)["step"] for line in run.metrics_path.read_text().splitlines()]
    assert steps == [64, 128]


def test_newest_checkpoints_and_the_best_are_kept(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    for step in (1, 2, 3, 4, 5):
        run.save(step, {"step": step}, best=step == 2, keep=2)
    names = [path.name for path in run.list_checkpoints()]
    assert names == ["step_000000004.pt", "step_000000005.pt"]
    assert load_checkpoint(run.checkpoint("best")) == {"step": 2}
    assert load_checkpoint(run.checkpoint("last")) == {"step": 5}
    assert run.checkpoint(tmp_path / "other.pt") == tmp_path / "other.pt"


def test_best_is_last_until_one_was_judged(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path)
    with pytest.raises(CheckpointError, match="no checkpoint yet"):
        run.checkpoint("best")
    run.save(1, {"step": 1}, best=False, keep=2)
    assert run.checkpoint("best") == run.checkpoint("last")
