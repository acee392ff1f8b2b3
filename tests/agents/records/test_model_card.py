"""The page that goes with published weights."""

import json
from pathlib import Path
from typing import Any

import pytest

from mmrl.evaluation.figures import Figure
from mmrl_agents.records.model_card import model_card
from mmrl_agents.records.runs import RunFolder
from tests.toys.coins import COIN_FIGURES

RATE = {"successes": 2, "trials": 2, "rate": 1.0, "wilson_95": [0.342, 1.0]}
CONFIG = {
    "train": {"env": "Any-v0", "env_kwargs": {}, "context": {}, "agent": "ppo", "seed": 1},
    "versions": {"mmrl": "0"},
    "senses": {"tip": {"history": None, "shape": [2]}},
}
EVALUATION: dict[str, Any] = {
    "weights": "best.pt",
    "episodes": 2,
    "seed": 10_000,
    "config": {"deterministic": True},
    "machine": {"cpus": 2, "device": "cpu"},
}
ROW: dict[str, Any] = {"label": "all senses", "absent": [], "success_at_end": RATE, "success_once": RATE}


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    (tmp_path / "config.json").write_text(json.dumps(CONFIG))
    return RunFolder(tmp_path)


def card_after(run: RunFolder, evaluation: dict[str, Any]) -> str:
    run.evaluation_path.write_text(json.dumps(evaluation))
    return model_card("coin", run, run.best_path, 100, "digest")


def test_declared_figures_stand_in_a_table_with_the_score_first(run: RunFolder) -> None:
    row = {
        **ROW,
        "median_swing_mm": 6.0,
        "quartiles_swing_mm": [5.0, 7.0],
        "median_luck": None,
        "quartiles_luck": None,
        "median_share": 80.0,
        "mean_share": 81.2,
        "mean_share_bootstrap_95": [79.0, 83.9],
    }
    declared = [figure.to_json() for figure in COIN_FIGURES]
    card = card_after(run, {**EVALUATION, "figures": declared, "rows": [row]})
    assert "| senses | share (%), higher is better | swing (mm), lower is better | luck |" in card
    assert "| all senses | 81.2 [79.0, 83.9] | 6.00 [5.00, 7.00] |  |" in card
    assert "| all senses | 100.0 % [34.2, 100.0] | 100.0 % [34.2, 100.0] |" in card


def test_a_context_that_only_the_judge_had_is_named(run: RunFolder) -> None:
    judged = {**EVALUATION, "config": {"deterministic": True, "context": {"wind": 3}}, "rows": [ROW]}
    assert "2 episodes a row, seed 10000, the most probable action, context `wind=3`, on 2 cores" in card_after(
        run, judged
    )
    assert "context `wind" not in card_after(run, {**EVALUATION, "rows": [ROW]})


def test_an_event_stands_as_a_share(run: RunFolder) -> None:
    broken = Figure("broken", better="low", event=True).to_json()
    row = {**ROW, "median_broken": 0.0, "quartiles_broken": [0.0, 0.0], "share_broken": RATE}
    card = card_after(run, {**EVALUATION, "figures": [broken], "rows": [row]})
    assert "| senses | broken, lower is better |" in card
    assert "| all senses | 100.0 % [34.2, 100.0] |\n" in card


def test_an_older_evaluation_tells_its_figures_by_their_medians(run: RunFolder) -> None:
    row = {**ROW, "median_swing_mm": 6.0, "highest_swing_mm": 9.0, "median_luck": None}
    card = card_after(run, {**EVALUATION, "rows": [row]})
    assert "| senses | swing mm |" in card
    assert "| all senses | 6.00 |" in card


def test_without_figures_there_is_no_table_of_them(run: RunFolder) -> None:
    card = card_after(run, {**EVALUATION, "figures": [], "rows": [ROW]})
    assert "| senses | success at end | success once |" in card
    assert "Medians" not in card
