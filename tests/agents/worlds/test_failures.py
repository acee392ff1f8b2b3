"""Errors of environments that fail name the environment and the step."""

import re
from typing import Any

import numpy as np
import pytest

from mmrl_agents.cli import main
from mmrl_agents.worlds.failures import CloseFailed, EnvironmentFailed
from mmrl_agents.worlds.making import make_envs
from tests.toys import breaking


def play(name: str, workers: int = 0) -> None:
    envs = make_envs(f"{breaking.__name__}:{name}", 1, {}, workers=workers)
    try:
        envs.reset(seed=0)
        for _ in range(4):
            envs.step(np.zeros(1, np.int64))
    finally:
        envs.close()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("OldStep", "OldStep failed in step 1 of an episode: its step is that of the old gym: gymnasium's gives"),
        ("OldReset", "OldReset failed in a reset: its reset is that of the old gym: gymnasium's is reset(*, seed="),
        ("Forgetful", "Forgetful failed in step 2 of an episode: ValueError: the observation has no 'tip', which its"),
        ("Growing", "Growing failed in step 1 of an episode: ValueError: observation 'joints' is not as its space"),
        ("Clumsy", f"Clumsy failed in step 3 of an episode: KeyError: 'gripper' ({breaking.__file__}, line "),
    ],
)
def test_a_failure_says_the_environment_and_the_step(name: str, message: str) -> None:
    with pytest.raises(EnvironmentFailed, match=re.escape(message)):
        play(name)


def test_so_does_one_in_a_worker() -> None:
    with pytest.raises(EnvironmentFailed, match="Clumsy failed in step 3 of an episode: KeyError: 'gripper'"):
        play("Clumsy", workers=1)


def test_a_failed_close_costs_nothing_but_a_warning() -> None:
    with pytest.warns(CloseFailed, match="Stubborn could not be closed: RuntimeError: the window is gone"):
        play("Stubborn")


def test_the_command_line_gives_the_sentence_alone(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    few = ("--num-worlds", "1", "--total-steps", "8", "--ppo.num-steps", "8", "--ppo.minibatch-size", "8")
    assert main(["train", f"{breaking.__name__}:Clumsy", *few, "--run-dir", str(tmp_path / "run")]) != 0
    printed = capsys.readouterr().err
    assert "Clumsy failed in step 3" in " ".join(printed.split())
    assert "Traceback" not in printed
