import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from rich.console import Console

from mmrl.policy.config import PolicyConfig
from mmrl_agents.cli import main
from mmrl_agents.experience.episodes import Episode
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.exporting import export
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.recipes import all_recipes
from mmrl_agents.records.checkpoint import CheckpointError, load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig, config_from_dict, recorded_config
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_agents.training.stopping import IdleGoal
from mmrl_agents.training.train import TrainResult, train
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.worlds.making import make_envs
from tests.toys.plain import Plain


def short(folder: Path, **changes: Any) -> TrainConfig:
    """Four updates of two worlds with 16 steps each: 128 steps and 32 to look around."""
    config = TrainConfig(
        env="CartPole-v1",
        num_worlds=2,
        total_steps=160,
        threads=1,
        ppo=PPOConfig(num_steps=16, minibatch_size=16, epochs=1),
        evaluate_episodes=0,
        run_dir=folder / "run",
    )
    return replace(config, **changes)


def quietly(config: TrainConfig) -> tuple[TrainResult, str]:
    text = StringIO()
    result = train(config, Console(file=text, width=500))
    return result, text.getvalue()


def logged_steps(run: Path) -> list[int]:
    return [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]


def test_trainings_that_begin_in_one_second_have_a_folder_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mmrl_agents.training.train.run_name", lambda *_: "CartPole-v1_ppo_20300102-030405_s1")
    unnamed = short(tmp_path, run_dir=None, runs_root=tmp_path / "runs")
    folders = [quietly(unnamed)[0].run_dir.name for _ in range(3)]
    assert folders == [f"CartPole-v1_ppo_20300102-030405_s1{suffix}" for suffix in ("", "_2", "_3")]
    with pytest.raises(FileExistsError, match="choose another --run-dir"):
        train(short(tmp_path, run_dir=tmp_path / "runs" / folders[0]))


def test_a_run_leaves_config_curves_and_checkpoints(tmp_path: Path) -> None:
    result, text = quietly(short(tmp_path))
    assert result.steps == 160
    assert not result.interrupted
    document = json.loads((result.run_dir / "config.json").read_text())
    assert document["env_id"] == "CartPole-v1"
    assert document["seed"] == 1
    assert list(document["senses"]) == ["observation"]
    assert {"torch", "mujoco", "gymnasium", "mmrl"} <= set(document["versions"])
    assert logged_steps(result.run_dir) == [64, 96, 128, 160]
    assert list(result.run_dir.glob("events.*"))
    assert [path.name for path in RunFolder(result.run_dir).list_checkpoints()] == ["step_000000160.pt"]
    assert f"mmrl evaluate {result.run_dir}" in text
    assert f"mmrl watch {result.run_dir}" in text


def test_the_same_seed_gives_the_same_policy(tmp_path: Path) -> None:
    def weights(name: str, seed: int) -> torch.Tensor:
        result, _ = quietly(short(tmp_path, run_dir=tmp_path / name, seed=seed))
        policy = load_policy(result.run_dir, checkpoint="last").policy
        return torch.cat([parameter.flatten() for parameter in policy.parameters()])

    first, again, other = weights("a", 1), weights("b", 1), weights("c", 2)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_training_leaves_the_global_generator_alone(tmp_path: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    quietly(short(tmp_path))
    assert torch.equal(torch.rand(3), expected)


def test_a_used_folder_is_refused(tmp_path: Path) -> None:
    result, _ = quietly(short(tmp_path))
    with pytest.raises(FileExistsError, match="--resume"):
        train(short(tmp_path))
    assert logged_steps(result.run_dir) == [64, 96, 128, 160]


def test_a_run_that_cannot_start_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="does not accept"):
        train(short(tmp_path, env_kwargs={"wheels": 3}))
    assert list(tmp_path.iterdir()) == []


