"""Does the walker learn to walk on the flat? Minutes: run by `make test-slow`."""

from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.walking import walking
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train


@pytest.mark.slow
def test_it_walks_after_forty_minutes(tmp_path: Path) -> None:
    recipe = recipe_for("mmrl/Toddler-v0")
    result = train(replace(recipe, seed=11, threads=1, evaluate_episodes=0, run_dir=tmp_path / "run"))
    found = walking(str(result.run_dir), "last", 15, {}, 1000)
    # an untrained policy falls some 60 times a minute and gets nowhere
    assert found.falls_per_minute < 3
    assert found.speed_m_s > 0.06
