"""The worth of each sense to the policy of a run: printed, written, drawn, and continued where it stopped."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import tyro
from PIL import Image
from rich.console import Console

import mmrl_agents.evaluation.evaluate_senses as module
from mmrl.worth import BrokenWays, SensesReport
from mmrl_agents.cli import main
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.evaluation.finished_conditions import FinishedConditions
from mmrl_agents.evaluation.senses_picture import draw_senses
from mmrl_agents.training.train import train
from tests.toys.dials import SidedDial
from tests.trainings import moment_in

ENV_ID, SILENT_ID = "test-senses/Dial-v0", "test-senses/Silent-v0"


SHORT = moment_in(ENV_ID)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    for env_id, reports in ((ENV_ID, True), (SILENT_ID, False)):
        if env_id not in gym.registry:
            gym.register(env_id, entry_point=SidedDial, kwargs={"reports": reports})
    folders = {env_id: tmp_path_factory.mktemp("runs") / "run" for env_id in (ENV_ID, SILENT_ID)}
    for env_id, folder in folders.items():
        train(replace(SHORT, env=env_id, run_dir=folder), Console(file=io.StringIO()))
    return folders


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures take longest and look alike."""
    monkeypatch.setattr(module, "draw_senses", lambda report, path, title: ())


FEW, NO_LEVELS = BrokenWays(noise=(1.0,), delay=(1,)), BrokenWays(noise=(), delay=())


def judge(run: Path, **options: Any) -> tuple[SensesReport, str]:
    text = io.StringIO()
    config = EvaluateConfig(
        **{"run": str(run), "episodes": 6, "num_worlds": 3, "senses": True, "faults": FEW, **options}
    )
    return evaluate_senses(config, Console(file=text, width=100)), text.getvalue()


@pytest.fixture(scope="module")
def judged(runs: dict[str, Path]) -> tuple[SensesReport, str]:
    return judge(runs[ENV_ID])


def test_the_table_is_printed_written_and_drawn(
    runs: dict[str, Path], judged: tuple[SensesReport, str], tmp_path: Path
) -> None:
    run = runs[ENV_ID]
    report, text = judged
    for part in ("without dial", "only mark", "no senses", "mark noisy 1 sd", "dial delayed 1", "mark swapped"):
        assert part in text
    for part in ("Shapley value", "complementarity: all senses over", "Tango", "6 episodes a row"):
        assert part in text
    for part in ("mean share (%)", "80.0 [80.0, 80.0]", "swing (mm)", "luck", "Lower is better: swing (mm)."):
        assert part in text
    document = json.loads((run / "senses.json").read_text())
    assert document["rows"] == json.loads(json.dumps(report.to_json()["rows"], allow_nan=False))
    assert document["worth"]["measure"] == "success_at_end"
    assert document["config"]["faults"] == {
        "noise": [1.0],
        "image_noise": [20.0, 60.0],
        "delay": [1],
        "frozen_after": 0,
    }
    assert {"versions", "machine", "weights", "env_id"} <= document.keys()
    with Image.open(run / "senses.png") as picture:
        assert picture.width == 1960  # 5.6 inches of bars and 1.4 of each figure, 200 dots each
        assert len(picture.getcolors(1 << 24) or ()) > 20
    assert (run / "senses.pdf").read_bytes().startswith(b"%PDF")
    assert not list(run.glob(".*"))
    again = draw_senses(report, tmp_path / "again.json", f"{ENV_ID}, 6 episodes a row")
    assert [path.read_bytes() for path in again] == [(run / f"senses.{kind}").read_bytes() for kind in ("png", "pdf")]


def test_the_first_rows_are_those_of_the_quick_report(runs: dict[str, Path], judged: tuple[SensesReport, str]) -> None:
    report, _ = judged
    quick = evaluate_run(EvaluateConfig(str(runs[ENV_ID]), episodes=6, num_worlds=3), Console(file=io.StringIO()))
    assert [row.to_json() for row in quick.rows] == [row.row.to_json() for row in report.rows[: len(quick.rows)]]


@pytest.mark.usefixtures("undrawn")
def test_drawn_actions_are_the_same_under_every_condition(runs: dict[str, Path]) -> None:
    """Noise too small to change a float leaves nothing that could differ."""
    faint = BrokenWays(noise=(1e-30,), delay=())
    report, _ = judge(runs[ENV_ID], deterministic=False, faults=faint, episodes=3)
    returns = {row.condition.label: row.row.episodes.episode_return.tolist() for row in report.rows}
    assert returns["dial noisy 1e-30 sd"] == returns["mark noisy 1e-30 sd"] == returns["all senses"]
    assert returns["dial frozen"] != returns["all senses"]