def test_worlds_without_a_context_refuse_one(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="CartPole-v1 has no context to set, got gravity"):
        train(short(tmp_path, context={"gravity": 9.81}))
    assert list(tmp_path.iterdir()) == []


def test_a_resumed_run_goes_on_where_it_was(tmp_path: Path) -> None:
    result, _ = quietly(short(tmp_path))
    before = load_checkpoint(RunFolder(result.run_dir).checkpoint("last"))
    more, _ = quietly(short(tmp_path, total_steps=224, resume=result.run_dir, run_dir=None))
    after = load_checkpoint(RunFolder(result.run_dir).checkpoint("last"))
    assert more.run_dir == result.run_dir
    assert more.steps == 224
    assert logged_steps(result.run_dir) == [64, 96, 128, 160, 192, 224]
    assert (before["updates"], after["updates"]) == (4, 6)
    assert after["episode_count"] >= before["episode_count"]
    assert after["seconds"] > before["seconds"]
    # one Adam step per minibatch: 2 of 16 samples in each of 4 and then 6 updates
    adam = [state["agent"]["optimizer"]["state"][0]["step"].item() for state in (before, after)]
    assert adam == [8, 12]


def test_a_training_without_an_update_says_so(tmp_path: Path) -> None:
    """32 steps only look around; 96 are two updates more, and who then asks for 64 has them already."""
    _, printed = quietly(short(tmp_path, total_steps=32))
    assert "nothing was trained: 32 steps are done of 32 that were asked for" in printed
    _, printed = quietly(short(tmp_path, total_steps=96, resume=tmp_path / "run", run_dir=None))
    assert "nothing was trained" not in printed
    _, printed = quietly(short(tmp_path, total_steps=64, resume=tmp_path / "run", run_dir=None))
    assert "nothing was trained: 96 steps are done of 64 that were asked for" in printed


def test_a_recurrent_run_is_resumed(tmp_path: Path) -> None:
    policy = PolicyConfig("gru", fused_features=8)
    result, _ = quietly(short(tmp_path, policy=policy))
    more, _ = quietly(short(tmp_path, policy=policy, total_steps=224, resume=result.run_dir, run_dir=None))
    assert more.steps == 224
    assert load_policy(more.run_dir, checkpoint="last").policy.state_size == 8


def test_a_resume_with_other_senses_is_refused(tmp_path: Path) -> None:
    result, _ = quietly(short(tmp_path))
    other = short(tmp_path, env="Acrobot-v1", resume=result.run_dir, run_dir=None)
    with pytest.raises(CheckpointError, match=r"observation differs \(shape \[4\] became \[6\]\)"):
        train(other)


def test_a_time_limit_ends_it(tmp_path: Path) -> None:
    result, text = quietly(short(tmp_path, time_limit_minutes=1e-9))
    assert result.steps == 64
    assert "time limit" in text


def test_success_ends_it_once_200_episodes_show_it(tmp_path: Path) -> None:
    gym.register("Instant-v0", entry_point=Plain, kwargs={"info": {"is_success": True}})
    try:
        config = short(tmp_path, env="Instant-v0", total_steps=1000, stop_at_success=0.9)
        result, text = quietly(config)
        trained = load_policy(result.run_dir, checkpoint="best")
    finally:
        del gym.registry["Instant-v0"]
    # 32 episodes an update: 200 are full after 7 updates, the look around being the first 32
    assert result.steps == 7 * 32
    assert "success rate 100.0% reached 90.0%" in text
    assert trained.source.name == "best.pt"


