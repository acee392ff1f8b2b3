"""Trackers of experiments: offline ones get what is logged, and none that dies ends a training."""

import importlib
import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mmrl_agents.cli import main
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.training import tracking
from mmrl_agents.training.tracking import PLACES, LastingTracking, NotTracked, flat, tracked
from tests.trainings import POLE, json_lines, trained_quietly


class Notebook:
    """A tracker that writes down its calls, and fails in those that it is told to."""

    def __init__(self, failing: str = "") -> None:
        self.failing = failing
        self.calls: list[tuple[Any, ...]] = []

    def _note(self, *call: Any) -> None:
        self.calls.append(call)
        if call[0] == self.failing:
            raise RuntimeError("no route to host\nand more")

    def begin(self, run: Path, settings: Mapping[str, Any], earlier: str | None) -> str:
        self._note("begin", run.name, settings["seed"], earlier)
        return "page 1"

    def log(self, step: int, metrics: Mapping[str, float]) -> None:
        self._note("log", step, dict(metrics))

    def end(self, *, failed: bool) -> None:
        self._note("end", failed)


def run_in(folder: Path) -> RunFolder:
    folder.mkdir(exist_ok=True)
    return RunFolder(folder)


def test_it_begins_with_the_first_numbers_and_leaves_out_what_is_not_finite(tmp_path: Path) -> None:
    notebook = Notebook()
    with tracked({"notebook": notebook}, run_in(tmp_path / "run"), {"seed": 3}) as to:
        assert notebook.calls == []
        to.log(8, {"loss": 0.5, "entropy": float("nan")})
        to.log(16, {"loss": 0.25})
    assert notebook.calls == [
        ("begin", "run", 3, None),
        ("log", 8, {"loss": 0.5}),
        ("log", 16, {"loss": 0.25}),
        ("end", False),
    ]


def test_a_resumed_run_goes_on_in_the_same_place(tmp_path: Path) -> None:
    run = run_in(tmp_path / "run")
    LastingTracking({"notebook": Notebook()}, run, {"seed": 3}).log(8, {"loss": 0.5})
    assert json.loads((run.path / PLACES).read_text()) == {"notebook": "page 1"}
    again = Notebook()
    LastingTracking({"notebook": again}, run, {"seed": 3}).log(16, {"loss": 0.5})
    assert again.calls[0] == ("begin", "run", 3, "page 1")


@pytest.mark.parametrize(("failing", "calls"), [("begin", 1), ("log", 2)])
def test_one_that_fails_is_asked_no_more_while_others_go_on(tmp_path: Path, failing: str, calls: int) -> None:
    bad, good = Notebook(failing), Notebook()
    to = LastingTracking({"bad": bad, "good": good}, run_in(tmp_path / "run"), {"seed": 3})
    with pytest.warns(NotTracked, match=r"bad gets nothing more \(no route to host\); training goes on"):
        to.log(8, {"loss": 0.5})
    to.log(16, {"loss": 0.5})
    to.end(failed=False)
    assert len(bad.calls) == calls
    assert [call[0] for call in good.calls] == ["begin", "log", "log", "end"]


def test_a_failed_training_is_reported_as_such(tmp_path: Path) -> None:
    notebook = Notebook()

    def fails() -> None:
        with tracked({"notebook": notebook}, run_in(tmp_path / "run"), {"seed": 3}) as to:
            to.log(8, {})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fails()
    assert notebook.calls[-1] == ("end", True)


def test_a_training_outlives_its_tracker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dying, plain = Notebook("log"), trained_quietly(replace(POLE, run_dir=tmp_path / "plain"))
    monkeypatch.setattr(tracking, "TRACKERS", {"wandb": lambda: dying})
    with pytest.warns(NotTracked):
        run = trained_quietly(replace(POLE, run_dir=tmp_path / "run", track="wandb"))
    of_time = {"steps_per_second", "collect_seconds", "update_seconds", "wall_time_s"}
    logs = [
        [{k: v for k, v in line.items() if k not in of_time} for line in json_lines(one / "metrics.jsonl")]
        for one in (run, plain)
    ]
    assert logs[0] == logs[1]


def test_a_package_that_is_missing_is_named_before_anything_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "wandb", None)
    with pytest.raises(ImportError, match=r"needs wandb: pip install 'mmrl\[wandb\]'"):
        trained_quietly(replace(POLE, run_dir=tmp_path / "run", track="wandb"))
    assert not (tmp_path / "run").exists()
    with pytest.raises(SystemExit):
        main(["train", "CartPole-v1", "--track", "paper"])
    assert "paper" in capsys.readouterr().err


def test_settings_are_flat() -> None:
    assert flat({"a": 1, "ppo": {"clip": 0.2, "more": {}}}) == {"a": 1, "ppo.clip": 0.2}


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_mlflow_has_the_curves_and_the_settings_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed: pip install 'mmrl[mlflow]'")
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run", track="mlflow"))
    logged = json_lines(run / "metrics.jsonl")
    client = mlflow.MlflowClient()
    place = json.loads((run / PLACES).read_text())["mlflow"]
    history = client.get_metric_history(place, "value_loss")
    assert [(one.step, one.value) for one in history] == [(line["step"], line["value_loss"]) for line in logged]
    kept = client.get_run(place)
    assert (kept.info.status, kept.info.run_name) == ("FINISHED", "run")
    assert kept.data.params["ppo.minibatch_size"] == "16"
    trained_quietly(replace(POLE, resume=run, run_dir=None, total_steps=96, track="mlflow"))
    steps = [one.step for one in client.get_metric_history(place, "value_loss")]
    assert steps == [line["step"] for line in json_lines(run / "metrics.jsonl")]
    assert len(steps) == len(logged) + 1


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_wandb_offline_leaves_its_files_in_the_run_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("wandb", reason="wandb is not installed: pip install 'mmrl[wandb]'")
    monkeypatch.setenv("WANDB_MODE", "offline")
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run", track="wandb"))
    place = json.loads((run / PLACES).read_text())["wandb"]
    (kept,) = run.glob(f"wandb/offline-run-*-{place}/run-{place}.wandb")
    content = kept.read_bytes()
    assert b"value_loss" in content
    assert b"minibatch_size" in content


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_trackio_has_the_curves_and_the_settings_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))  # which it reads when it is imported
    trackio = pytest.importorskip("trackio", reason="trackio is not installed: pip install 'mmrl[trackio]'")
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run", track="trackio"))
    trained_quietly(replace(POLE, resume=run, run_dir=None, total_steps=96, track="trackio"))
    logged = json_lines(run / "metrics.jsonl")
    (kept,) = trackio.Api().runs("mmrl")
    assert kept.name == json.loads((run / PLACES).read_text())["trackio"]
    assert kept.config["ppo.minibatch_size"] == 16
    rows = importlib.import_module("trackio.sqlite_storage").SQLiteStorage.get_logs("mmrl", kept.name)
    assert {row["step"]: row["value_loss"] for row in rows} == {line["step"]: line["value_loss"] for line in logged}
