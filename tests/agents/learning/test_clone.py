"""Behaviour cloning learns what was done."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces

import mmrl
from mmrl.modality import MLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.cli import main
from mmrl_agents.cli.cloning import as_training
from mmrl_agents.experience.demonstrations import Demonstrations, read_demonstrations
from mmrl_agents.learning.clone import CloneConfig, clone_loss
from mmrl_agents.records.dataset.features import ACTION, DONE, REWARD, SUCCESS, features_of
from mmrl_agents.records.dataset.folder import DatasetWriter, RecordedEpisode
from mmrl_agents.settings.config import TrainConfig
from tests.trainings import json_lines, trained_quietly

POLE = {"observation": Modality("observation", (4,), 30, MLP())}
LEFT_OR_RIGHT = spaces.Discrete(2)


def balancing(folder: Path, episodes: int = 10, length: int = 100) -> Path:
    """Frames of a hand that pushes a pole to where it leans."""
    writer = DatasetWriter(
        folder,
        features_of(POLE, LEFT_OR_RIGHT),
        50.0,
        "balance",
        {
            "train": {"env": "CartPole-v1", "env_kwargs": {}, "modalities": {}},
            "context": {},
            "senses": {"observation": {}},
            "versions": {},
        },
    )
    rng = np.random.default_rng(0)
    for seed in range(episodes):
        states = rng.normal(0, 0.1, (length, 4)).astype(np.float32)
        frames: dict[str, Any] = {
            "observation.observation": states,
            ACTION: (states[:, 2] + 0.5 * states[:, 3] > 0).astype(np.int64)[:, None],
            REWARD: np.ones((length, 1), np.float32),
            SUCCESS: np.zeros((length, 1), np.bool_),
            DONE: np.arange(length)[:, None] == length - 1,
        }
        writer.append([RecordedEpisode(frames, seed)])
    return folder


def cloned(data: Path, run_dir: Path, **changes: Any) -> Path:
    config = TrainConfig(
        "CartPole-v1",
        agent="clone",
        num_worlds=1,
        total_steps=40_000,
        device="cpu",
        threads=1,
        evaluate_episodes=0,
        clone=CloneConfig(str(data)),
    )
    return trained_quietly(replace(config, run_dir=run_dir, **changes))


def test_a_pole_is_balanced_as_it_was_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = balancing(tmp_path / "data")
    words = ["clone", str(data), "--run-dir", str(tmp_path / "run"), "--device", "cpu", "--threads", "1"]
    assert main([*words, "--evaluate-episodes", "10"]) == 0
    assert "held out" in capsys.readouterr().out
    lines = json_lines(tmp_path / "run" / "metrics.jsonl")
    assert lines[-1]["held_out_loss"] < 0.15 < lines[0]["held_out_loss"]
    report = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert report["rows"][0]["mean_return"] > 300
    policy = mmrl.load(tmp_path / "run", checkpoint="last")
    assert int(policy.act({"observation": [0.0, 0.0, 0.1, 0.0]})) == 1
    with pytest.raises(ValueError, match="no critic of it can be asked"):
        policy.value({"observation": [0.0, 0.0, 0.1, 0.0]})


def test_the_words_of_a_clone_are_those_of_a_training(tmp_path: Path) -> None:
    data = str(balancing(tmp_path / "data", episodes=2, length=5))
    usual = ["CartPole-v1", "--agent", "clone", "--clone.data", data]
    assert as_training([data]) == [*usual, "--total-steps", "400"]
    assert as_training([data, "--trust", "one", "two", "--seed", "3", "--total-steps=9"]) == [
        *usual,
        "--seed",
        "3",
        "--total-steps=9",
    ]
    path = tmp_path / "data" / "meta" / "mmrl.json"
    document = json.loads(path.read_text())
    document["train"]["env_kwargs"] = {"sensors": ["camera", "proprioception"], "control_hz": 10}
    path.write_text(json.dumps(document))
    assert as_training([data, "--total-steps", "9"]) == [
        *usual,
        "--set",
        "control_hz=10",
        "--sensors",
        "camera",
        "proprioception",
        "--total-steps",
        "9",
    ]


def test_the_loss_is_the_mean_negative_log_likelihood() -> None:
    torch.manual_seed(0)
    policy = ActorCritic(POLE, spaces.Box(-1, 1, (2,)))
    batch = Demonstrations({"observation": torch.randn(5, 4)}, torch.randn(5, 2), torch.zeros(5))
    mean = policy.distribution(batch.observations).mean
    std = policy.head.log_std.exp()  # type: ignore[union-attr, operator]  # the head of a Box
    squares = ((batch.actions - mean) / std).square().sum(dim=1)
    by_hand = (0.5 * squares + torch.log(std).sum() + np.log(2 * np.pi)).mean()  # type: ignore[operator]
    torch.testing.assert_close(clone_loss(policy, batch), by_hand)


def test_a_resumed_clone_goes_on_where_it_stood(tmp_path: Path) -> None:
    data = balancing(tmp_path / "data", episodes=4, length=50)
    run = cloned(data, tmp_path / "run", total_steps=600)
    before = json_lines(run / "metrics.jsonl")
    trained_quietly(TrainConfig("CartPole-v1", resume=run, total_steps=1800))
    after = json_lines(run / "metrics.jsonl")
    assert after[: len(before)] == before
    assert after[-1]["step"] == 1800
    assert after[-1]["loss"] < before[-1]["loss"]


def test_some_episodes_are_held_out(tmp_path: Path) -> None:
    data = balancing(tmp_path / "data", episodes=5, length=20)
    learned, tested = read_demonstrations(data, POLE, LEFT_OR_RIGHT, 0.4)
    assert tested is not None
    assert (len(learned), len(tested)) == (60, 40)
    assert read_demonstrations(data, POLE, LEFT_OR_RIGHT, 0.0)[1] is None
    assert learned.actions.dtype == torch.int64
    sizes = [len(batch) for batch in learned.batches(25)]
    assert sizes == [25, 25, 10]


@pytest.mark.parametrize(
    ("senses", "actions", "message"),
    [
        ({"nose": Modality("nose", (4,), 30, MLP())}, LEFT_OR_RIGHT, "has no sense 'nose', it has observation"),
        (
            {"observation": Modality("observation", (5,), 30, MLP())},
            LEFT_OR_RIGHT,
            r"'observation' has the shape \(4,\) in .* and \(5,\) here",
        ),
        (POLE, spaces.Box(-1, 1, (1,)), r"actions are int64 \(1,\) in .*, and Box"),
    ],
)
def test_data_of_another_robot_are_refused(senses: Any, actions: Any, message: str, tmp_path: Path) -> None:
    data = balancing(tmp_path / "data", episodes=1, length=5)
    with pytest.raises(ValueError, match=message):
        read_demonstrations(data, senses, actions, 0.0)


def test_settings_that_cannot_be_are_refused(tmp_path: Path) -> None:
    data = balancing(tmp_path / "data", episodes=1, length=5)
    with pytest.raises(ValueError, match=r"clone\.data names no data"):
        cloned(Path(), tmp_path / "run", clone=CloneConfig())
    with pytest.raises(ValueError, match=r"clone\.held_out must lie in \[0, 1\), got 1\.0"):
        CloneConfig(held_out=1.0)
    with pytest.raises(ValueError, match=r"objectives.*agent clone learns from no objective"):
        cloned(data, tmp_path / "run", objectives={"state": {"weight": 1.0}})
    with pytest.raises(ValueError, match="is no data set of mmrl"):
        cloned(tmp_path, tmp_path / "run")
    with pytest.raises(ValueError, match="sense_dropout would have no effect: agent clone plays no episode"):
        cloned(data, tmp_path / "run", sense_dropout=0.2)
