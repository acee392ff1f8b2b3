"""Wiping through every door: trained with a curriculum of forces, resumed, filmed; learned in minutes."""

from pathlib import Path

import pytest

from tests.trainings import filmed, rates_of_the_recipe, recipe_cut_short, require_goes_on, trained_quietly

ENV_ID = "mmrl/Wipe-v0"


def test_it_is_trained_by_ever_narrower_bands_of_force_and_goes_on_and_is_filmed(tmp_path: Path) -> None:
    bands = {"most_press_n": [25.0, 12.0], "scratch_n": [200.0, 25.0]}
    run = trained_quietly(recipe_cut_short(ENV_ID, curriculum="success_gated", vary=bands, run_dir=tmp_path / "run"))
    require_goes_on(run, ENV_ID, 96)
    filmed(run, tmp_path / "film.mp4")


@pytest.mark.slow
def test_it_is_learned_and_needs_camera_and_wrench(tmp_path: Path) -> None:
    rates = rates_of_the_recipe(ENV_ID, tmp_path / "run")
    assert rates["all senses"][0] > 0.85
    assert rates["without camera"][1] < 0.6
    assert rates["without force_torque"][1] < 0.6
