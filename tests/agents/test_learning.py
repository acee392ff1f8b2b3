"""Does it learn? Minutes each: run by `make test-slow`."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmrl_agents.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.recipes import recipe_for
from mmrl_agents.train import train


@pytest.mark.slow
def test_peg_insertion_is_learned_and_needs_its_camera(tmp_path: Path) -> None:
    recipe = recipe_for("mmrl/PegInsertion-v0")
    result = train(replace(recipe, seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"))
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), checkpoint="last", episodes=200))
    rows = {row.label: row for row in report.rows}
    low, _ = rows["all senses"].success_at_end.interval
    assert low > 0.9
    # No other sense knows where the hole is.
    _, high = rows["without camera"].success_at_end.interval
    assert high < 0.5
    assert result.metrics["physics_errors"] == 0
