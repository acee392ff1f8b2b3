"""A peg that sits in the grasp nobody knows how: trained, resumed, filmed; learned in minutes, by touch."""

from pathlib import Path

import pytest

from tests.trainings import filmed, rates_of_the_recipe, recipe_cut_short, require_goes_on, trained_quietly

ENV_ID = "mmrl/GraspedInsertion-v0"


def test_it_is_trained_with_ever_more_turned_pegs_and_goes_on_and_is_filmed(tmp_path: Path) -> None:
    harder = {"grasp_turn_rad": [0.0, [-0.7, 0.7]], "clearance_mm": [2.24, 0.8]}
    cut = {"curriculum": "success_gated", "vary": harder, "total_steps": 32}
    run = trained_quietly(recipe_cut_short(ENV_ID, **cut, run_dir=tmp_path / "run"))
    require_goes_on(run, ENV_ID, 48)
    filmed(run, tmp_path / "film.mp4")


@pytest.mark.slow
def test_it_is_learned_and_needs_touch_and_the_estimate(tmp_path: Path) -> None:
    rates = rates_of_the_recipe(ENV_ID, tmp_path / "run")
    assert rates["all senses"][0] > 0.8
    assert rates["without tactile"][1] < 0.4
    assert rates["without hole_estimate"][1] < 0.4
