"""Tapping to hear through every door: trained with senses missing, judged with the sound of another block, filmed."""

from io import StringIO
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from tests.trainings import filmed, rates_of_the_recipe, recipe_cut_short, require_goes_on, trained_quietly

ENV_ID = "mmrl/TapToHear-v0"


def sound_of(film: Path) -> np.ndarray:
    with av.open(str(film)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]


@pytest.mark.parametrize("sense", ["tap_sound", pytest.param("microphone", marks=pytest.mark.slow)])
def test_it_is_trained_without_a_sense_at_times_goes_on_is_judged_and_filmed_with_its_sound(
    sense: str, tmp_path: Path
) -> None:
    chosen = {"sensors": (sense, "proprioception"), "sense_dropout": 0.3, "run_dir": tmp_path / "run"}
    run = trained_quietly(recipe_cut_short(ENV_ID, **chosen))
    require_goes_on(run, ENV_ID, 96)
    low = {"start_z_m": 0.005, "kind": "steel"}  # falls onto the block at once
    film = filmed(run, tmp_path / "film.mp4", context=low)
    # five steps and the pause, and a pause of silence
    assert len(sound_of(film)) / 48_000 == pytest.approx((6 + 15) / 20, abs=0.05)
    config = EvaluateConfig(run=str(run), checkpoint="last", episodes=4)
    rows = {row.row.label for row in evaluate_senses(config, Console(file=StringIO())).rows}
    assert {f"{sense} swapped", f"without {sense}", f"only {sense}"} <= rows


@pytest.mark.slow
def test_it_is_learned_and_needs_the_sound(tmp_path: Path) -> None:
    rates = rates_of_the_recipe(ENV_ID, tmp_path / "run")
    assert rates["all senses"][0] > 0.9
    assert rates["without tap_sound"][1] < 0.45
