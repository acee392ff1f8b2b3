"""`mmrl runs` lists good, dead and damaged run folders."""

import json
import os
import re
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from mmrl_agents.cli import main
from mmrl_agents.records.files import write_json
from mmrl_agents.records.list_runs import RunsConfig, Summary, list_runs, summary
from mmrl_agents.records.run_status import RunStatus, write_status
from mmrl_agents.records.runs import RunFolder

PEG = "mmrl/PegInsertion-v0"


def make(path: Path, status: RunStatus | None, *metrics: dict[str, float], seed: int = 1) -> RunFolder:
    run = RunFolder.create(path)
    run.write_config({"env_id": PEG, "train": {"total_steps": 5000, "seed": seed, "recipe": "tight"}})
    run.metrics_path.write_text("".join(json.dumps(line) + "\n" for line in metrics))
    if status is not None:
        write_status(run.status_path, status)
    return run


def judge(run: RunFolder, success: float | None, mean_return: float, episodes: int = 500) -> None:
    row = {"success_at_end": {"rate": success}, "mean_return": mean_return}
    write_json(run.evaluation_path, {"episodes": episodes, "rows": [row, {}]})


def listed(root: Path, sort: Any = "run", **options: Any) -> tuple[list[Summary], str]:
    text = StringIO()
    return list_runs(RunsConfig(root, sort, **options), Console(file=text, width=60)), text.getvalue()


def test_runs_are_listed_with_status_steps_success_and_evaluation(tmp_path: Path) -> None:
    a = make(tmp_path / "a", RunStatus("finished", 5000, 5000, 0.9), {"step": 64}, {"step": 5000, "success_rate": 0.97})
    b = make(tmp_path / "b", RunStatus("running", 128, 5000), {"step": 1024, "mean_return": -21.0}, seed=7)
    make(tmp_path / "c", RunStatus("failed", 96, 5000, 0.25, "no space"))
    make(tmp_path / "d", None)
    judge(a, 0.5, 3.0)
    judge(b, None, 17.0, 100)
    (tmp_path / "notes").mkdir()
    found, text = listed(tmp_path)
    assert found == [
        Summary("a", PEG, "tight", 1, "finished", 5000, 5000, 0.97, None, 0.5, 3.0, 500),
        Summary("b", PEG, "tight", 7, "running", 1024, 5000, None, -21.0, None, 17.0, 100),
        Summary("c", PEG, "tight", 1, "failed", 96, 5000, 0.25, None, None, None, None),
        Summary("d", PEG, "tight", 1, "no status", None, 5000, None, None, None, None, None),
    ]
    rows = [re.split(" {2,}", line) for line in text.splitlines()]
    assert rows == [
        ["run", "environment", "recipe", "seed", "status", "steps", "result", "evaluation"],
        ["a", PEG, "tight", "1", "finished", "5,000/5,000", "success 97.0%", "success 50.0% of 500"],
        ["b", PEG, "tight", "7", "running", "1,024/5,000", "return -21.0", "return 17.0 of 100"],
        ["c", PEG, "tight", "1", "failed", "96/5,000", "success 25.0%", "-"],
        ["d", PEG, "tight", "1", "no status", "0", "-", "-"],
    ]


def test_runs_are_found_at_any_depth_but_not_in_runs_or_hidden_folders(tmp_path: Path) -> None:
    for name in ("camera+touch/seed_1", "camera+touch/seed_2", "touch/seed_1", "touch/seed_1/inner", ".hidden/run"):
        make(tmp_path / name, None)
    (tmp_path / "linked").symlink_to(tmp_path / "touch" / "seed_1")
    (tmp_path / "touch" / "back").symlink_to(tmp_path)  # a circle
    found, _ = listed(tmp_path)
    assert [run.name for run in found] == ["camera+touch/seed_1", "camera+touch/seed_2", "linked", "touch/seed_1"]


def test_every_column_orders_the_runs(tmp_path: Path) -> None:
    one = make(tmp_path / "one", RunStatus("finished", 10, 10), {"step": 10, "success_rate": 0.5}, seed=10)
    two = make(tmp_path / "two", RunStatus("running", 9, 10), {"step": 1000, "success_rate": 0.9}, seed=2)
    make(tmp_path / "void", None, seed=3)
    judge(one, 1.0, 0.0)
    judge(two, 0.0, 0.0)

    def order(column: str) -> list[str]:
        return [run.name for run in listed(tmp_path, column)[0]]

    assert order("steps") == order("result") == ["two", "one", "void"]
    assert order("evaluation") == ["one", "two", "void"]
    assert order("seed") == ["two", "void", "one"]
    assert order("status") == ["one", "void", "two"]
    assert order("recipe") == order("environment") == order("run") == ["one", "two", "void"]


def test_other_programs_get_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge(make(tmp_path / "a", RunStatus("finished", 5000, 5000), {"step": 5000, "success_rate": 0.97}), 0.5, 3.0)
    assert main(["runs", str(tmp_path), "--json"]) == 0
    (run,) = json.loads(capsys.readouterr().out)
    assert (run["name"], run["seed"], run["recipe"], run["evaluated_success"]) == ("a", 1, "tight", 0.5)
    assert main(["runs", str(tmp_path / "a" / "checkpoints"), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == []


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
    evaluation=st.binary(max_size=20)
    | st.sampled_from([b'{"rows": []}', b'{"rows": 3}', b'{"rows": [{"mean_return": []}]}']),
)
def test_damaged_files_are_reported_and_touched_by_nobody(
    tmp_path_factory: pytest.TempPathFactory, config: bytes, status: bytes, metrics: bytes, evaluation: bytes
) -> None:
    run = make(tmp_path_factory.mktemp("runs") / "run", None)
    contents = {run.config_path: config, run.status_path: status, run.metrics_path: metrics}
    contents[run.evaluation_path] = evaluation
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
