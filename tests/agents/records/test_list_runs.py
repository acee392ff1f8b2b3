"""What `mmrl runs` says of good, dead and damaged run folders."""

import json
import os
from io import StringIO
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mmrl_agents.cli import main
from mmrl_agents.records.list_runs import RunsConfig, Summary, list_runs, summary
from mmrl_agents.records.run_status import RunStatus, write_status
from mmrl_agents.records.runs import RunFolder


def make(path: Path, status: RunStatus | None, *metrics: dict[str, float]) -> RunFolder:
    run = RunFolder.create(path)
    run.write_config({"env_id": "mmrl/PegInsertion-v0", "train": {"total_steps": 5000}})
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in metrics))
    if status is not None:
        write_status(run.status_path, status)
    return run


def listed(root: Path) -> tuple[list[Summary], str]:
    text = StringIO()
    return list_runs(RunsConfig(root), Console(file=text, width=200)), text.getvalue()


def test_runs_are_listed_with_status_steps_and_success(tmp_path: Path) -> None:
    make(tmp_path / "a", RunStatus("finished", 5000, 5000, 0.9), {"step": 64}, {"step": 5000, "success_rate": 0.975})
    make(tmp_path / "b", RunStatus("running", 128, 5000), {"step": 1024, "mean_return": -21.0})
    make(tmp_path / "c", RunStatus("failed", 96, 5000, 0.25, "no space"))
    make(tmp_path / "d", None)
    (tmp_path / "notes").mkdir()
    found, text = listed(tmp_path)
    peg = "mmrl/PegInsertion-v0"
    assert found == [
        Summary("a", peg, "finished", 5000, 5000, "success 97.5%"),
        Summary("b", peg, "running", 1024, 5000, "return -21.0"),
        Summary("c", peg, "failed", 96, 5000, "success 25.0%"),
        Summary("d", peg, "no status", None, 5000, ""),
    ]
    rows = [line.split() for line in text.splitlines() if peg in line]
    assert rows[0] == ["a", peg, "finished", "5,000/5,000", "success", "97.5%"]
    assert rows[3] == ["d", peg, "no", "status", "0"]


def test_a_run_may_be_named_itself(tmp_path: Path) -> None:
    make(tmp_path / "run", RunStatus("interrupted", 7, 9))
    found, _ = listed(tmp_path / "run")
    assert [(run.name, run.state, run.step) for run in found] == [("run", "interrupted", 7)]


def test_no_runs_are_said(tmp_path: Path) -> None:
    found, text = listed(tmp_path)
    assert found == []
    assert "no runs in" in text
    with pytest.raises(FileNotFoundError, match="is no folder"):
        listed(tmp_path / "gone")


@given(
    config=st.binary(max_size=40)
    | st.sampled_from([b"[]", b"{}", b'{"train": 3}', b'{"train": {"total_steps": "x"}}']),
    status=st.binary(max_size=40) | st.just(b"{}"),
    metrics=st.binary(max_size=60) | st.sampled_from([b'{"step": 3}\n{"ste', b'{"step": "x", "success_rate": NaN}\n']),
)
def test_damaged_files_are_told_and_touched_by_nobody(
    tmp_path_factory: pytest.TempPathFactory, config: bytes, status: bytes, metrics: bytes
) -> None:
    run = make(tmp_path_factory.mktemp("runs") / "run", None)
    contents = {run.config_path: config, run.status_path: status, run.metrics_path: metrics}
    for path, content in contents.items():
        path.write_bytes(content)
    said = summary(run.path)
    assert "status.json damaged" in said.state
    listed(run.path.parent)
    assert {path: path.read_bytes() for path in contents} == contents


def test_the_command_line_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    make(tmp_path / "peg[red]", RunStatus("finished", 5000, 5000, 1.0))  # a name that looks like markup
    assert main(["runs", str(tmp_path)]) == 0
    assert "peg[red]" in capsys.readouterr().out
    assert main(["runs", str(tmp_path / "gone")]) == 2
    assert "is no folder" in capsys.readouterr().err


BAD_CONFIGS = {
    "deep": b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "endless": b'{"train": {"total_steps": 1' + b"0" * 400 + b"}}",
    "half": b'{"env_id": "\\ud800"}',
    "nan": b'{"env_id": NaN}',
}


def test_the_rest_is_listed_and_the_bad_ones_are_named(tmp_path: Path) -> None:
    make(tmp_path / "good", RunStatus("finished", 7, 9), {"step": 7, "success_rate": 1.0})
    for name, content in BAD_CONFIGS.items():
        make(tmp_path / name, None).config_path.write_bytes(content)
    for name in ("config.json", "metrics.jsonl", "status.json"):
        run = make(tmp_path / f"pipe {name}", RunStatus("finished", 7, 9))
        (run.path / name).unlink()
        os.mkfifo(run.path / name)
    huge = make(tmp_path / "huge", None)
    huge.metrics_path.write_text('{"step": 7, "success_rate": 1' + "0" * 400 + "}\n")
    found, text = listed(tmp_path)
    states = {run.name: run.state for run in found}
    assert states["good"] == "finished"
    assert states["deep"] == "config.json: nested deeper than 64 lists or objects"
    assert states["endless"].startswith("config.json: not JSON (an integer needs more")
    assert states["half"].startswith("config.json: not JSON (half a character")
    assert states["pipe config.json"].startswith("config.json is a named pipe")
    assert states["pipe metrics.jsonl"] == "finished"
    assert states["pipe status.json"] == "status.json damaged"
    assert len(found) == len(states) == 9
    assert "success 100.0%" in text


def test_a_terminal_obeys_no_file(tmp_path: Path) -> None:
    run = make(tmp_path / "run\x1b]0;mine\x07", None)
    run.write_config({"env_id": "\x1b[31mred\u202e", "train": {}})
    _, text = listed(tmp_path)
    assert text.isprintable() or not set(text) & {"\x1b", "\x07", "\u202e"}
    assert r"\x1b[31mred\u202e" in text
