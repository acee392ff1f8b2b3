"""Sizes that no memory holds are refused in a sentence, whichever library finds out."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mmrl.policy.config import PolicyConfig
from mmrl_agents.cli import main
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.records.refusals import explained, is_for_the_user
from mmrl_agents.settings.config import TrainConfig
from mmrl_envs.sensors import make_sensor

TOO_MUCH: tuple[Callable[[], Any], ...] = (
    lambda: torch.zeros(10**14),
    lambda: nn.Linear(10**30, 3),
    lambda: nn.Linear(10**12, 10**12),
    lambda: np.zeros(10**15),
    lambda: np.zeros(10**30),
    lambda: bytearray(10**15),
)


@pytest.mark.parametrize("ask", TOO_MUCH)
def test_what_no_memory_holds_is_for_the_user(ask: Callable[[], Any]) -> None:
    with pytest.raises(Exception) as raised:  # each library has an error of its own for it
        ask()
    assert is_for_the_user(raised.value)  # type: ignore[arg-type]  # an Exception
    assert "this needs more memory than there is; fewer worlds" in explained(raised.value)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), TypeError("no number"), KeyError("memory")])
def test_defects_are_not_taken_for_that(error: Exception) -> None:
    assert not is_for_the_user(error)
    assert explained(error) == str(error)


@pytest.mark.parametrize(
    "sizes", [{"critic_hidden": (10**30,)}, {"actor_hidden": (65_537,)}, {"fused_features": 10**9}]
)
def test_layers_have_a_largest_size(sizes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"(layer sizes|fused_features) must lie in [01]\.\.65536, got "):
        PolicyConfig(**sizes)


def test_worlds_have_a_largest_number(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ValueError, match=r"num_worlds must be at most 65,536, got 10,000,000"):
        TrainConfig("CartPole-v1", num_worlds=10**7)
    assert main(["train", "CartPole-v1", "--num-worlds", "10000000"]) == 2
    assert "num_worlds must be at most 65,536" in capsys.readouterr().err


def test_a_rollout_that_outgrows_memory_is_refused_before_it_is_begun() -> None:
    sense = make_sensor("proprioception").modality
    with pytest.raises(ValueError, match=r"a rollout of 1,000,000,000 steps of 16 worlds takes [\d,.]+ GiB, and there"):
        RolloutStorage(10**9, 16, {sense.name: sense}, sense.space, torch.device("cpu"))
