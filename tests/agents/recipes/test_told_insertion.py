"""Instructions through every door: trained, resumed, judged on pairs never heard, filmed; learned in minutes."""

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

ENV_ID = "mmrl/ToldInsertion-v0"
QUIET = Console(file=StringIO())


def test_it_is_trained_and_goes_on_and_is_judged_on_other_words_and_filmed(tmp_path: Path) -> None:
    recipe = recipe_for(ENV_ID)
    ppo = replace(recipe.ppo, num_steps=8, minibatch_size=16, epochs=1)
    short = replace(recipe, ppo=ppo, num_worlds=2, total_steps=64, threads=1, device="cpu", evaluate_episodes=0)
    run = trained_quietly(replace(short, env_kwargs={"max_episode_steps": 5}, run_dir=tmp_path / "run"))
    assert train(TrainConfig(ENV_ID, resume=run, total_steps=96), QUIET).steps == 96
    judging = EvaluateConfig(str(run), episodes=4, without=False, context={"words": "held_out"})
    assert len(evaluate_run(judging, QUIET).rows[0].episodes) == 4
    film = watch_run(WatchConfig(run=str(run), output=tmp_path / "film.mp4", episodes=1), QUIET)
    assert film.stat().st_size > 1000


@pytest.mark.slow
def test_instructions_never_heard_are_followed_and_the_words_are_needed(tmp_path: Path) -> None:
    result = train(replace(recipe_for(ENV_ID), seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"))
    rates = {}
    for words in ("train", "held_out"):
        config = EvaluateConfig(str(result.run_dir), checkpoint="last", episodes=200, context={"words": words})
        rates[words] = {row.label: row.success_at_end.interval for row in evaluate_run(config).rows}
    assert rates["train"]["all senses"][0] > 0.85
    assert rates["held_out"]["all senses"][0] > 0.45
    assert rates["train"]["without instruction"][1] < 0.4
