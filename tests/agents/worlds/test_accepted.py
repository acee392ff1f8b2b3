"""Names of the arguments of an environment."""

from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import gymnasium as gym
import pytest

from mmrl_agents.cli import main
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.accepted import accepted_arguments
from mmrl_agents.worlds.making import known_as, make_envs
from mmrl_envs.tasks import registry
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.tasks.registry import register_task
from tests.toys.plain import Open, Plain


class Derived(Plain):
    def __init__(self, width: int, *, colour: str = "red", **kwargs: Any) -> None:
        super().__init__(**kwargs)


def make(size: int = 3, **kwargs: Any) -> Derived:
    return Derived(size, **kwargs)


def make_any(**kwargs: Any) -> Any:
    return Open(**kwargs)


@pytest.mark.parametrize(
    ("maker", "names"),
    [
        (Plain, ["length", "info"]),
        (Derived, ["colour", "length", "info"]),
        (make, ["size", "colour", "length", "info"]),
        (Open, []),
        (make_any, []),
    ],
)
def test_arguments_are_those_of_all_that_make_it(maker: Any, names: list[str]) -> None:
    gym.register("test-accepted/It-v0", entry_point=maker)
    assert accepted_arguments("test-accepted/It-v0") == names
    del gym.registry["test-accepted/It-v0"]
    assert accepted_arguments("test-accepted/It-v0") == []


def test_a_wrong_argument_is_answered_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=r"Pendulum-v1 does not accept .*: there is no 'gravitas'; there are .*\bg\b"):
        make_envs("Pendulum-v1", 1, {"gravitas": 3})
    names = accepted_arguments("mmrl/PegInsertion-v0")
    assert {"action", "reward", "impedance", "control_hz", "physics_hz", "engine"} <= set(names)
    assert not {"task", "num_envs", "self"} & set(names)


class Geared(PegInsertion):
    """A task with a mapping among its arguments."""

    def __init__(self, gains: Mapping[str, float] = MappingProxyType({"a": 1.0, "b": 2.0})) -> None:
        super().__init__()
        self.gains = {name: gains[name] for name in ("a", "b")}


class GearedPlain(Plain):
    """The same of an environment."""

    def __init__(self, gains: Mapping[str, float] = MappingProxyType({"a": 1.0, "b": 2.0})) -> None:
        super().__init__()
        self.gains = {name: gains[name] for name in ("a", "b")}


@pytest.fixture
def geared(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    register_task("test-accepted/Task-v0", f"{__name__}:Geared", max_episode_steps=3)
    gym.register("test-accepted/Env-v0", entry_point=GearedPlain)
    yield
    for env_id in ("test-accepted/Task-v0", "test-accepted/Env-v0"):
        del gym.registry[env_id]


@pytest.mark.usefixtures("geared")
def test_parts_of_a_mapping_leave_the_default_of_a_constructor(tmp_path: Path) -> None:
    task = TrainConfig("test-accepted/Task-v0", env_kwargs={"gains.a": 3.0}, sensors=("proprioception",))
    with closing(task.worlds.make(1)) as envs:
        assert envs.unwrapped.task.gains == {"a": 3.0, "b": 2.0}
    env = TrainConfig("test-accepted/Env-v0", env_kwargs={"gains": {"a": 3.0}})
    assert env.worlds.make_single().unwrapped.gains == {"a": 3.0, "b": 2.0}
    few = ["--num-worlds", "2", "--total-steps", "32", "--ppo.num-steps", "8", "--ppo.minibatch-size", "16"]
    quiet = ["--evaluate-episodes", "0", "--threads", "1", "--run-dir", str(tmp_path / "run")]
    assert main(["train", "test-accepted/Env-v0", "--set", "gains.b=5", *few, *quiet]) == 0


def test_parts_of_a_mapping_leave_what_an_environment_is_registered_with() -> None:
    blind = gym.registry["mmrl/PegInsertionBlind-v0"].kwargs["impedance"]
    _, given = known_as("mmrl/PegInsertionBlind-v0", {"impedance": {"stiffness": 900}})
    assert given == {"impedance": {**blind, "stiffness": 900}}
