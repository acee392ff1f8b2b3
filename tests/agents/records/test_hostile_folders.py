"""Run folders that somebody broke or laid as a trap, through every command: a sentence, no hang, nothing outside."""

import json
import os
import shutil
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from mmrl_agents.cli import main
from mmrl_agents.policies.exporting import export
from mmrl_agents.records.checkpoint import load_checkpoint, save_checkpoint
from mmrl_agents.records.runs import RunFolder
from tests.trainings import POLE, trained_quietly

STEPS = 64
COMMANDS: dict[str, Callable[[Path], list[str]]] = {
    "evaluate": lambda run: ["evaluate", str(run), "--episodes", "2", "--num-worlds", "2"],
    "senses": lambda run: ["evaluate", str(run), "--senses", "--episodes", "2", "--num-worlds", "2"],
    "watch": lambda run: ["watch", str(run), "--episodes", "1", "--max-seconds", "0.05"],
    "resume": lambda run: ["train", "--resume", str(run), "--total-steps", "96", "--evaluate-episodes", "0"],
    "runs": lambda run: ["runs", str(run.parent)],
    "export": lambda run: ["export", str(run), str(run.parent / "weights")],
}


@pytest.fixture(scope="module")
def pole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_quietly(replace(POLE, total_steps=STEPS, run_dir=tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture
def run(pole: Path, tmp_path: Path) -> Path:
    return shutil.copytree(pole, tmp_path / "runs" / "run")


class Hung(BaseException):
    """A command takes for ever; no command catches this."""


@pytest.fixture(autouse=True)
def _no_hang() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(120)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


def _pipe(path: Path, _: Path) -> None:
    os.mkfifo(path)


def _endless(path: Path, _: Path) -> None:
    path.symlink_to("/dev/zero")


def _elsewhere(path: Path, outside: Path) -> None:
    path.symlink_to(outside / path.name)


def _dangling(path: Path, outside: Path) -> None:
    path.symlink_to(outside / "new")


TRAPS = {"pipe": _pipe, "endless": _endless, "elsewhere": _elsewhere, "dangling": _dangling}
# The written ones at once, since no command stops at the first of them.
NAMES = {
    "config": ("config.json",),
    "metrics": ("metrics.jsonl",),
    "status": ("status.json",),
    "evaluation": ("evaluation.json",),
    "best": ("checkpoints/best.pt",),
    "last": (f"checkpoints/step_{STEPS:09d}.pt",),
    "contexts": ("contexts.jsonl",),
    "written": ("video.mp4", "senses.json", "senses.png", "senses.pdf", "curriculum.png", "README.md"),
}


@pytest.mark.filterwarnings("ignore::mmrl_agents.records.runs.DamagedCheckpoint")
@pytest.mark.parametrize("trap", TRAPS)
@pytest.mark.parametrize("names", NAMES)
def test_no_name_in_a_folder_leads_out_of_it_or_hangs(
    names: str, trap: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in NAMES[names]:
        (outside / Path(name).name).write_bytes(b"mine")
        (run / name).unlink(missing_ok=True)
        TRAPS[trap](run / name, outside)
    for command in ("runs", "export", "resume"):
        status = main(COMMANDS[command](run))
        said = capsys.readouterr()
        assert status in (0, 2)
        assert status == 0 or "error: " in said.err
    assert {path.name: path.read_bytes() for path in outside.iterdir()} == {
        Path(name).name: b"mine" for name in NAMES[names]
    }


@pytest.mark.parametrize("trap", TRAPS)
def test_leftovers_of_an_evaluation_that_are_no_folder_are_said(
    trap: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    TRAPS[trap](run / ".senses-unfinished", tmp_path)
    assert main(COMMANDS["senses"](run)) == 2
    assert ".senses-unfinished is a" in capsys.readouterr().err.replace("\n", "")
    assert {path.name for path in tmp_path.iterdir()} == {"runs"}


def linked(folder: Path, names: tuple[str, ...]) -> Path:
    """A file outside that all of the names lead to."""
    mine = folder.parent / "mine"
    mine.write_bytes(b"mine")
    for name in names:
        (folder / name).symlink_to(mine)
    return mine


def test_an_evaluation_replaces_links(run: Path) -> None:
    mine = linked(run, names := ("evaluation.json", "senses.json", "senses.png", "senses.pdf"))
    assert main(COMMANDS["evaluate"](run)) == 0
    assert main(COMMANDS["senses"](run)) == 0
    assert not any((run / name).is_symlink() for name in names)
    assert mine.read_bytes() == b"mine"


def test_a_film_replaces_links(tmp_path: Path) -> None:
    folder = export("pretrained:peg_insertion", tmp_path / "peg")
    mine = linked(folder, names := ("video.mp4", "video.png", ".video.mp4.part"))
    assert main(COMMANDS["watch"](folder)) == 0
    assert not any((folder / name).is_symlink() for name in names[:2])
    assert mine.read_bytes() == b"mine"


@pytest.mark.parametrize("command", COMMANDS)
def test_checkpoints_of_another_run_are_not_taken_for_its_own(
    command: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = (run / "checkpoints").rename(tmp_path / "other")
    before = sorted(path.name for path in other.iterdir())
    (run / "checkpoints").symlink_to(other)
    status = main(COMMANDS[command](run))
    if command != "runs":
        assert status == 2
        assert (
            "checkpoints is a symbolic link, not a folder; put the folder itself there"
            in capsys.readouterr().err.replace("\n", "")
        )
    assert sorted(path.name for path in other.iterdir()) == before


def test_a_run_folder_may_be_reached_by_a_link(run: Path, tmp_path: Path) -> None:
    (tmp_path / "here").symlink_to(run)
    assert main(COMMANDS["evaluate"](tmp_path / "here")) == 0
    assert (run / "evaluation.json").exists()


CONTENTS = {
    "deep": b'{"train": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "endless number": b'{"train": {"seed": 1' + b"0" * 4000 + b"}}",
    "no number": b'{"train": {"seed": NaN}}',
    "half a character": b'{"train": {"env": "\\ud800"}}',
    "empty": b"",
    "null": b"null",
    "no text": b"\xff\xfe\x00",
    "another": b'{"train": "me"}',
}  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("kind", CONTENTS)
def test_a_bad_config_is_said(kind: str, command: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "config.json").write_bytes(CONTENTS[kind])
    status = main(COMMANDS[command](run))
    said = capsys.readouterr()
    assert status == (0 if command == "runs" else 2)
    assert "config.json" in said.out + said.err or kind == "another"


@pytest.mark.parametrize("kind", CONTENTS)
def test_bad_records_end_no_command_in_a_traceback(kind: str, run: Path) -> None:
    for name in ("metrics.jsonl", "status.json", "evaluation.json", "contexts.jsonl"):
        (run / name).write_bytes(CONTENTS[kind])
    for command in ("runs", "export", "resume"):
        assert main(COMMANDS[command](run)) in (0, 2)


def changed(run: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    """Change the weights of all checkpoints, with a good digest."""
    for path in (run / "checkpoints").glob("*.pt"):
        state = load_checkpoint(path)
        change(state["policy"])
        save_checkpoint(path, state)


@pytest.mark.parametrize(
    ("command", "value"),
    [
        ("evaluate", torch.nan),
        ("senses", torch.inf),
        ("watch", torch.nan),
        ("resume", -torch.inf),
        ("export", torch.nan),
    ],
)
def test_weights_that_are_not_finite_are_refused(
    command: str, value: float, run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = next(
        name
        for name, weight in load_checkpoint(RunFolder(run).checkpoint("last"))["policy"].items()
        if weight.is_floating_point()
    )
    changed(run, lambda weights: weights[name].view(-1)[:1].fill_(value))
    assert main(COMMANDS[command](run)) == 2
    assert f"weights are not finite: {name}" in capsys.readouterr().err.replace("\n", "")


def test_exported_weights_that_are_not_finite_are_refused(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import safetensors.torch

    folder = export(run, tmp_path / "weights")
    weights = safetensors.torch.load_file(folder / "model.safetensors")
    safetensors.torch.save_file(
        {name: weight * torch.nan for name, weight in weights.items()}, folder / "model.safetensors"
    )
    assert main(COMMANDS["evaluate"](folder)) == 2
    assert "weights are not finite" in capsys.readouterr().err


CONFIGS: dict[str, Callable[[dict[str, Any]], object]] = {
    "another sense": lambda document: document["senses"].update(smell=document["senses"]["observation"]),
    "no sense": lambda document: document["senses"].clear(),
    "huge network": lambda document: document["train"]["policy"].update(critic_hidden=[10**30]),
    "large network": lambda document: document["train"]["policy"].update(critic_hidden=[2**60]),
    "large layers": lambda document: document["train"]["policy"].update(actor_hidden=[2**40, 2**40]),
    "endless network": lambda document: document["train"]["policy"].update(critic_hidden=[2**31]),
    "negative network": lambda document: document["train"]["policy"].update(actor_hidden=[-1]),
    "escape": lambda document: document["train"].update(env="\x1b]0;mine\x07"),
}


@pytest.mark.parametrize("command", ["evaluate", "senses", "watch"])
@pytest.mark.parametrize("kind", CONFIGS)
def test_a_damaged_config_is_a_sentence(kind: str, command: str, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    document = json.loads((run / "config.json").read_text())
    CONFIGS[kind](document)
    (run / "config.json").write_text(json.dumps(document))
    assert main(COMMANDS[command](run)) == 2
    said = capsys.readouterr().err
    assert "error: " in said
    assert "\x1b" not in said


def test_checkpoints_of_odd_names_are_no_checkpoints(run: Path) -> None:
    for name in ("step_1x.pt", "step_\x1b]0;mine\x07.pt", "step_" + "9" * 200 + ".pt", "step_٣.pt"):
        (run / "checkpoints" / name).write_bytes(b"")
    assert [path.name for path in RunFolder(run).list_checkpoints()] == [f"step_{STEPS:09d}.pt"]
    assert main(COMMANDS["resume"](run)) == 0
