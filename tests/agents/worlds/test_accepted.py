"""Names of the arguments of an environment."""

from typing import Any

import gymnasium as gym
import pytest

from mmrl_agents.worlds.accepted import accepted_arguments
from mmrl_agents.worlds.making import known_as, make_envs
from tests.toys.plain import Plain


class Derived(Plain):
    def __init__(self, width: int, *, colour: str = "red", **kwargs: Any) -> None:
        super().__init__(**kwargs)


class Open(Plain):
    def __init__(self, **kwargs: Any) -> None:
        """Takes anything."""


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


def test_parts_of_a_mapping_leave_what_an_environment_is_registered_with() -> None:
    blind = gym.registry["mmrl/PegInsertionBlind-v0"].kwargs["impedance"]
    _, given = known_as("mmrl/PegInsertionBlind-v0", {"impedance": {"stiffness": 900}})
    assert given == {"impedance": {**blind, "stiffness": 900}}
