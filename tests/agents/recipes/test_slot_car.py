"""The slot car through every door: trained with a curriculum, resumed, judged, filmed."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.train import train
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.watch import watch_run
from mmrl_envs.tasks.slot.tracks import HELD_OUT
from tests.trainings import recipe_cut_short, trained_quietly

ENV_ID = "mmrl/SlotCar-v0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_quietly(
        recipe_cut_short(
            ENV_ID,
            context={"track": ["oval", "loopy"], "grip": [0.9, 1.1]},
            curriculum="linear",
            vary={"latency_s": [0.02, [0.02, 0.1]]},
            run_dir=tmp_path_factory.mktemp("slot_car") / "run",
        )
    )


def test_it_goes_on_where_it_was(run: Path) -> None:
    result = train(TrainConfig(ENV_ID, resume=run, total_steps=96), Console(file=StringIO()))
    assert result.steps == 96


def test_it_is_judged_by_its_figures_on_a_track_it_never_saw(run: Path) -> None:
    judge = EvaluateConfig(run=str(run), episodes=4, num_worlds=2, context={"track": HELD_OUT}, device="cpu")
    (row,) = evaluate_run(judge, Console(file=StringIO())).rows
    judged = row.to_json()
    assert judged["mean_share_of_optimum"] == 0  # half a second is before the flying start
    assert judged["quartiles_lap_time"] is None  # and too short for a lap


def test_its_sense_is_judged(run: Path) -> None:
    report = evaluate_run(
        EvaluateConfig(run=str(run), episodes=4, num_worlds=2, senses=True, device="cpu"), Console(file=StringIO())
    )
    assert report.rows


def test_it_is_filmed(run: Path, tmp_path: Path) -> None:
    film = watch_run(WatchConfig(run=str(run), output=tmp_path / "film.mp4", episodes=1), Console(file=StringIO()))
    assert film.stat().st_size > 1000


def test_fitted_q_goes_through_the_same_doors(tmp_path: Path) -> None:
    """A code first, then values; what is saved holds codes in place of pictures, and acts without the decoder."""
    recipe = recipe_for(ENV_ID, name="fitted_q")
    settings = replace(recipe.fitted_q, random_steps=4, num_steps=6, teaching_epochs=1, iterations=1, epochs=2)
    short = replace(recipe, fitted_q=settings, num_worlds=2, total_steps=32, threads=1, device="cpu")
    run = trained_quietly(replace(short, evaluate_episodes=0, run_dir=tmp_path / "run"))
    state = load_checkpoint(RunFolder(run).checkpoint("last"))
    assert list(state["agent"]["transitions"]["columns"]) == ["seen"]
    assert any(name.startswith("objectives.autoencoder") for name in state["policy"])
    loaded = load_policy(run, checkpoint="last").policy
    assert not any(name.startswith("objectives.") for name in loaded.state_dict())
    assert loaded.state_size == 6  # of the newest action, one of six voltages
    judge = EvaluateConfig(run=str(run), episodes=2, num_worlds=2, device="cpu", checkpoint="last")
    assert evaluate_run(judge, Console(file=StringIO())).rows
