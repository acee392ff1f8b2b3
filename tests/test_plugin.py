"""A sensor from a package that mmrl has never heard of reaches the observation and the policy."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent / "plugin_package"

# Runs where the package is installed; this process has already read the entry points without it.
PROGRAM = """
import gymnasium as gym
import numpy as np
import torch

from mmrl.policy.actor_critic import ActorCritic

env = gym.make("mmrl_envs:mmrl/PegInsertion-v0", sensors=("camera", "range_finder"))
first, _ = env.reset(seed=0)
second, *_ = env.step(np.zeros(env.action_space.shape, np.float32))

for observation in (first, second):
    assert set(observation) == {"camera", "range_finder"}, set(observation)
    assert observation in env.observation_space
    ranges = observation["range_finder"]
    assert ranges.shape == (10, 1) and ranges.dtype == np.float32, (ranges.shape, ranges.dtype)
    # The hand looks down at a scene within arm's reach.
    assert np.all((ranges > 0.0) & (ranges < 1.5)), ranges

policy = ActorCritic(env.unwrapped.modalities, env.action_space)
batch = {name: torch.as_tensor(value)[None] for name, value in second.items()}
action, log_prob = policy.act(batch)
assert action.shape == (1, *env.action_space.shape), action.shape
assert log_prob.shape == (1,), log_prob.shape

# The distance is not only carried along: it moves the action.
blinded = batch | {"range_finder": batch["range_finder"] + 0.1}
seen, unseen = (policy.act(b, deterministic=True)[0] for b in (batch, blinded))
assert not torch.equal(seen, unseen)
env.close()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plugin")
    # The installed build backend, so that no network is needed.
    command = [
        sys.executable,
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
    ]
    subprocess.run([*command, "--target", str(folder), str(PACKAGE)], check=True)
    return folder


def test_installed_sensor_reaches_the_policy(installed: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM],
        env=os.environ | {"PYTHONPATH": str(installed)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr


def test_a_sensor_is_one_file_of_under_thirty_lines() -> None:
    (source,) = PACKAGE.glob("*.py")
    assert len(source.read_text().splitlines()) < 30
