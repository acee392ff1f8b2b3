"""Tapping to hear through every door: trained with senses missing, judged with the sound of another block, filmed."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import av
import numpy as np
import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from mmrl_agents.watching.watch import WatchConfig, watch_run
from tests.trainings import trained_quietly

ENV_ID = "mmrl/TapToHear-v0"


def sound_of(film: Path) -> np.ndarray:
    with av.open(str(film)) as container:
        return np.concatenate([frame.to_ndarray() for frame in container.decode(audio=0)], axis=1)[0]


@pytest.mark.parametrize("sense", ["tap_sound", pytest.param("microphone", marks=pytest.mark.slow)])
def test_it_is_trained_without_a_sense_at_times_goes_on_is_judged_and_filmed_with_its_sound(
    sense: str, tmp_path: Path
) -> None:
    recipe = recipe_for(ENV_ID)
    ppo = replace(recipe.ppo, num_steps=8, minibatch_size=16, epochs=1)
    short = replace(recipe, ppo=ppo, num_worlds=2, total_steps=64, threads=1, device="cpu", evaluate_episodes=0)
    chosen = {"sensors": (sense, "proprioception"), "sense_dropout": 0.3, "run_dir": tmp_path / "run"}
    run = trained_quietly(replace(short, env_kwargs={"max_episode_steps": 5}, **chosen))
    assert train(TrainConfig(ENV_ID, resume=run, total_steps=96), Console(file=StringIO())).steps == 96
    low = {"start_z_m": 0.005, "kind": "steel"}  # falls onto the block at once
    film = watch_run(
        WatchConfig(run=str(run), output=tmp_path / "film.mp4", episodes=1, context=low), Console(file=StringIO())
    )
    assert film.stat().st_size > 1000
    # five steps and the pause, and a pause of silence
    assert len(sound_of(film)) / 48_000 == pytest.approx((6 + 15) / 20, abs=0.05)
    config = EvaluateConfig(run=str(run), checkpoint="last", episodes=4)
    rows = {row.row.label for row in evaluate_senses(config, Console(file=StringIO())).rows}
    assert {f"{sense} swapped", f"without {sense}", f"only {sense}"} <= rows


@pytest.mark.slow
def test_it_is_learned_and_needs_the_sound(tmp_path: Path) -> None:
    result = train(replace(recipe_for(ENV_ID), seed=11, evaluate_episodes=0, run_dir=tmp_path / "run"))
    report = evaluate_run(EvaluateConfig(run=str(result.run_dir), checkpoint="last", episodes=200))
    rates = {row.label: row.success_at_end.interval for row in report.rows}
    assert rates["all senses"][0] > 0.9
    assert rates["without tap_sound"][1] < 0.45
