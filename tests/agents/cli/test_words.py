"""From the words of a command line, and a file of settings, to the settings of a training."""

import json
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import pytest
import yaml

from mmrl_agents.cli import main
from mmrl_agents.cli.words import ablation_in, training_in
from mmrl_agents.policies.shipped import pretrained_names
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.recipes import all_recipes
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.settings.starting_points import recipe_for
from mmrl_envs.tasks import registry

PEG = "mmrl/PegInsertion-v0"


@pytest.mark.parametrize(
    ("env", "settings", "words"),
    [
        (PEG, {}, []),
        (PEG, {"seed": 3, "num_worlds": 4}, ["--seed", "3", "--num-worlds", "4"]),
        (PEG, {"recipe": "tight"}, ["--recipe", "tight"]),
        (PEG, {"recipe": "none"}, ["--recipe", "none"]),
        (
            PEG,
            {"recipe": "randomized", "context": {"friction": 0.3}},
            ["--recipe=randomized", "--context", "friction=0.3"],
        ),
        (PEG, {"agent": "sb3-sac", "total_steps": 10}, ["--agent", "sb3-sac", "--total-steps", "10"]),
        ("pong", {}, []),
        ("pong", {"agent": "reinforce"}, ["--agent=reinforce"]),
        ("pong", {"env_kwargs": {"background": 9}}, ["--set", "background=9"]),
        ("CartPole-v1", {}, []),
        ("Acrobot-v1", {"seed": 2}, ["--seed", "2"]),
    ],
)
def test_python_and_the_command_line_start_from_the_same_settings(
    env: str, settings: dict[str, Any], words: list[str]
) -> None:
    assert TrainConfig(env, **settings) == training_in([env, *words])


def test_what_is_not_given_is_of_the_recipe_and_what_is_given_wins() -> None:
    recipe = recipe_for(PEG)
    config = TrainConfig(PEG, seed=9, stop_at_success=None)
    assert (config.num_worlds, config.ppo, config.policy) == (64, recipe.ppo, recipe.policy)
    assert (config.seed, config.stop_at_success, config.recipe) == (9, None, "default")
    assert TrainConfig(PEG, recipe="none", seed=9).ppo == TrainConfig("Acrobot-v1").ppo != recipe.ppo
    with pytest.raises(ValueError, match="CartPole-v1 has no recipe 'slow'; it has default"):
        TrainConfig("CartPole-v1", recipe="slow")


@pytest.mark.parametrize("name", ["settings.yaml", "settings.json"])
def test_a_file_gives_settings_and_words_win_over_it(name: str, tmp_path: Path) -> None:
    document = {"env": PEG, "seed": 5, "num_worlds": 8, "ppo": {"epochs": 9}, "env_kwargs": {"control_hz": 10}}
    path = tmp_path / name
    path.write_text(json.dumps(document) if name.endswith("json") else yaml.safe_dump(document))
    config = training_in(["--config", str(path), "--num-worlds", "4", "--set", "impedance.stiffness=900"])
    assert config is not None
    assert (config.env, config.seed, config.num_worlds, config.recipe) == (PEG, 5, 4, "default")
    # one setting of a part leaves the others those of the recipe
    assert (config.ppo.epochs, config.ppo.learning_rate) == (9, recipe_for(PEG).ppo.learning_rate)
    assert config.env_kwargs == {"control_hz": 10, "impedance": {"stiffness": 900}}
    other = training_in(["CartPole-v1", "--config", str(path), "--set"])
    assert other is not None
    assert (other.env, other.seed) == ("CartPole-v1", 5)


def test_what_is_printed_can_be_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["train", PEG, "--recipe", "tight", "--seed", "7", "--set", "impedance.stiffness=900", "--print-config"]
    assert main(words) == 0
    path = tmp_path / "config.yaml"
    path.write_text(capsys.readouterr().out)
    config = training_in(["--config", str(path)])
    assert config == TrainConfig(PEG, recipe="tight", seed=7, env_kwargs={"impedance": {"stiffness": 900}})
    assert main(["ablate", PEG, "--seeds", "4", "5", "--print-config"]) == 0
    path.write_text(capsys.readouterr().out)
    ablation = ablation_in(["--config", str(path), "--episodes", "9"])
    assert ablation is not None
    assert (ablation.train, ablation.seeds, ablation.episodes) == (TrainConfig(PEG), (4, 5), 9)
    assert main(["evaluate", "pong", "--episodes", "9", "--print-config"]) == 0
    printed = yaml.safe_load(capsys.readouterr().out)
    assert (printed["run"], printed["episodes"], printed["faults"]["delay"]) == ("pong", 9, [2, 8])


