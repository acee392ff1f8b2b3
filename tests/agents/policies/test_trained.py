"""A policy that was exported is one wherever a run is, and an export is whole or absent."""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest
import torch

from mmrl_agents.cli import main
from mmrl_agents.policies.exporting import export
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.list_runs import summary
from tests.trainings import POLE, moment_in, trained_quietly


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_quietly(replace(POLE, run_dir=tmp_path_factory.mktemp("runs") / "run"))


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_an_exported_policy_is_evaluated(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = str(export(run, tmp_path / "given"))
    assert main(["evaluate", given, "--episodes", "2"]) == 0
    assert f"wrote {given}/evaluation.json" in capsys.readouterr().out
    assert json.loads((tmp_path / "given" / "evaluation.json").read_text())["weights"] == f"{given}/model.safetensors"
    assert main(["evaluate", given, "--episodes", "2", "--senses"]) == 0
    assert (tmp_path / "given" / "senses.json").exists()


def test_it_acts_as_the_run_does(run: Path, tmp_path: Path) -> None:
    given = export(run, tmp_path / "given")
    seen = {"observation": torch.linspace(-1, 1, 40).reshape(10, 4)}
    mine, yours = (load_policy(source).policy.act(seen, deterministic=True) for source in (run, given))
    assert torch.equal(mine[0], yours[0])


def test_it_can_be_exported_again_with_what_it_was_judged(run: Path, tmp_path: Path) -> None:
    given = export(run, tmp_path / "given")
    assert main(["evaluate", str(given), "--episodes", "2"]) == 0
    again = export(given, tmp_path / "again")
    for name in ("model.safetensors", "config.json"):
        assert (again / name).read_bytes() == (given / name).read_bytes()
    assert "was not evaluated" in (given / "README.md").read_text()
    assert "2 episodes a row" in (again / "README.md").read_text()
    assert summary(again).state == "exported"
    assert summary(again).step == 64


def test_a_card_says_whose_figures_it_has(run: Path, tmp_path: Path) -> None:
    given = export(run, tmp_path / "given")
    assert main(["evaluate", str(given), "--episodes", "2"]) == 0
    mine = (export(given, tmp_path / "mine") / "README.md").read_text()
    assert "2 episodes a row" in mine
    assert "did not measure" not in mine

    document = json.loads((given / "evaluation.json").read_text())
    document["rows"][0]["mean_return"] = 500.0
    (given / "evaluation.json").write_text(json.dumps(document))
    changed = (export(given, tmp_path / "changed") / "README.md").read_text()
    assert "| 500.00 [" in changed
    assert "whoever exported this page did not measure them" in changed.replace("\n", " ")

    document["weights_sha256"] = "0" * 64
    (given / "evaluation.json").write_text(json.dumps(document))
    assert "was not evaluated" in (export(given, tmp_path / "of others") / "README.md").read_text()


def test_an_evaluation_is_of_the_weights_that_act_whatever_taught_them(tmp_path: Path) -> None:
    car = replace(moment_in("mmrl/SlotCar-v0"), recipe="none", objectives={"state": {"weight": 1.0}})
    taught = trained_quietly(replace(car, run_dir=tmp_path / "taught"))
    assert main(["evaluate", str(taught), "--episodes", "1", "--no-without", "--episode-limit", "5"]) == 0
    assert "1 episodes a row" in (export(taught, tmp_path / "given") / "README.md").read_text()


def test_what_somebody_else_evaluated_is_hearsay(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = export(run, tmp_path / "given")
    assert main(["evaluate", str(given), "--episodes", "2"]) == 0
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "of somebody else"))
    assert "did not measure" in (export(given, tmp_path / "yours") / "README.md").read_text()


def test_policies_of_the_package_can_be_exported_and_filmed(tmp_path: Path) -> None:
    folder = export("pretrained:peg_insertion", tmp_path / "mine")
    ours, theirs = load_policy(folder), load_policy("peg_insertion")
    assert all(torch.equal(ours.policy.state_dict()[name], it) for name, it in theirs.policy.state_dict().items())
    assert main(["watch", str(folder), "--episodes", "1", "--max-seconds", "0.1"]) == 0
    assert list(folder.glob("video.*"))


def test_an_exported_policy_is_not_resumed(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    given = export(run, tmp_path / "given")
    before = contents(given)
    assert main(["train", "--resume", str(given), "--total-steps", "128"]) == 2
    assert "is an exported policy, without the state of a training to go on from" in capsys.readouterr().err
    assert contents(given) == before


@pytest.mark.parametrize("checkpoint", ["last", "nothing.pt"])
def test_an_exported_policy_has_no_checkpoint_to_choose(
    run: Path, tmp_path: Path, checkpoint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = str(export(run, tmp_path / "given"))
    for policy in (given, "pretrained:peg_insertion"):
        assert main(["evaluate", policy, "--episodes", "2", "--checkpoint", checkpoint]) == 2
        assert f"leave out --checkpoint, got {checkpoint}" in capsys.readouterr().err


def test_a_killed_export_leaves_nothing_in_the_way(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, left = tmp_path / "given", tmp_path / ".given.exporting-0123456789abcdef"
    left.mkdir()  # as a kill over the first file leaves it
    (left / ".model.safetensors.unfinished-0123").write_bytes(b"half")
    (tmp_path / ".given2.exporting-0123").mkdir()  # another's

    def watched(path: Path, write: Callable[[BinaryIO], object]) -> None:
        assert not folder.exists()
        write_atomically(path, write)

    monkeypatch.setattr("mmrl_agents.policies.exporting.write_atomically", watched)
    export(run, folder)
    assert sorted(os.listdir(tmp_path)) == [".given2.exporting-0123", "given"]
    assert sorted(os.listdir(folder)) == ["README.md", "config.json", "model.safetensors"]


def test_an_export_that_fails_leaves_nothing(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("mmrl_agents.policies.exporting.write_atomically", full)
    with pytest.raises(OSError, match="No space"):
        export(run, tmp_path / "given")
    assert os.listdir(tmp_path) == []


def test_an_empty_folder_may_be_exported_into(run: Path, tmp_path: Path) -> None:
    (tmp_path / "given").mkdir()
    export(run, tmp_path / "given")
    assert (tmp_path / "given" / "model.safetensors").exists()
