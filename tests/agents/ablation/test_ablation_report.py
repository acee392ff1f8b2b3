"""Curves and scores of an ablation, from what runs leave behind."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mmrl_agents.ablation.ablation_picture import draw
from mmrl_agents.ablation.ablation_report import write_report
from mmrl_agents.ablation.results import Judged, between, report_of
from tests.toys.coins import COIN_FIGURES

SWING = COIN_FIGURES[0]


def leave_run(folder: Path, log: list[dict[str, Any]], rate: float | None, swing: float | None = None) -> Path:
    folder.mkdir(parents=True)
    (folder / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in log))
    row = {"success_at_end": {"rate": rate, "trials": 0 if rate is None else 10}, "mean_return": 3.0}
    evaluation = {"rows": [{**row, "median_swing_mm": swing}], "figures": [SWING.to_json()]}
    (folder / "evaluation.json").write_text(json.dumps(evaluation))
    return folder


def test_a_figure_lies_between_those_logged_and_is_held_after_the_last() -> None:
    log: list[dict[str, Any]] = [{"step": 10, "x": 1.0}, {"step": 20, "x": None}, {"step": 30, "x": 3.0}, {"step": 35}]
    steps = np.array([5.0, 10.0, 25.0, 30.0, 90.0])
    np.testing.assert_array_equal(between(log, "x", steps), [np.nan, 1.0, 2.5, 3.0, 3.0])
    assert np.isnan(between(log, "y", steps)).all()


def test_subsets_are_ordered_by_their_score_and_curves_are_means_over_seeds(tmp_path: Path) -> None:
    log = [{"step": 50, "success_rate": 0.2}, {"step": 100, "success_rate": 0.4}]
    other = [{"step": 50, "success_rate": 0.4}, {"step": 60, "success_rate": 1.0}]  # stopped early
    judged = [
        Judged(("touch",), 1, leave_run(tmp_path / "t1", log, 0.1, 5.0)),
        Judged(("touch",), 2, leave_run(tmp_path / "t2", log, 0.3, 7.0)),
        Judged(("touch", "sight"), 1, leave_run(tmp_path / "b1", log, 0.5, 1.0)),
        Judged(("touch", "sight"), 2, leave_run(tmp_path / "b2", other, 0.9, 2.0)),
    ]
    report = report_of("Any-v0", judged)
    both, touch = report.subsets
    assert report.metric.key == "success_rate"
    assert (both.senses, touch.senses) == (("touch", "sight"), ("touch",))
    assert both.score.value == pytest.approx(0.7)
    assert (both.score.low, both.score.high) == (0.5, 0.9)
    assert [figure.name for figure in report.figures] == ["swing_mm"]
    assert touch.figures["swing_mm"].value == 6.0
    assert report.to_json()["subsets"][1]["median_swing_mm"]["iqm"] == 6.0
    # At step 50 the seeds have 0.2 and 0.4, at 100 they have 0.4 and, held, 1.0.
    assert both.steps[0] == 50.0
    assert both.curve[:, 0].tolist() == pytest.approx([0.3, 0.2, 0.4])
    assert both.curve[:, -1].tolist() == pytest.approx([0.7, 0.4, 1.0])
    assert both.score.text(100.0, 1) == "70.0 [50.0, 90.0]"
    draw(report, tmp_path / "curves.png")
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_the_same_episodes_all_along_are_preferred_and_a_single_seed_has_no_interval(tmp_path: Path) -> None:
    log = [{"step": 8, "success_rate": 0.2, "judged/success_rate": 0.6}, {"step": 16, "success_rate": 0.7}]
    report = report_of("Any-v0", [Judged(("touch",), 4, leave_run(tmp_path / "run", log, 0.25))])
    assert report.metric.key == "judged/success_rate"
    (touch,) = report.subsets
    assert touch.score.to_json() == {"iqm": 0.25, "bootstrap_95": None, "by_seed": {"4": 0.25}}
    assert touch.score.text(100.0, 1) == "25.0"
    assert (report.figures, touch.figures) == ((), {})
    assert touch.to_json()["curve"]["low"] == [None] * len(touch.steps)
    draw(report, tmp_path / "curves.png")


@pytest.mark.parametrize("log", [[], [{"step": 8, "policy_loss": 0.1}], [{"step": 8, "mean_return": None}]])
def test_scores_are_reported_where_no_training_episode_ended(tmp_path: Path, log: list[dict[str, Any]]) -> None:
    longer = [{"step": 8, "success_rate": 0.1}, {"step": 16, "success_rate": 0.3}]
    judged = [
        Judged(("touch",), 1, leave_run(tmp_path / "t", log, 0.25, 5.0)),
        Judged(("sight",), 1, leave_run(tmp_path / "s", longer, 0.5, 4.0)),
    ]
    said = io.StringIO()
    report = write_report(tmp_path, "Any-v0", judged, Console(file=said, width=200))
    assert [subset.score.value for subset in report.subsets] == [0.5, 0.25]
    assert all(not subset.steps.size for subset in report.subsets)
    assert "no curves: no training logged an episode that ended; train for more --total-steps" in said.getvalue()
    assert json.loads((tmp_path / "results.json").read_text())["subsets"][1]["curve"]["steps"] == []
    assert (tmp_path / "curves.png").stat().st_size > 10_000


def test_without_success_the_return_is_the_score(tmp_path: Path) -> None:
    log = [{"step": 8, "mean_return": -1.0}]
    report = report_of("Any-v0", [Judged(("touch",), 1, leave_run(tmp_path / "run", log, None))])
    assert not report.knows_success
    assert report.subsets[0].score.value == 3.0
    assert report.metric.key == "mean_return"


def test_runs_of_an_older_version_tell_their_figures_by_medians_alone(tmp_path: Path) -> None:
    folder = leave_run(tmp_path / "run", [{"step": 8, "success_rate": 0.2}], 0.5, 7.0)
    older = json.loads((folder / "evaluation.json").read_text())
    del older["figures"]
    (folder / "evaluation.json").write_text(json.dumps(older))
    report = report_of("Any-v0", [Judged(("touch",), 1, folder)])
    assert [figure.heading for figure in report.figures] == ["swing mm"]
    assert report.subsets[0].figures["swing_mm"].value == 7.0


def test_the_tables_and_the_files_show_what_the_environment_declares(tmp_path: Path) -> None:
    run = leave_run(tmp_path / "run", [{"step": 8, "success_rate": 0.2}], 0.5, 7.0)
    text = io.StringIO()
    write_report(tmp_path, "Any-v0", [Judged(("touch",), 1, run)], Console(file=text, width=100))
    assert "swing (mm)" in text.getvalue()
    assert "7.00" in text.getvalue()
    document = json.loads((tmp_path / "results.json").read_text())
    assert document["figures"] == [SWING.to_json()]
    assert document["subsets"][0]["median_swing_mm"]["by_seed"] == {"1": 7.0}
    assert (tmp_path / "curves.png").stat().st_size > 10_000