def test_where_nothing_tells_success_returns_are_compared(runs: dict[str, Path]) -> None:
    report, text = judge(runs[SILENT_ID], faults=NO_LEVELS)
    assert report.worth.measure == "episode_return"
    assert "mean return" in text
    assert "success" not in text
    assert "bootstrap" in text
    rows = json.loads((runs[SILENT_ID] / "senses.json").read_text())["rows"]
    means = {row["label"]: row["mean_return"] for row in rows}
    change = next(row for row in rows if row["label"] == "mark zeros")["return_change"]["value"]
    assert change == pytest.approx(means["mark zeros"] - means["all senses"])


@pytest.mark.usefixtures("undrawn")
def test_a_lone_world_swaps_nothing_and_that_is_said(runs: dict[str, Path], tmp_path: Path) -> None:
    report, text = judge(runs[ENV_ID], num_worlds=1, episodes=2, faults=NO_LEVELS, output=tmp_path / "lone.json")
    assert "rows of swapped senses are left out" in text
    assert not [row for row in report.rows if "swapped" in row.condition.label]
    assert {path.name for path in tmp_path.iterdir()} == {"lone.json"}


@pytest.mark.usefixtures("undrawn")
def test_what_was_finished_before_an_interruption_is_not_played_again(
    runs: dict[str, Path], judged: tuple[SensesReport, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = {"output": tmp_path / "cut.json"}
    real, made = module.TorchPolicy, []

    class Counted(real):  # type: ignore[misc, valid-type]  # a spy
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            made.append(1)
            if len(made) == 6:
                raise KeyboardInterrupt
            super().__init__(*args, **kwargs)

    monkeypatch.setattr(module, "TorchPolicy", Counted)
    with pytest.raises(KeyboardInterrupt):
        judge(runs[ENV_ID], **wanted)
    assert (tmp_path / ".cut-unfinished").is_dir()
    report, text = judge(runs[ENV_ID], **wanted)
    assert "going on with an evaluation that was interrupted" in text
    # all, without either (which are only the other), none, and 5 ways for both; 5 were finished, one was cut short
    assert len(made) == (4 + 10) + 1
    assert report.to_json() == judged[0].to_json()
    assert not list(tmp_path.glob(".*"))


def test_another_evaluation_does_not_take_over_what_one_left(tmp_path: Path) -> None:
    one = FinishedConditions(tmp_path / "kept", {"seed": 1})
    one.put("a", {"file": np.arange(3), "x": np.zeros((0, 2))})
    again = FinishedConditions(tmp_path / "kept", {"seed": 1})
    kept = again.get("a")
    assert kept is not None
    assert {name: array.tolist() for name, array in kept.items()} == {"file": [0, 1, 2], "x": []}
    assert again.get("b") is None
    next((tmp_path / "kept").glob("*.npz")).write_bytes(b"damaged")
    assert again.get("a") is None
    assert FinishedConditions(tmp_path / "kept", {"seed": 2}).count == 0
    again.discard()
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
@pytest.mark.usefixtures("undrawn")
def test_games_that_would_repeat_each_other_are_played_with_sticky_actions(tmp_path: Path) -> None:
    pytest.importorskip("ale_py")
    output = tmp_path / "senses.json"
    options = {"num_worlds": 2, "episodes": 2, "episode_limit": 2, "output": output, "device": "cpu"}
    _, text = judge("pretrained:pong_reinforce", **options)  # type: ignore[arg-type]  # a name will do
    assert "Played with sticky actions 0.25" in text
    assert json.loads(output.read_text())["world"]["sticky"] == 0.25


def test_the_command_line_asks_for_the_table(runs: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    (runs[ENV_ID] / "senses.json").unlink(missing_ok=True)
    command = ["evaluate", str(runs[ENV_ID]), "--senses", "--episodes", "2", "--num-worlds", "2"]
    assert (
        main(
            [*command, "--faults.delay", "1", "--faults.noise", "0.5", "--faults.frozen-after", "2", "--device", "cpu"]
        )
        == 0
    )
    assert "Shapley value" in capsys.readouterr().out
    assert (runs[ENV_ID] / "senses.json").exists()
    with pytest.raises(SystemExit):
        main([*command, "--faults.delay", "0"])
    assert "Delayed.steps must be a whole number >= 1, got 0" in " ".join(capsys.readouterr().err.split())
    assert tyro.cli(EvaluateConfig, args=["runs/a"]) == EvaluateConfig("runs/a", senses=False, without=True)
