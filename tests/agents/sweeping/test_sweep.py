"""Sweeps: what a space is, what a trial counts for, and that a worker that is killed loses nothing."""

import io
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from mmrl_agents.cli import main
from mmrl_agents.cli.words import sweep_in, training_in
from mmrl_agents.comparing.sweeping.config import SweepConfig
from mmrl_agents.comparing.sweeping.objectives import parse_objective
from mmrl_agents.comparing.sweeping.space import parse_space, with_settings
from mmrl_agents.comparing.sweeping.study import claim_trial, open_study
from mmrl_agents.comparing.sweeping.sweep import sweep
from mmrl_agents.learning.ppo import PPOConfig
from mmrl_agents.records.files import read_json
from mmrl_agents.settings.config import TrainConfig
from tests.trainings import json_lines

TRAIN = TrainConfig(
    "tests.toys.lessons:Aim",
    recipe="none",
    num_worlds=4,
    total_steps=1024,
    ppo=PPOConfig(num_steps=32, minibatch_size=64, epochs=1),
    judge_every=128,
    judge_episodes=4,
    evaluate_episodes=0,
    threads=1,
    device="cpu",
)
SPACE = ("ppo.learning_rate=log[1e-4,1e-2]", "ppo.epochs=[1,2]")


def judged(*rates: float) -> list[dict[str, float]]:
    return [
        {"step": 100 * row, "wall_time_s": row, "judged/success_rate": rate, "judged/mean_return": 2 * rate}
        for row, rate in enumerate(rates, start=1)
    ]


def test_a_space_has_ranges_and_choices() -> None:
    rate, epochs, gamma = parse_space([*SPACE, "ppo.gamma=uniform[0.9,0.99]"])
    assert (rate.kind, rate.values) == ("log", (1e-4, 1e-2))
    assert (epochs.kind, epochs.values) == ("choice", (1, 2))
    assert gamma.distribution.to_internal_repr(0.95) == 0.95
    assert with_settings(TRAIN, {"ppo.epochs": 2, "ppo.learning_rate": 1e-3}).ppo.epochs == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "a sweep needs a --space"),
        (["ppo.epochs"], "--space takes NAME=log"),
        (["ppo.gamma=log[0,1]"], "begins above 0, got 0"),
        (["ppo.gamma=uniform[2,1]"], "needs two numbers that rise"),
        (["ppo.epochs=[1]", "ppo.epochs=[2]"], "ppo.epochs twice"),
    ],
)
def test_a_bad_space_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_space(words)


@pytest.mark.parametrize(
    ("space", "message"),
    [
        ("ppo.lr=[1,2]", "--space ppo.lr: there is no setting 'lr'; there are .*learning_rate"),
        ("pop.epochs=[1,2]", "there is no setting 'pop'"),
        ("ppo.epochs=[0,2]", "epochs must be above 0, got 0"),
        ("reinforce.gamma=[0.9]", "reinforce.gamma would have no effect"),
    ],
)
def test_a_setting_that_does_not_exist_or_has_no_effect_is_refused(space: str, message: str) -> None:
    for train in (TRAIN, replace(TRAIN, judge_every=None)):  # the space is named before what else is missing
        with pytest.raises(ValueError, match=message):
            SweepConfig(train, (space,)).require_sound()


def test_objectives_are_of_judged_success() -> None:
    steps, seconds = parse_objective("steps_to:0.9"), parse_objective("seconds_to:0.9")
    assert (steps.direction, parse_objective("success").direction) == ("minimize", "maximize")
    assert steps.value(judged(0.5, 0.9, 1.0)) == 200.0
    assert seconds.value(judged(0.5, 0.9, 1.0)) == 2.0
    assert steps.value(judged(0.0, 0.45)) == 200 * 1.5  # half of the way to the goal
    assert not steps.reached(judged(0.0, 0.45))
    assert parse_objective("return").value(judged(0.1, 0.3)) == 0.6
    assert math.isnan(parse_objective("success").value([]))
    for text in ("steps_to", "steps_to:2", "speed:0.5", "success:1"):
        with pytest.raises(ValueError, match="--objective is steps_to:GOAL"):
            parse_objective(text)


