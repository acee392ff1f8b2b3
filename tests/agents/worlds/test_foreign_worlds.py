"""Environments of other packages through every command, and three packages that no one here wrote."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl_agents.cli import main
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run, train
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.worlds.foreign_worlds import make_single_world
from mmrl_agents.worlds.making import action_space_of, make_envs
from mmrl_envs.multimodal import describing
from tests.toys.readings import Workbench


def make_workbench(**kwargs: Any) -> gym.Env[Any, Any]:
    return Workbench(**kwargs)


def make_nothing() -> None:
    """Makes no environment."""


MAKER = f"{__name__}:make_workbench"
READ = {"force.kind": "window", "force.channels": [8, 8], "note.kind": "ignore"}


def tiny(env: str, folder: Path, **changes: Any) -> TrainConfig:
    """Two updates of two worlds with 8 steps each, and 16 steps to look around."""
    ppo = PPOConfig(num_steps=8, minibatch_size=16, epochs=1)
    settings: dict[str, Any] = {"num_worlds": 2, "total_steps": 48, "threads": 1, "ppo": ppo, "evaluate_episodes": 0}
    return TrainConfig(env=env, run_dir=folder / "run", **(settings | changes))


def test_a_maker_gives_worlds_as_policies_know_them() -> None:
    envs = make_envs(MAKER, 2, {"length": 3}, READ)
    assert set(describing(envs).modalities) == {"force", "robot.joints", "tool"}
    assert envs.single_action_space == spaces.Box(-1, 1, (2,), np.float64)
    observation, _ = envs.reset(seed=0)
    assert envs.observation_space.contains(observation)
    assert observation["tool"].tolist() == [[0, 1, 0]] * 2
    for _ in range(3):
        _, _, terminated, _, info = envs.step(np.ones((2, 2)))
    assert terminated.all()
    assert info["final_info"]["is_success"].all()
    envs.close()


def test_every_command_knows_such_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, weights = tmp_path / "run", tmp_path / "weights"
    few = ("--num-worlds", "2", "--threads", "1", "--ppo.num-steps", "8", "--ppo.minibatch-size", "16")
    read = ("--modalities", "force.kind=window", "force.channels=[8,8]", "note.kind=ignore")
    start = ["train", MAKER, *few, *read, "--total-steps", "48", "--run-dir", str(run), "--evaluate-episodes", "0"]
    assert main(start) == 0
    document = json.loads((run / "config.json").read_text())
    assert document["senses"]["force"]["history"] == 4
    assert main(["train", "--resume", str(run), "--total-steps", "64"]) == 0
    assert main(["evaluate", str(run), "--episodes", "4", "--num-worlds", "2", "--checkpoint", "last"]) == 0
    rows = json.loads((run / "evaluation.json").read_text())["rows"]
    assert rows[0]["success_at_end"]["trials"] == 4
    assert {row["label"] for row in rows} >= {"all senses", "without force", "without robot.joints", "without tool"}
    watch = ["watch", str(run), "--episodes", "1", "--checkpoint", "last", "--output", str(tmp_path / "film.mp4")]
    assert main(watch) == 0
    assert main(["export", str(run), str(weights), "--checkpoint", "last"]) == 0
    assert (weights / "model.safetensors").exists()
    assert "success" in capsys.readouterr().out


def test_a_run_goes_on_in_the_middle_of_its_episodes(tmp_path: Path) -> None:
    config = tiny(MAKER, tmp_path, modalities=READ)
    before = Trainer(config, open_run(config))
    before.begin()
    before.advance()
    path = before.save()
    config = tiny(MAKER, tmp_path / "other", modalities=READ)
    after = Trainer(config, open_run(config))
    assert after.restore(path, before.run.load("last")[1]) == ""
    for trainer in (before, after):
        trainer.advance()
    for one, other in zip(before.policy.parameters(), after.policy.parameters(), strict=True):
        np.testing.assert_array_equal(one.detach().numpy(), other.detach().numpy())
    before.envs.close()
    after.envs.close()


def test_an_environment_of_ours_in_a_wrapper_keeps_its_senses() -> None:
    def make(**kwargs: Any) -> gym.Env[Any, Any]:
        env = gym.make("mmrl/PegInsertion-v0", sensors=("force_torque", "proprioception"), **kwargs)
        return gym.wrappers.TransformReward(env, lambda reward: 2 * reward)

    sys.modules[__name__].make_wrapped = make  # type: ignore[attr-defined]  # for this test alone
    envs = make_envs(f"{__name__}:make_wrapped", 1, {})
    assert {name: sense.history for name, sense in describing(envs).modalities.items()} == {
        "force_torque": 32,
        "proprioception": 32,
    }
    envs.close()


@pytest.mark.parametrize(
    ("env", "modalities", "message"),
    [
        (MAKER, {}, "observation 'force' of shape (4, 3) and dtype float64 may mean several things and is not guessed"),
        (MAKER, {"force.kind": "window"}, "observation 'note' is Text(1, 5, "),
        (f"{__name__}:make_nothing", {}, "must make a gymnasium.Env, it made NoneType"),
        (f"{__name__}:make_anything", {}, "make_anything"),
        (
            "no_such_package:Env-v0",
            {},
            "no_such_package:Env-v0 needs the module no_such_package, which is not installed",
        ),
        ("mmrl/PegInsertion-v0", {"camera.kind": "image"}, "camera.kind cannot be set: the environment declares"),
    ],
)
def test_what_cannot_be_trained_on_says_why(env: str, modalities: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, gym.error.Error), match=re.escape(message)):
        make_envs(env, 1, {}, modalities)


def test_whole_numbers_are_no_actions_of_a_policy() -> None:
    space = spaces.Box(0, 3, (2,), np.int64)
    envs = gym.vector.SyncVectorEnv([lambda: gym.wrappers.TransformAction(Workbench(), lambda a: a / 3, space)])
    with pytest.raises(ValueError, match="policies act in a Box of floats, this environment in one of int64"):
        action_space_of(envs)


def test_watching_needs_a_maker_that_renders() -> None:
    with pytest.raises(ValueError, match=r"make_nothing does not accept \{'render_mode': 'rgb_array'\}"):
        make_single_world(f"{__name__}:make_nothing", {"render_mode": "rgb_array"}, {})


def test_settings_of_modalities_need_a_name() -> None:
    with pytest.raises(ValueError, match=r"NAME\.OPTION=VALUE, got force=window"):
        TrainConfig(env=MAKER, modalities={"force": "window"})


FOREIGN = [
    ("mujoco", "InvertedDoublePendulum-v5"),
    ("gymnasium_robotics", "gymnasium_robotics:PointMaze_UMaze-v3"),
    ("panda_gym", "panda_gym:PandaReach-v3"),
]


@pytest.mark.parametrize(("package", "env"), FOREIGN)
def test_foreign_packages_make_step_and_train(package: str, env: str, tmp_path: Path) -> None:
    pytest.importorskip(package, reason=f"{package} is not installed: pip install 'mmrl[robotics,panda-gym]'")
    result = train(tiny(env, tmp_path))
    assert result.steps == 48
    senses = json.loads((result.run_dir / "config.json").read_text())["senses"]
    goals = {"achieved_goal", "desired_goal"} if package != "mujoco" else set()
    assert set(senses) == {"observation"} | goals
