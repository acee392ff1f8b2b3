"""Lifting what slips or breaks: trained, resumed, filmed; learned in minutes, by touch."""

from dataclasses import replace
from pathlib import Path

import pytest

from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from tests.trainings import filmed, rates_of, rates_of_the_recipe, recipe_cut_short, require_goes_on, trained_quietly

ENV_ID = "mmrl/FragileLift-v0"


def test_it_is_trained_with_objects_that_break_ever_more_easily_and_goes_on_and_is_filmed(tmp_path: Path) -> None:
    run = trained_quietly(recipe_cut_short(ENV_ID, total_steps=32, run_dir=tmp_path / "run"))
    require_goes_on(run, ENV_ID, 48)
    filmed(run, tmp_path / "film.mp4")


@pytest.mark.slow
def test_it_is_learned_and_by_touch(tmp_path: Path) -> None:
    assert rates_of_the_recipe(ENV_ID, tmp_path / "run", without=False)["all senses"][0] > 0.8
    blind = replace(recipe_for(ENV_ID), sensors=("joint_proprioception",), seed=11, run_dir=tmp_path / "blind")
    train(replace(blind, evaluate_episodes=0))
    assert rates_of(tmp_path / "blind", without=False)["all senses"][1] < 0.5