def test_the_words_of_a_sweep() -> None:
    words = [
        "CartPole-v1",
        "--space",
        *SPACE,
        "--trials",
        "3",
        "--judge-every",
        "500",
        "--seed",
        "4",
        "--seeds",
        "2",
        "--workers",
        "2",
    ]
    config = sweep_in(words)
    assert config is not None
    assert (config.trials, config.train.env, list(config.all_seeds)) == (3, "CartPole-v1", [4, 5])
    assert (config.sweep_workers, config.train.workers) == (2, 0)
    with pytest.raises(ValueError, match="say how often with --judge-every"):
        replace(config, train=replace(config.train, judge_every=None)).require_sound()


def test_a_trial_that_somebody_is_at_is_left_to_him_and_one_that_was_left_goes_on(tmp_path: Path) -> None:
    config = SweepConfig(TRAIN, SPACE, trials=2, folder=tmp_path)
    study = open_study(config.path, config.aim, 1)
    first = claim_trial(study, tmp_path, config.axes, 2)
    second = claim_trial(study, tmp_path, config.axes, 2)
    assert first is not None
    assert second is not None
    assert (first.trial.number, second.trial.number) == (0, 1)
    assert claim_trial(study, tmp_path, config.axes, 2) is None
    first.lock.release()  # as the kernel does for a process that is killed
    again = claim_trial(open_study(config.path, config.aim, 2), tmp_path, config.axes, 2)
    assert again is not None
    assert (again.trial.number, again.trial.params) == (0, first.trial.params)


@pytest.mark.slow
def test_a_sweep_of_two_workers_of_which_one_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "study"
    command = [sys.executable, "-m", "mmrl_agents", "sweep", "tests.toys.lessons:Aim", "--recipe", "none"]
    command += ["--space", *SPACE, "--trials", "6", "--objective", "return", "--workers", "2", "--folder", str(folder)]
    command += ["--num-worlds", "4", "--total-steps", "4096", "--ppo.num-steps", "32", "--judge-every", "512"]
    command += ["--judge-episodes", "4", "--threads", "1", "--device", "cpu"]
    process = subprocess.Popen(command, start_new_session=True)
    while not list(folder.glob("trials/*/s*/metrics.jsonl")):
        assert process.poll() is None
        time.sleep(0.2)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    rows = read_json(folder / "trials.json")["trials"]
    assert sorted(row["trial"] for row in rows) == list(range(6))
    assert {row["state"] for row in rows} <= {"complete", "pruned"}
    for log in folder.glob("trials/*/s1/metrics.jsonl"):
        steps = [line["step"] for line in json_lines(log)]
        assert steps == sorted(set(steps))
    assert "trials complete" in done.stdout
    assert {"history.png", "best.yaml"} <= {path.name for path in folder.iterdir()}
    settings = [(row["params"]["ppo.learning_rate"], row["params"]["ppo.epochs"]) for row in rows]
    assert len(set(settings)) == len(rows)
    best = training_in(["tests.toys.lessons:Aim", "--config", str(folder / "best.yaml"), "--seed", "9"])
    assert best is not None
    assert best.ppo.epochs == rows[0]["params"]["ppo.epochs"]


@pytest.mark.slow
def test_a_goal_that_is_never_reached_is_said(tmp_path: Path) -> None:
    output = io.StringIO()
    pole = replace(TRAIN, env="CartPole-v1", total_steps=512)  # which knows no success
    config = SweepConfig(pole, ("ppo.epochs=[1,2]",), trials=2, objective="steps_to:1.0", folder=tmp_path / "study")
    assert sweep(config, Console(file=output, width=200))
    assert "no trial reached a judged success of 100%" in output.getvalue()
    with pytest.raises(ValueError, match="holds a sweep with another space"):
        sweep(replace(config, space=("ppo.epochs=[1,3]",)), Console(file=output))
    assert main(["sweep", "CartPole-v1", "--space", "ppo.epoch=[1]", "--judge-every", "9"]) == 2
