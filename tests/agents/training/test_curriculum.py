"""A curriculum over a real training run: what reaches the worlds, what is logged, what is refused, what is judged."""

import json
from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from rich.console import Console

from mmrl.curriculum import make_curriculum
from mmrl_agents.cli import main
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.experience.episodes import Ended, Episode
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.context_picture import draw_contexts, read_contexts
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig, config_from_dict
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.training.curriculum import WorldCurriculum
from mmrl_agents.training.train import train
from tests.trainings import json_lines

VARY: dict[str, Any] = {"friction": [0.9, 0.2], "hole_yaw_rad": [0, [-1.0, 1.0]]}
PEG = TrainConfig(
    env="mmrl/PegInsertion-v0",
    num_worlds=4,
    total_steps=320,
    sensors=("proprioception",),
    env_kwargs={"max_episode_steps": 5},
    ppo=PPOConfig(num_steps=8, minibatch_size=16, epochs=1),
    curriculum="stepwise",
    vary=VARY,
    curriculum_options={"levels": [0.0, 1.0], "every_steps": 160},
    evaluate_episodes=0,
    threads=1,
    device="cpu",
)
GAMES = {"agent": "reinforce", "ppo": PPOConfig(), "reinforce": ReinforceConfig(games_per_batch=4)}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    folder = tmp_path_factory.mktemp("curriculum") / "run"
    train(replace(PEG, run_dir=folder), Console(file=StringIO()))
    return RunFolder(folder)


def test_difficulty_and_success_are_logged(run: RunFolder) -> None:
    log = json_lines(run.metrics_path)
    # The level is that of the step which an update leads to: 1 from step 160 on.
    assert [line["curriculum/level"] for line in log] == [0.0] * 3 + [1.0] * 6
    assert log[-1]["curriculum/success_0.0_0.2"] == 0.0
    assert {"curriculum/difficulty", "curriculum/mastered", "curriculum/friction_mean"} <= log[-1].keys()
    assert log[-1]["curriculum/episodes"] == len(json_lines(run.contexts_path))


def test_every_context_that_was_played_is_on_file(run: RunFolder) -> None:
    records = json_lines(run.contexts_path)
    early = [record for record in records if record["step"] <= 160]
    late = [record for record in records if record["step"] > 192]
    assert {record["context"]["friction"] for record in early} == {0.9}
    assert {record["context"]["friction"] for record in late} == {0.2}
    assert len({record["context"]["hole_yaw_rad"] for record in late}) == len(late)
    assert {record["world"] for record in records} == {0, 1, 2, 3}
    assert {record["success"] for record in records} == {False}


def test_a_picture_shows_them(run: RunFolder, tmp_path: Path) -> None:
    assert (run.path / "curriculum.png").read_bytes().startswith(b"\x89PNG")
    assert draw_contexts(RunFolder(tmp_path)) is None


def test_a_long_log_is_thinned_out_and_damage_left_out(tmp_path: Path) -> None:
    path = tmp_path / "contexts.jsonl"
    rest = '"context": {"lean": 0.5}, "difficulty": 0.5, "success": true}\n'
    path.write_text("".join(f'{{"step": {i}, {rest}' for i in range(50_000)) + '{"ste')
    steps = [record["step"] for record in read_contexts(path)]
    assert 10_000 < len(steps) <= 20_000
    assert np.unique(np.diff(steps)).tolist() == [3]


def test_no_flipped_bit_costs_the_picture(run: RunFolder, tmp_path: Path) -> None:
    whole = run.contexts_path.read_bytes()
    count = len(read_contexts(run.contexts_path))
    broken = RunFolder(tmp_path)
    for place in range(0, whole.index(b"\n"), 5):
        content = bytearray(whole)
        content[place] ^= 1 << place % 8
        broken.contexts_path.write_bytes(content)
        assert len(read_contexts(broken.contexts_path)) in (count - 2, count - 1, count)
    assert draw_contexts(broken) == tmp_path / "curriculum.png"


@pytest.mark.parametrize(
    "line",
    [
        b'{"step": 7, "difficulty": 0.5, "success": true}',
        b'{"step": 7, "difficulty": 0.5, "success": true, "context": {"lean": [1]}}',
        b'{"step": "7", "difficulty": 0.5, "success": true, "context": {"lean": 1}}',
        b'{"step": 7, "difficulty": 0.5, "success": 1, "context": {"lean": 1}}',
        b'{"step": 7, "difficulty": 0.5, "context": {"lean": 1}}',
        b'{"step": 7, "difficulty": 0.5, "success": true, "context": {"mean": 1}}',
        b'{"step": 7, "difficulty": 0.5, "success": true, "context": {"lean": "1"}}',
    ],
)
def test_a_record_of_another_form_is_left_out(line: bytes, tmp_path: Path) -> None:
    whole = b'{"step": 7, "difficulty": 0.5, "success": null, "context": {"lean": 1}}\n'
    path = tmp_path / "contexts.jsonl"
    path.write_bytes(line + b"\n" + 2 * whole)
    assert len(read_contexts(path)) == 2
    path.write_bytes(line)
    draw_contexts(RunFolder(tmp_path))


