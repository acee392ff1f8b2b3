"""A peg that sits in the grasp nobody knows how: trained, resumed, filmed; learned in minutes, by touch."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from mmrl_agents.watching.watch import WatchConfig, watch_run
from tests.trainings import trained_quietly

ENV_ID = "mmrl/GraspedInsertion-v0"


def test_it_is_trained_with_ever_more_turned_pegs_and_goes_on_and_is_filmed(tmp_path: Path) -> None:
    recipe = recipe_for(ENV_ID)
    ppo = replace(recipe.ppo, num_steps=8, minibatch_size=16, epochs=1)
    short = replace(recipe, ppo=ppo, num_worlds=2, total_steps=32, threads=1, device="cpu", evaluate_episodes=0)
    run = trained_quietly(
        replace(
            short,
            env_kwargs={"max_episode_steps": 5},
            curriculum="success_gated",
            vary={"grasp_turn_rad": [0.0, [-0.7, 0.7]], "clearance_mm": [2.24, 0.8]},
            run_dir=tmp_path / "run",
        )
    )
    assert train(TrainConfig(ENV_ID, resume=run, total_steps=48), Console(file=StringIO())).steps == 48
    film = watch_run(WatchConfig(run=str(run), output=tmp_path / "film.mp4", episodes=1), Console(file=StringIO()))
    assert film.stat().st_size > 1000


@pytest.mark.slow
def test_it_is_learned_and_needs_touch_and_the_estimate(tmp_path: Path) -> None:
    recipe = recipe_for(ENV_ID)
    result = train(replace(recipe, seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"))
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), checkpoint="last", episodes=200))
    rates = {row.label: row.success_at_end.interval for row in report.rows}
    assert rates["all senses"][0] > 0.8
    assert rates["without tactile"][1] < 0.4
    assert rates["without hole_estimate"][1] < 0.4
