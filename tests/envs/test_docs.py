"""docs/tasks.md is true: its file is a task that trains, and is as short as it says."""

import re
import sys
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

TEXT = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
(SOURCE,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture
def push(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    (tmp_path / "push.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "push", raising=False)
    return gym.make_vec("push:mine/Push-v0", num_envs=2, sensors=("proprioception",))


def test_the_task_is_short() -> None:
    assert len(SOURCE.splitlines()) < 120


def test_a_block_that_is_pushed_nears_its_goal(push: Any) -> None:
    _, info = push.reset(seed=0, options={"context": {"block_y_m": 0.0, "goal_y_m": 0.0}})
    start, ahead = info["distance_m"], np.tile(np.array([0.5, 0, 0], np.float32), (2, 1))
    for _ in range(45):
        *_, info = push.step(ahead)
        if info["is_success"].all():
            break
    assert info["is_success"].all()
    assert (info["distance_m"] < 0.015).all()
    assert (start == 0).all()  # not known before the first step
    assert set(info["reward_terms"]) >= {"behind", "pushed", "success"}


def test_its_recipe_is_one(push: Any) -> None:
    from mmrl_agents.settings.starting_points import recipe_for

    assert recipe_for("push:mine/Push-v0").total_steps == 300_000


def test_it_goes_on_from_a_state(push: Any) -> None:
    fresh = gym.make_vec("push:mine/Push-v0", num_envs=2, sensors=("proprioception",))
    push.reset(seed=0)
    push.step(np.ones((2, 3), np.float32))
    fresh.unwrapped.set_state(push.unwrapped.get_state())  # type: ignore[attr-defined]  # ours
    (one, reward, *_), (other, again, *_) = (envs.step(np.ones((2, 3), np.float32)) for envs in (push, fresh))
    np.testing.assert_array_equal(one["proprioception"], other["proprioception"])
    np.testing.assert_array_equal(reward, again)