def test_the_policy_is_judged_on_the_target_whatever_it_practised(run: RunFolder) -> None:
    trained = load_policy(run.path)
    worlds = gym.make(trained.env_id, **trained.worlds.kwargs)
    assert reset_options(trained, {}, worlds) == {"context": {"friction": 0.2, "hole_yaw_rad": (-1.0, 1.0)}}
    assert reset_options(trained, {"friction": 0.5}, worlds) == {
        "context": {"friction": 0.5, "hole_yaw_rad": (-1.0, 1.0)}
    }


def test_the_configuration_survives_json() -> None:
    assert config_from_dict(json.loads(json.dumps(config_to_dict(PEG)))) == PEG


def test_scores_and_unfinished_episodes_reach_the_curriculum() -> None:
    curriculum = make_curriculum("prioritized", {"friction": [0.9, 0.2]}, 0, {"warm_up": 1, "capacity": 2})
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=2, sensors=("proprioception",))
    of_worlds = WorldCurriculum(curriculum, envs, "peg")
    _, info = envs.reset(seed=0)
    context = [{name: info["context"][name][world] for name in ("friction", "start_z_m")} for world in (0, 1)]
    episode = Episode(1.0, 3, True, True, False)
    records = of_worlds.update([Ended(0, context[0], episode, 0, 0.75), Ended(1, context[1], None)], 96)
    assert curriculum.metrics()["mean_score"] == 0.75
    assert curriculum.episodes == 1
    assert [(record["world"], record["step"], record["success"]) for record in records] == [(0, 96, True)]
    assert records[0]["context"] == {"friction": context[0]["friction"]}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vary": {"slope": [0, 1]}}, r"unknown context \['slope'\]; this environment has .*'friction'"),
        ({"vary": {"friction": [0.5, 2.0]}}, r"'friction' must lie in \[0.05, 1.5\], got 2.0"),
        ({"vary": {"shape": ["round", "star"]}}, "unknown 'star'.*'round', 'square'"),
        (
            {"env": "CartPole-v1", "sensors": (), "objectives": {}},
            "CartPole-v1 has no context to set, got friction, hole_yaw_rad",
        ),
        ({"curriculum": "prioritized", "curriculum_options": {}, "objectives": {}, **GAMES}, "'reinforce' has none"),
    ],
)
def test_what_does_not_fit_is_refused_before_anything_starts(
    changes: dict[str, Any], message: str, tmp_path: Path
) -> None:
    config = replace(PEG, run_dir=tmp_path / "run", **changes)
    if "env" in changes:
        config = replace(config, env_kwargs={})
    with pytest.raises(ValueError, match=message):
        train(config)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"curriculum": "steep"}, "unknown curriculum 'steep'; there are uniform, linear"),
        (
            {"curriculum_options": {"pace": 1}},
            "Stepwise has no pace; it has levels, every_steps, spread; --curriculum-options with nothing behind it",
        ),
        ({"vary": {}}, "needs something to vary"),
        ({"curriculum": None}, "vary and curriculum_options need a curriculum: uniform, linear"),
    ],
)
def test_a_curriculum_is_checked_with_the_configuration(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(PEG, **changes)


def test_the_command_line_takes_a_curriculum(tmp_path: Path) -> None:
    arguments = "--sensors proprioception --set max_episode_steps=5 --num-worlds 2 --total-steps 48 --threads 1"
    budget = "--ppo.num-steps 8 --ppo.minibatch-size 16 --ppo.epochs 1 --evaluate-episodes 0 --device cpu"
    curriculum = ["--curriculum", "success_gated", "--curriculum-options", "episodes=4", "spread=harder"]
    vary = ["--vary", "friction=[0.9, 0.2]", "hole_yaw_rad=[0, [-1, 1]]", "shape=[round, square]"]
    folder = tmp_path / "run"
    command = ["train", "mmrl/PegInsertion-v0", "--run-dir", str(folder), *arguments.split(), *budget.split()]
    assert main([*command, *curriculum, *vary]) == 0
    assert main(["train", "--resume", str(folder), "--total-steps", "64"]) == 0
    document = json.loads((folder / "config.json").read_text())["train"]
    assert (document["curriculum"], document["curriculum_options"]) == (
        "success_gated",
        {"episodes": 4, "spread": "harder"},
    )
    assert list(document["vary"]) == ["friction", "hole_yaw_rad", "shape"]
    steps = [line["step"] for line in json_lines(folder / "metrics.jsonl")]
    assert steps == [32, 48, 64]


def test_curricula_are_listed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "300")
    assert main(["list", "curricula"]) == 0
    said = capsys.readouterr().out
    for word in ("uniform", "success_gated", "harder_above=0.75", "learning_progress", "Prioritized Level Replay"):
        assert word in said
