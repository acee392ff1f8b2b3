"""Incidents of worlds are counted and reported, in training and in evaluation."""

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from rich.console import Console

from mmrl.modality import MLP, Modality
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.records.marks import EVALUATION, is_marked
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from mmrl_agents.worlds.incidents import about_clipped
from mmrl_envs.sensors import Sensor, View, register_sensor, sensor_names


class Height(Sensor):
    """Height of the tip in metres, which is declared to stay below the block's face and does not."""

    modality = Modality("height", (1,), 20, MLP((4,), 4), low=-1.0, high=0.0, unit="m")

    def read(self, view: View) -> NDArray[np.float64]:
        return view["tip_position"][:, -1:, 2:]


@pytest.fixture(autouse=True)
def _registered() -> None:
    if "height" not in sensor_names():
        register_sensor("height", Height)


def test_readings_beyond_their_bounds_are_reported_in_training_and_in_evaluation(tmp_path: Path) -> None:
    config = TrainConfig(
        "mmrl/PegInsertion-v0",
        num_worlds=2,
        total_steps=32,
        sensors=("height",),
        env_kwargs={"max_episode_steps": 4},
        ppo=PPOConfig(num_steps=8, minibatch_size=16, epochs=1),
        evaluate_episodes=2,
        run_dir=tmp_path / "run",
        device="cpu",
    )
    console = Console(file=io.StringIO(), width=200)
    result = train(config, console)
    # Two worlds are read at the start, at 16 steps (eight are for the statistics), and at a reset every fourth.
    assert result.metrics["clipped_readings"] == 2 * (1 + 16 + 4)
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "survived: 42 readings beyond their declared bounds, which were clipped" in text
    document = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    counts = document["clipped_readings"]
    assert counts["height"] > 0
    assert is_marked(EVALUATION, document)
    assert about_clipped(counts) in text


def test_nothing_is_reported_where_nothing_was_clipped() -> None:
    assert about_clipped({}) == ""
    assert about_clipped({"touch": 1200, "gap": 3}).endswith("were clipped: 1,200 of touch, 3 of gap")
