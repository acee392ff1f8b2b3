"""Does a policy learn to hear a click with its wrist? Minutes: run by `make test-slow`."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train


@pytest.mark.slow
def test_it_says_done_after_the_click(tmp_path: Path) -> None:
    recipe = recipe_for("mmrl/ClickPlug-v0")
    result = train(replace(recipe, seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"), Console(file=StringIO()))
    judge = EvaluateConfig(run=str(result.run_dir), episodes=200, checkpoint="last", without=False, device="cpu")
    (row,) = evaluate_run(judge, Console(file=StringIO())).rows
    # without touch a third of the episodes is what the best depth to stop at gives
    success = row.success_at_end.rate
    assert success is not None
    assert success > 0.8
