"""Instructions through every door: trained, resumed, judged on pairs never heard, filmed; learned in minutes."""

from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from tests.trainings import filmed, rates_of, rates_of_the_recipe, recipe_cut_short, require_goes_on, trained_quietly

ENV_ID = "mmrl/ToldInsertion-v0"
QUIET = Console(file=StringIO())


def test_it_is_trained_and_goes_on_and_is_judged_on_other_words_and_filmed(tmp_path: Path) -> None:
    run = trained_quietly(recipe_cut_short(ENV_ID, run_dir=tmp_path / "run"))
    require_goes_on(run, ENV_ID, 96)
    judging = EvaluateConfig(str(run), episodes=4, without=False, context={"words": "held_out"})
    assert len(evaluate_run(judging, QUIET).rows[0].episodes) == 4
    filmed(run, tmp_path / "film.mp4")


@pytest.mark.slow
def test_instructions_never_heard_are_followed_and_the_words_are_needed(tmp_path: Path) -> None:
    heard = rates_of_the_recipe(ENV_ID, tmp_path / "run", context={"words": "train"})
    never_heard = rates_of(tmp_path / "run", context={"words": "held_out"})
    assert heard["all senses"][0] > 0.85
    assert never_heard["all senses"][0] > 0.45
    assert heard["without instruction"][1] < 0.4
