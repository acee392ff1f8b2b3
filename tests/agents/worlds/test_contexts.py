"""Contexts of environments of other packages: declared or read from the options, fixed, drawn or chosen."""

import json
import re
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.records.checkpoint import numpy_tree, plain
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from mmrl_agents.worlds.foreign_worlds import make_single_world
from mmrl_agents.worlds.making import make_envs, require_context_known
from mmrl_envs.multimodal import describing
from tests.toys import contexts

HILL = f"{contexts.__name__}:Hill"


def slopes(envs: Any, steps: int) -> list[list[float]]:
    """The observation of each step."""
    return [
        envs.step(np.zeros(envs.num_envs, np.int64))[0]["observation"].ravel().round(6).tolist() for _ in range(steps)
    ]


def slopes_at_reset(envs: Any) -> list[float]:
    seen: list[float] = envs.reset(seed=0)[0]["observation"].ravel().tolist()
    return seen


@pytest.mark.parametrize("workers", [0, 1])
def test_a_declared_context_lasts_until_another_is_set(workers: int) -> None:
    envs = make_envs(HILL, 2, {}, workers=workers)
    observation, info = envs.reset(seed=0, options={"context": {"slope": 0.25, "ground": "ice"}})
    assert observation["observation"].ravel().tolist() == [0.25, 0.25]
    assert info["context"]["ground"].tolist() == ["ice", "ice"]
    assert slopes(envs, 3) == [[0.25, 0.25]] * 3
    *_, last = envs.step(np.zeros(2, np.int64))
    assert last["final_info"]["context"]["slope"].tolist() == [0.25, 0.25]
    assert last["final_info"]["is_success"].tolist() == [False, False]
    assert envs.reset(options={"context": {"slope": 1}})[0]["observation"].ravel().tolist() == [1, 1]
    assert envs.reset()[1]["context"]["ground"].tolist() == ["ice", "ice"]
    envs.close()


def test_every_episode_draws_from_a_range_as_its_seed_says() -> None:
    envs, same = make_envs(HILL, 3, {}), make_envs(HILL, 3, {})
    for worlds in (envs, same):
        worlds.reset(seed=4, options={"context": {"slope": [0.2, 0.8], "ground": ["sand", "ice"]}})
    drawn = slopes(envs, 12)
    assert drawn == slopes(same, 12)
    values = {value for row in drawn for value in row}
    assert len(values) == 18 + 3  # a new one with each of six episodes, and those of the first
    assert min(values) >= 0.2
    assert max(values) <= 0.8


@pytest.mark.parametrize(
    ("name", "context", "message"),
    [
        ("Hill", {"wind": 1}, "Hill has no context 'wind' to set; it declares slope, ground"),
        ("Hill", {"slope": 2}, "context 'slope' must lie in [0.0, 1.0], got 2"),
        ("Hill", {"ground": "mud"}, "context 'ground': unknown 'mud'"),
        ("Quiet", {"depth": 1}, "Quiet has no context to set, got depth: it declares no context_parameters, and its"),
        (
            "Odd",
            {"slope": 1},
            f"context_parameters of {contexts.__name__}:Odd: 'slope' takes (low, high) or names to choose",
        ),
    ],
)
def test_what_an_environment_does_not_take_is_refused(name: str, context: Any, message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        require_context_known(name, context, make_envs(f"{contexts.__name__}:{name}", 2, {}))


@pytest.mark.parametrize("name", ["Quiet", "Copying"])
def test_what_is_not_declared_travels_as_an_option(name: str) -> None:
    envs = make_envs(f"{contexts.__name__}:{name}", 2, {})
    require_context_known(name, {"slope": 0.75}, envs)
    assert slopes_at_reset(envs) == [0, 0]  # asking changes nothing
    envs.reset(seed=0, options={"context": {"slope": 0.75}})
    assert slopes(envs, 3) == [[0.75, 0.75]] * 3


def test_options_that_a_reset_reads_are_a_context_too() -> None:
    envs = make_envs("CartPole-v1", 2, {})
    require_context_known("CartPole-v1", {"low": 0.01, "high": 0.02}, envs)
    observation, _ = envs.reset(seed=0, options={"context": {"low": 0.01, "high": 0.02}})
    assert observation["observation"].min() >= 0.01
    alone = make_single_world("CartPole-v1", {}, {})
    require_context_known("CartPole-v1", {"low": -0.02}, alone)
    with pytest.raises(ValueError, match="CartPole-v1 has no context to set, got gravity"):
        require_context_known("CartPole-v1", {"gravity": 9}, alone)


def test_a_world_goes_on_in_its_context() -> None:
    one, other = make_envs(HILL, 2, {}), make_envs(HILL, 2, {})
    one.reset(seed=1, options={"context": {"slope": [0, 1]}})
    slopes(one, 3)
    describing(other).set_state(numpy_tree(plain(describing(one).get_state())))
    assert slopes(one, 7) == slopes(other, 7)


def tiny(folder: Path, **changes: Any) -> TrainConfig:
    ppo = PPOConfig(num_steps=8, minibatch_size=16, epochs=1)
    settings: dict[str, Any] = {"num_worlds": 2, "total_steps": 96, "threads": 1, "ppo": ppo, "evaluate_episodes": 0}
    return TrainConfig(HILL, run_dir=folder, **(settings | changes))


def test_a_curriculum_teaches_it_and_its_hard_end_judges(tmp_path: Path) -> None:
    run = tmp_path / "run"
    vary = {"slope": [0.0, [0.5, 1.0]], "ground": ["sand", "ice"]}
    changes = {"curriculum": "uniform", "vary": vary, "judge_every": 32, "judge_episodes": 16}
    train(tiny(run, **changes), Console(file=StringIO()))
    lines = [json.loads(line) for line in (run / "contexts.jsonl").read_text().splitlines()]
    assert len({line["context"]["slope"] for line in lines}) == len(lines) > 10
    assert {line["context"]["ground"] for line in lines} == {"sand", "ice"}
    assert all(line["success"] == (line["context"]["ground"] == "sand") for line in lines)
    judged = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    returns = [line["judged/mean_return"] for line in judged if "judged/mean_return" in line]
    assert len(set(returns)) == 1  # the same draws each time, of two steps with slopes from 0.5 to 1
    assert 1 < returns[0] < 2
    train(TrainConfig(**{**vars(tiny(run, **changes)), "total_steps": 128, "resume": run}), Console(file=StringIO()))
    report = evaluate_run(EvaluateConfig(str(run), episodes=4, context={"ground": "sand"}, checkpoint="last"))
    assert report.rows[0].success_at_end.rate == 1
    assert 1 <= report.rows[0].episodes.episode_return.min() <= report.rows[0].episodes.episode_return.max() <= 2


def test_a_curriculum_needs_the_worlds_in_its_own_process(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="chooses every context in the process that learns: leave workers at 0"):
        train(tiny(tmp_path / "run", curriculum="uniform", vary={"slope": [0, 1]}, workers=1))