def test_interruption_saves_and_says_how_to_resume(tmp_path: Path) -> None:
    run = tmp_path / "run"
    options = "--num-worlds 2 --ppo.num-steps 16 --evaluate-episodes 0 --total-steps 100000000"
    command = [sys.executable, "-m", "mmrl_agents", "train", "CartPole-v1", "--run-dir"]
    with subprocess.Popen(
        [*command, str(run), *options.split(), "--threads", "1"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "500"},
    ) as process:
        deadline = time.monotonic() + 60
        while not (run / "metrics.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(signal.SIGINT)
        text, _ = process.communicate(timeout=60)
    assert process.returncode == 130, text
    assert f"mmrl train --resume {run}" in text
    step = load_checkpoint(RunFolder(run).checkpoint("last"))["step"]
    assert step == logged_steps(run)[-1]
    assert main(["train", "--resume", str(run), "--total-steps", str(step + 32)]) == 0
    assert logged_steps(run)[-1] == step + 32


def test_a_loaded_policy_acts_in_its_worlds(tmp_path: Path) -> None:
    result, _ = quietly(short(tmp_path))
    trained = load_policy(result.run_dir)
    envs = trained.worlds.make(3)
    observation, _ = envs.reset(seed=0)
    seen = {name: torch.from_numpy(array) for name, array in observation.items()}
    action, _ = trained.policy.act(seen, deterministic=True)
    assert trained.env_id == "CartPole-v1"
    assert action.shape == (3,)
    assert not trained.policy.training


def test_exported_weights_are_those_of_the_run(tmp_path: Path, monkeypatch: Any) -> None:
    result, _ = quietly(short(tmp_path))
    shelf = tmp_path / "pretrained"
    export(result.run_dir, shelf / "pole")
    card = (shelf / "pole" / "README.md").read_text()
    assert "`CartPole-v1`" in card
    assert "was not evaluated" in card
    assert re.search(r"steps, \d+\.\d minutes, on \d+ cores? of .+ \(cpu\)", card)
    assert str(tmp_path) not in card + (shelf / "pole" / "config.json").read_text()
    with pytest.raises(FileExistsError, match="not empty"):
        export(result.run_dir, shelf / "pole")
    monkeypatch.setattr("mmrl_agents.policies.shipped.PRETRAINED", shelf)
    ours, theirs = load_policy("pretrained:pole"), load_policy(result.run_dir)
    pairs = zip(ours.policy.state_dict().values(), theirs.policy.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    with pytest.raises(ValueError, match=r"no pretrained policy 'cart'.* pole"):
        load_policy("pretrained:cart")
    assert load_policy("pole").source == shelf / "pole" / "model.safetensors"
    monkeypatch.chdir(tmp_path)
    Path("pole").mkdir()  # what is named by a path comes first
    with pytest.raises(FileNotFoundError, match="pole is no run folder"):
        load_policy("pole")


def test_config_survives_json() -> None:
    recipes = [recipe_for(env, name=name) for env, named in all_recipes().items() for name in named]
    fused = PolicyConfig("mlp", {"hidden": [32, 16]})
    for config in (*recipes, short(Path("x"), env_kwargs={"a": 1}, sensors=("camera",), policy=fused)):
        assert config_from_dict(json.loads(json.dumps(config_to_dict(config)))) == config
    with pytest.raises(ValueError, match="TrainConfig has no speed; it has env, agent"):
        config_from_dict({"env": "CartPole-v1", "speed": 3})


def test_settings_that_are_no_more_are_passed_over_in_older_runs() -> None:
    train = json.loads(json.dumps(config_to_dict(recipe_for("pong"))))
    train["reinforce"]["value_coef"] = 0.5
    assert recorded_config({"train": train}) == recipe_for("pong")
    train["ppo"]["value_coefficient"] = 0.5
    with pytest.raises(ValueError, match="PPOConfig has no value_coefficient"):
        recorded_config({"train": train})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_worlds": 0}, "num_worlds must be at least 1, got 0"),
        ({"stop_at_success": 1.5}, r"stop_at_success must lie in \(0, 1\], got 1.5"),
        ({"device": "cuda:0"}, "torch sees no CUDA"),
        ({"device": "meta"}, "device 'meta' is none that mmrl trains on: auto, cpu, cuda or cuda:1, say"),
        (
            {"objectives": {"state.weight": 1.0}},
            "objective 'state' reads off 'privileged', .* the critic here has none",
        ),
    ],
)
def test_bad_settings_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    if changes.get("device") == "cuda:0" and torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ValueError, match=message):
        train(short(tmp_path, **changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"checkpoint_every_minutes": math.nan}, "checkpoint_every_minutes must not be negative, got nan"),
    ],
)
def test_numbers_that_mean_nothing_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TrainConfig("CartPole-v1", **changes)


