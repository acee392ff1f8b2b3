"""Evaluations while training: comparable, on the target, and without a trace in the training."""

import json
from collections.abc import Iterator
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from rich.console import Console

from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.exporting import export
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import TrainResult, train
from tests.toys.breaking import Endless
from tests.toys.lessons import Aim
from tests.trainings import json_lines

ENV_ID = "test-judging/Aim-v0"


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gym.register(ENV_ID, entry_point=Aim)
    yield
    del gym.registry[ENV_ID]


def config(folder: Path, **changes: Any) -> TrainConfig:
    """Six updates of 4 worlds x 8 steps."""
    short = TrainConfig(
        env=ENV_ID,
        num_worlds=4,
        total_steps=192,
        threads=1,
        device="cpu",
        evaluate_episodes=0,
        ppo=PPOConfig(num_steps=8, minibatch_size=16, epochs=1),
        run_dir=folder,
    )
    return replace(short, **changes)


def run(settings: TrainConfig) -> TrainResult:
    return train(settings, Console(file=StringIO()))


def weights(folder: Path) -> dict[str, torch.Tensor]:
    state: dict[str, torch.Tensor] = load_checkpoint(RunFolder(folder).checkpoint("last"))["policy"]
    return state


def test_it_judges_when_its_steps_are_complete_and_says_so(tmp_path: Path) -> None:
    run(config(tmp_path / "run", judge_every=80, judge_episodes=10))
    judged = [line for line in json_lines(tmp_path / "run" / "metrics.jsonl") if "judged/success_rate" in line]
    # 80 is passed by the update that ends at 96, 160 is an end itself.
    assert [line["step"] for line in judged] == [96, 160]
    for line in judged:
        assert round(10 * line["judged/success_rate"], 6) in range(11)  # of ten episodes
        assert -2 <= line["judged/mean_return"] <= 0


def test_the_training_does_not_notice(tmp_path: Path) -> None:
    run(config(tmp_path / "alone"))
    run(config(tmp_path / "judged", judge_every=32, judge_episodes=6))
    alone, judged = weights(tmp_path / "alone"), weights(tmp_path / "judged")
    assert alone.keys() == judged.keys()
    assert all(torch.equal(alone[name], judged[name]) for name in alone)


def test_the_episodes_are_the_same_each_time(tmp_path: Path) -> None:
    """Without learning the same policy meets the same marks, so that nothing but learning moves the figures."""
    frozen = PPOConfig(num_steps=8, minibatch_size=16, epochs=1, learning_rate=1e-30)
    run(config(tmp_path / "run", judge_every=32, judge_episodes=8, ppo=frozen))
    returns = [
        line["judged/mean_return"]
        for line in json_lines(tmp_path / "run" / "metrics.jsonl")
        if "judged/mean_return" in line
    ]
    assert len(returns) == 5  # the first 32 steps only look around
    np.testing.assert_allclose(returns, returns[0], rtol=0.05)  # running statistics of the senses go on
    assert np.ptp(returns) < 0.02


@pytest.fixture
def endless() -> Iterator[str]:
    gym.register("test-judging/Endless-v0", entry_point=Endless)
    yield "test-judging/Endless-v0"
    del gym.registry["test-judging/Endless-v0"]


def test_episodes_without_an_end_are_cut_and_counted(tmp_path: Path, endless: str) -> None:
    console = Console(file=StringIO(), width=200)
    folder = tmp_path / "run"
    settings = {"judge_every": 64, "judge_episodes": 6, "evaluate_episodes": 4, "episode_limit": 7}
    train(config(folder, env=endless, total_steps=64, **settings), console)
    assert [
        line["judged/cut_episodes"] for line in json_lines(folder / "metrics.jsonl") if "judged/mean_return" in line
    ] == [6]
    (row,) = json.loads((folder / "evaluation.json").read_text())["rows"]
    assert (row["cut_episodes"], row["mean_length"]) == (4, 7)
    card = (export(folder, tmp_path / "weights", checkpoint="last") / "README.md").read_text()
    assert "4 episodes still went on after 7 steps and were cut there." in card
    assert isinstance(console.file, StringIO)
    printed = console.file.getvalue()
    assert "4 episodes still went on after 7 steps and were cut there (--episode-limit)" in printed
    assert "contact force" not in printed  # these worlds report none


def test_who_asks_to_end_in_the_last_judged_episode_waits_for_no_evaluation(tmp_path: Path, endless: str) -> None:
    settings = {"judge_every": 128, "judge_episodes": 2, "evaluate_episodes": 2, "episode_limit": 120}
    result = run(config(tmp_path / "run", env=endless, total_steps=128, **settings))
    assert (result.interrupted, result.steps) == (True, 128)
    assert not (tmp_path / "run" / "evaluation.json").exists()


def test_who_asks_to_end_waits_for_no_judged_episode(tmp_path: Path, endless: str) -> None:
    goals = {"judge_every": 128, "judge_episodes": 2, "stop_at_judged_success": 0.5}
    result = run(config(tmp_path / "run", env=endless, total_steps=320, **goals))  # warning of no goal that it missed
    assert result.interrupted
    assert result.steps == 128
    assert not any("judged/mean_return" in line for line in json_lines(tmp_path / "run" / "metrics.jsonl"))
    assert weights(tmp_path / "run")


def test_it_stops_at_the_judged_success(tmp_path: Path) -> None:
    """Actions near 0 lie within 0.5 of half the marks, so that one success in 64 is certain but for 1 in 2^64."""
    result = run(config(tmp_path / "run", judge_every=64, stop_at_judged_success=1 / 64))
    assert result.steps == 64


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"judge_every": 0}, "judge_every must be at least 1, got 0"),
        ({"judge_every": 5, "judge_episodes": 0}, "judge_episodes must be at least 1, got 0"),
        ({"stop_at_judged_success": 0.5}, "stop_at_judged_success needs judge_every"),
        ({"judge_every": 5, "stop_at_judged_success": 1.5}, r"stop_at_judged_success must lie in \(0, 1\], got 1.5"),
    ],
)
def test_settings_without_sense_are_refused(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config(tmp_path, **changes)


def test_a_curriculum_is_judged_on_its_hard_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import mmrl_agents.training.judge as judging

    asked: list[Any] = []

    def evaluate(*args: Any, **kwargs: Any) -> Any:
        asked.append(kwargs["options"])
        return real(*args, **kwargs)

    real = judging.evaluate
    monkeypatch.setattr(judging, "evaluate", evaluate)
    settings = config(
        tmp_path / "run",
        env="mmrl/PegInsertion-v0",
        num_worlds=2,
        total_steps=64,
        sensors=("proprioception",),
        context={"friction": 0.3},
        env_kwargs={"max_episode_steps": 4},
        curriculum="uniform",
        vary={"clearance_mm": [2.0, 0.3]},
        judge_every=32,
        judge_episodes=2,
    )
    run(settings)
    assert asked == [{"context": {"friction": 0.3, "clearance_mm": 0.3}}] * len(asked)
    assert asked
