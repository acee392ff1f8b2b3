"""Errors of environments that fail name the environment and the step."""

import re
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium import spaces

from mmrl_agents.cli import main
from mmrl_agents.worlds.failures import CloseFailed, EnvironmentFailed
from mmrl_agents.worlds.making import make_envs


class Fine(gym.Env[Any, Any]):
    """Two senses, episodes of three steps."""

    observation_space = spaces.Dict({name: spaces.Box(-1, 1, (2,), np.float32) for name in ("joints", "tip")})
    action_space = spaces.Discrete(2)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
        super().reset(seed=seed)
        self.steps = 0
        return self.look(), {}

    def step(self, action: Any) -> Any:
        self.steps += 1
        return self.look(), 1.0, self.steps == 3, False, {}

    def look(self) -> dict[str, Any]:
        return {name: np.zeros(2, np.float32) for name in ("joints", "tip")}


class OldStep(Fine):
    def step(self, action: Any) -> Any:
        observation, reward, over, _, info = super().step(action)
        return observation, reward, over, info


class OldReset(Fine):
    def reset(self, *, seed: int | None = None) -> Any:  # type: ignore[override]  # as many are
        return super().reset(seed=seed)


class Forgetful(Fine):
    def look(self) -> dict[str, Any]:
        return super().look() if self.steps < 2 else {"joints": np.zeros(2, np.float32)}


class Growing(Fine):
    def look(self) -> dict[str, Any]:
        return {name: np.zeros(2 + self.steps, np.float32) for name in ("joints", "tip")}


class Clumsy(Fine):
    def step(self, action: Any) -> Any:
        if self.steps == 2:
            raise KeyError("gripper")
        return super().step(action)


class Stubborn(Fine):
    def close(self) -> None:
        raise RuntimeError("the window is gone")


def play(name: str, workers: int = 0) -> None:
    envs = make_envs(f"{__name__}:{name}", 1, {}, workers=workers)
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
        ("Clumsy", f"Clumsy failed in step 3 of an episode: KeyError: 'gripper' ({__file__}, line "),
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
    assert main(["train", f"{__name__}:Clumsy", *few, "--run-dir", str(tmp_path / "run")]) != 0
    printed = capsys.readouterr().err
    assert "Clumsy failed in step 3" in " ".join(printed.split())
    assert "Traceback" not in printed