@pytest.mark.parametrize("name", ["target_kl", "clip_value"])
def test_limits_of_an_update_are_above_0(name: str) -> None:
    with pytest.raises(ValueError, match=rf"ppo\.{name} must be above 0, got -0\.1"):
        PPOConfig(**{name: -0.1})


def test_auto_device_is_one_that_works() -> None:
    expected = "cuda" if torch.cuda.is_available() else "cpu"
    assert choose_device("auto").type == expected


def test_bounded_actions_of_other_packages_are_rescaled() -> None:
    envs = make_envs("Pendulum-v1", 2, {})
    assert envs.single_action_space == gym.spaces.Box(-1, 1, (1,), np.float32)
    with pytest.raises(ValueError, match=r"Pendulum-v1 does not accept .*'gravitas'"):
        make_envs("Pendulum-v1", 2, {"gravitas": 3})


def test_command_line_says_what_is_wrong_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for args, message in (
        (["train", "NoSuchThing-v0", "--run-dir", str(tmp_path / "a")], "NoSuchThing"),
        (["train", "--resume", str(tmp_path)], "no run folder"),
        (["export", str(tmp_path), str(tmp_path / "b")], "no run folder"),
        (["fly"], "no command 'fly'; there are train"),
    ):
        assert main(args) == 2
        error = capsys.readouterr().err.strip()
        assert re.search(message, error)
        assert "Traceback" not in error
        assert len(error.splitlines()) == 1


def test_command_line_lists_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    said = capsys.readouterr().out
    for name in ("mmrl/PegInsertion-v0", "force_torque", "ImageConv", "concat", "ppo"):
        assert name in said


def test_help_does_not_load_torch() -> None:
    program = "import sys; from mmrl_agents.cli import main; main(['--help']); assert 'torch' not in sys.modules"
    said = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert said.returncode == 0, said.stderr
    assert "evaluate" in said.stdout


def test_a_run_goes_on_with_its_own_settings_in_python_too(tmp_path: Path) -> None:
    config = short(tmp_path, total_steps=64, seed=7)
    result, _ = quietly(config)
    more = TrainConfig("CartPole-v1", resume=result.run_dir, total_steps=96)
    assert more == replace(config, resume=result.run_dir, run_dir=None, total_steps=96)
    assert quietly(more)[0].steps == 96
    with pytest.raises(FileNotFoundError, match="no run folder"):
        TrainConfig("CartPole-v1", resume=tmp_path / "gone")


def test_a_goal_that_the_worlds_say_nothing_of_is_reported_once(tmp_path: Path) -> None:
    goals = {"judge_every": 32, "judge_episodes": 2, "stop_at_judged_success": 0.5}
    with pytest.warns(
        IdleGoal, match="stop_at_judged_success has no effect: no episode of CartPole-v1 reported"
    ) as warned:
        result, _ = quietly(short(tmp_path, **goals))
    assert (result.steps, len(warned)) == (160, 1)


def test_a_goal_in_training_is_reported_as_idle_once_enough_episodes_ended(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run")
    with closing(run), closing(Trainer(short(tmp_path, stop_at_success=0.5), run)) as trainer:
        trainer.begin()
        trainer.advance()  # of a few episodes nothing is known
        for _ in range(200):
            trainer.statistics.add(Episode(1.0, 3, None, None, False))
        with pytest.warns(IdleGoal, match="stop_at_success has no effect"):
            trainer.advance()
        trainer.advance()
