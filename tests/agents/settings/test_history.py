"""Config.json says what a run was trained in, defaults included, and how it was resumed."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import mujoco
import pytest
import torch
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.history import resumes_of
from mmrl_agents.worlds.making import make_envs, world_settings
from tests.trainings import POLE, trained_quietly


def quietly(config: TrainConfig) -> dict[str, Any]:
    return RunFolder(trained_quietly(config)).read_config()


def test_resumes_are_listed_with_step_versions_and_what_changed(tmp_path: Path) -> None:
    run, start = tmp_path / "run", datetime.now(UTC).replace(microsecond=0)
    assert "resumes" not in quietly(replace(POLE, run_dir=run))
    faster = replace(POLE.ppo, learning_rate=1e-3)
    quietly(replace(POLE, resume=run, total_steps=96, ppo=faster))
    first, second = quietly(replace(POLE, resume=run, total_steps=96, ppo=faster, keep_checkpoints=2))["resumes"]
    assert first["step"] == 64
    assert first["changed"] == {"total_steps": [64, 96], "ppo.learning_rate": [POLE.ppo.learning_rate, 1e-3]}
    assert first["versions"]["torch"] == torch.__version__
    assert start <= datetime.fromisoformat(first["at"]) <= datetime.now(UTC)
    assert (second["step"], second["changed"]) == (96, {"keep_checkpoints": [3, 2]})


def test_names_of_settings_that_come_and_go_are_reported() -> None:
    before = {"train": {"env": "CartPole-v1", "context": {"friction": 1}}, "versions": {}}
    (entry,) = resumes_of(before, replace(POLE, context={"clearance_mm": [1, 2]}, runs_root=Path("elsewhere")), 5)
    assert entry["changed"]["context.friction"] == [1, None]
    assert entry["changed"]["context.clearance_mm"] == [None, [1, 2]]
    assert "runs_root" not in entry["changed"]


def test_a_training_that_was_never_begun_is_not_resumed() -> None:
    assert resumes_of({"train": {"env": "CartPole-v1"}}, POLE, 0) == []


def test_settings_of_worlds_are_resolved() -> None:
    kwargs = {"sensors": ("proprioception",), "control_hz": 25, "context": {"friction": 0.5}}
    envs = make_envs("mmrl/PegInsertion-v0", 1, kwargs)
    settings = world_settings(envs, {"clearance_mm": 1.5})
    envs.close()
    assert settings["engine"] == "mujoco"
    assert settings["engine_versions"]["mujoco"] == mujoco.__version__
    assert (settings["task"], settings["control_hz"], settings["physics_hz"]) == ("PegInsertion", 25, 1000)
    assert settings["max_episode_steps"] == gym.spec("mmrl/PegInsertion-v0").max_episode_steps == 100
    assert (settings["context"]["friction"], settings["context"]["clearance_mm"]) == (0.5, 1.5)
    assert "shape" in settings["context"]  # nobody named it
    json.dumps(settings, allow_nan=False)


def test_settings_of_games_are_resolved() -> None:
    pytest.importorskip("ale_py")
    with closing(make_envs("ALE/Breakout-v5", 1, {"max_episode_steps": 9, "num_threads": 1})) as envs:
        settings = world_settings(envs, {})
    assert settings == {
        "game": "breakout",
        "frame_skip": 4,
        "sticky": 0.0,
        "noop_max": 30,
        "clip_rewards": True,
        "max_frames": 36,
        "fire_reset": True,  # as this game needs
    }


def test_runs_and_evaluations_record_the_worlds_as_they_were(tmp_path: Path) -> None:
    kwargs = {"sensors": ["proprioception"], "max_episode_steps": 4}
    document = quietly(replace(POLE, env="mmrl/PegInsertion-v0", env_kwargs=kwargs, run_dir=tmp_path / "run"))
    assert document["world"]["max_episode_steps"] == 4
    judging = EvaluateConfig(str(tmp_path / "run"), 2, num_worlds=2, context={"friction": 0.5}, device="cpu")
    evaluate_run(judging, Console(file=StringIO()))
    judged = json.loads((tmp_path / "run" / "evaluation.json").read_text())
    assert (judged["world"]["engine"], judged["world"]["context"]["friction"]) == ("mujoco", 0.5)
    assert document["world"]["context"]["friction"] != 0.5


def test_versions_of_what_is_used_are_recorded() -> None:
    pytest.importorskip("stable_baselines3")
    assert {"mmrl", "torch", "mujoco", "physics", "stable-baselines3"} <= library_versions().keys()