def test_a_recorded_run_can_be_had_again_in_another_folder(tmp_path: Path) -> None:
    recorded = TrainConfig(PEG, seed=5, ppo=recipe_for("CartPole-v1").ppo, run_dir=tmp_path / "old")
    path = tmp_path / "config.json"
    train = config_to_dict(recorded)
    train["reinforce"]["value_coef"] = 0.5  # as an older version had it
    path.write_text(json.dumps({"env_id": PEG, "train": train}))
    config = training_in(["--config", str(path)])
    assert config is not None
    assert (config.seed, config.ppo, config.run_dir) == (5, recorded.ppo, None)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("speed: 3", "TrainConfig has no speed; it has env, agent"),
        ("ppo: {epoks: 3}", "PPOConfig has no epoks; it has optimizer"),
        ("ppo: {epochs: 2.5}", "ppo.epochs must be int, got 2.5"),
        ("- 3", "must hold settings by name, got list"),
        ("a: [", "is no YAML"),
        ("a: &x [*x]", "an alias, *x, is no value of a setting"),
        ("recipe: slow", "has no recipe 'slow'"),
    ],
)
def test_a_file_that_does_not_fit_is_refused(
    content: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "settings.yaml"
    path.write_text(content)
    assert main(["train", "CartPole-v1", "--config", str(path)]) == 2
    assert message in capsys.readouterr().err


def test_a_file_imports_nothing_that_nobody_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "evil.py").write_text("import pathlib; pathlib.Path('ran').touch()\nmake = None\n")
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "settings.yaml"
    for text, words in (
        ("env: evil:make", []),
        ("env_id: a\ntrain: {env: 'evil:make'}", []),
        ("train: {env: 'evil:make'}", []),
        ("train: {env: CartPole-v1}\nenv: evil:make", []),
        ("modalities: {camera.encoder: Custom, camera.target: 'evil:make'}", [PEG]),
        ("trust: [evil]\nenv: evil:make", []),
    ):
        path.write_text(text)
        for find in (training_in, ablation_in):
            with pytest.raises(ValueError, match=r"evil:make.* --trust evil|only you can, with --trust"):
                find([*words, "--config", str(path)])
    assert not Path("ran").exists()


def test_a_module_that_a_file_names_can_be_trusted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "kind_of_mine.py").write_text("import gymnasium as gym\n\nclass Mine(gym.Env): ...\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    path = tmp_path / "settings.yaml"
    path.write_text("env: kind_of_mine:Mine")
    config = training_in(["--config", str(path), "--trust", "kind_of_mine"])
    assert config is not None
    assert (config.env, config.trust) == ("kind_of_mine:Mine", ())


def test_the_recipe_of_a_task_in_a_module_that_is_typed_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "task_of_mine.py").write_text(
        "from mmrl_envs import register_task\n"
        "register_task('mine/Words-v0', 'task_of_mine:Task', max_episode_steps=5, recipes={'': {'num_worlds': 3}})\n"
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", [*sys.path])
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    try:
        config = training_in(["task_of_mine:mine/Words-v0", "--seed", "2"])
    finally:
        gym.registry.pop("mine/Words-v0", None)
    assert config is not None
    assert (config.recipe, config.num_worlds, config.seed) == ("default", 3, 2)
    assert main(["train", "task_of_nobody:mine/Other-v0", "--print-config"]) == 2
    assert "needs the module task_of_nobody, which is not installed" in " ".join(capsys.readouterr().err.split())


def test_a_file_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "CartPole-v1", "--config", str(tmp_path / "gone.yaml")]) == 2
    err = capsys.readouterr().err.replace("\n", "")
    assert err.endswith("gone.yaml: no such file or directory")
    assert "Errno" not in err


@pytest.mark.parametrize(
    ("words", "ours"),
    [
        (["--lr", "3e-4"], "--ppo.learning-rate"),
        (["-lr=3e-4"], "--ppo.learning-rate"),
        (["--lr=3", "--agent", "reinforce"], "--reinforce.learning-rate"),
        (["--lr=3", "--agent", "sb3-ppo"], "--sb3.options NAME=VALUE"),
        (["--n_envs", "4"], "--num-worlds"),
        (["--ent-coef", "0"], "--ppo.entropy-coef"),
        (["--timesteps", "4"], "--total-steps"),
        (["--env-kwargs", "a=1"], "--set"),
        (["--ppo.lr", "3e-4"], "--ppo.learning-rate"),
    ],
)
def test_what_others_call_an_option_is_answered_with_our_name(
    words: list[str], ours: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["train", "CartPole-v1", *words]) == 2
    assert f"here it is {ours}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "option", "values"),
    [
        ("train", "--set", ("control_hz=10", "physics_hz=500")),
        ("train", "--sensors", ("camera", "force_torque")),
        ("train", "--policy.fusion-options", ("a=1", "b=2")),
        ("ablate", "--context", ("friction=0.3", "clearance_mm=1")),
        ("ablate", "--seeds", ("1", "2")),
        ("evaluate", "--context", ("friction=0.3", "clearance_mm=1")),
        ("evaluate", "--faults.noise", ("1", "2")),
        ("watch", "--without", ("camera", "force_torque")),
    ],
)
def test_of_values_given_in_two_places_none_is_lost_unseen(
    command: str, option: str, values: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    words = [word for value in values for word in (option, value)]
    place = PEG if command in ("train", "ablate") else "peg_insertion"
    assert main([command, place, *words]) == 2
    assert f"{option} is given twice, and only the last would count" in capsys.readouterr().err


def test_of_one_value_given_twice_the_last_counts() -> None:
    config = training_in([PEG, "--seed", "1", "--seed", "2"])
    assert config is not None
    assert config.seed == 2


@pytest.mark.parametrize("name", pretrained_names())
def test_what_can_be_evaluated_by_its_name_can_be_trained_by_it(name: str) -> None:
    shipped = load_policy(name).config
    config = training_in([name])
    assert config is not None
    assert config.env == shipped.env
    assert shipped.recipe in all_recipes()[name]


def test_no_environment_at_all_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "--seed", "3"]) == 2
    assert "no environment is given" in capsys.readouterr().err


def test_the_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("mmrl 0.")
