"""Fitted Q iteration through every door: trained, resumed, judged, exported, filmed, and refused by name."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
from rich.console import Console

from mmrl.policy.config import PolicyConfig
from mmrl_agents.cli import main
from mmrl_agents.learning.fitted_q_config import FittedQConfig
from mmrl_agents.policies.exporting import export
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.watch import watch_run
from tests.toys.lessons import Cart
from tests.trainings import json_lines

ENV_ID = "Cart-v0"


@pytest.fixture(autouse=True)
def _registered() -> Any:
    gym.register(ENV_ID, entry_point=Cart)
    yield
    del gym.registry[ENV_ID]


def training(folder: Path, *more: str) -> list[str]:
    usual = ["--run-dir", str(folder), "--threads", "1", "--device", "cpu", "--evaluate-episodes", "0"]
    sizes = ["--num-worlds", "8", "--policy.critic-hidden", "20", "20", "--policy.fused-features", "0"]
    unencoded = ["--modalities", "observation.encoder=Unencoded"]
    return ["train", ENV_ID, "--agent", "fitted-q", *usual, *sizes, *unencoded, *more]


LEARNING = ["--fitted-q.levels", "-1", "0", "1", "--fitted-q.random-steps", "40", "--fitted-q.num-steps", "20"]
LEARNING += ["--fitted-q.epochs", "20"]


def test_it_learns_to_push_a_cart_to_the_middle(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    assert main(training(run, "--total-steps", "960", "--fitted-q.gamma", "0.9", *LEARNING)) == 0
    logged = json_lines(run / "metrics.jsonl")
    # 8 worlds: 40 random steps each, then rounds of 20; a step is in the batch as soon as it was taken.
    assert [row["step"] for row in logged] == [480, 640, 800, 960]
    assert [row["transitions"] for row in logged] == [480, 640, 800, 960]
    assert logged[-1]["epsilon"] == pytest.approx(0.1)
    assert main(["evaluate", str(run), "--episodes", "40", "--num-worlds", "8"]) == 0
    judged = json.loads((run / "evaluation.json").read_text())["rows"][0]
    assert judged["success_at_end"]["rate"] >= 0.9  # random pushes: 4 %


def test_a_run_is_resumed_exported_and_filmed(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(training(run, "--total-steps", "480", *LEARNING, "--fitted-q.iterations", "1")) == 0
    assert main(["train", "--resume", str(run), "--total-steps", "640"]) == 0
    assert json_lines(run / "metrics.jsonl")[-1]["transitions"] == 640
    folder = export(run, tmp_path / "exported")
    assert main(["evaluate", str(folder), "--episodes", "4", "--num-worlds", "2"]) == 0
    film = watch_run(WatchConfig(run=str(run), output=tmp_path / "film.mp4", episodes=1), Console(file=StringIO()))
    assert film.stat().st_size > 500


def test_a_policy_that_acts_at_random_now_and_then_does_so_when_asked(tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert main(training(run, "--total-steps", "480", *LEARNING, "--fitted-q.epsilon", "0.25")) == 0
    assert float(load_policy(run).policy.state_dict()["epsilon"]) == 0.25


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"gamma": 1.0}, r"fitted_q\.gamma must lie in \[0, 1\), got 1\.0"),
        ({"levels": (0.5,)}, r"fitted_q\.levels must be two or more different numbers, got \(0\.5,\)"),
        ({"levels": (0.5, float("nan"))}, r"fitted_q\.levels must be two or more different numbers"),
        ({"epsilon": 1.5}, r"fitted_q\.epsilon must lie in \[0, 1\], got 1\.5"),
        ({"remembered_actions": -1}, r"fitted_q\.remembered_actions must not be negative, got -1"),
        ({"iterations": 0}, r"fitted_q\.iterations must be above 0 and finite, got 0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FittedQConfig(**settings)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"policy": PolicyConfig(actor_hidden=(4,))}, r"policy\.actor_hidden would have no effect: agent fitted-q"),
        ({"fitted_q": FittedQConfig(minibatch_size=8)}, r"fitted_q\.minibatch_size .* rprop takes all transitions"),
        ({"fitted_q": FittedQConfig(teaching_epochs=8)}, r"fitted_q\.teaching_epochs .* no objective teaches"),
        ({"env": "CartPole-v1", "fitted_q": FittedQConfig(levels=(0, 1))}, r"fitted_q\.levels .* are discrete"),
        ({"fitted_q": FittedQConfig(levels=(0, 2))}, r"levels must lie in the action space, -1 to 1, got \(0"),
        ({"policy": PolicyConfig("gru")}, "a Q network remembers no senses, so that fusion 'gru' is none for it"),
        (
            {"sense_dropout": 0.5},
            r"fitted-q always trains with all senses, so sense_dropout must be 0: observation 0.5",
        ),
    ],
)
def test_what_it_does_without_is_refused_by_name(settings: dict[str, Any], message: str, tmp_path: Path) -> None:
    config = TrainConfig(**{"env": ENV_ID, "agent": "fitted-q", "run_dir": tmp_path / "run", "threads": 1, **settings})
    with pytest.raises(ValueError, match=message):
        train(config)
    assert not list(tmp_path.iterdir())
