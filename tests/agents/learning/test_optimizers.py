"""Optimisers of PPO and REINFORCE alike: chosen by name, on a linear decay, beside a penalty on weights."""

from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from mmrl.policy.config import PolicyConfig
from mmrl.policy.penalty import LpPenalty
from mmrl.settings.effects import require_effect
from mmrl_agents.cli.words import training_in
from mmrl_agents.learning.optimizers import OPTIMIZERS
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.readers import by

PARTS: dict[str, Any] = {"ppo": PPOConfig, "reinforce": ReinforceConfig}


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimiser_goes_down_a_slope(part: str, name: str) -> None:
    weights = nn.Parameter(torch.tensor([1.0, -2.0]))
    # Adadelta's steps grow from the root of eps.
    config = PARTS[part](optimizer=name, learning_rate=0.05, eps=0.01)
    optimizer = OPTIMIZERS[name]([weights], config)
    before = float(weights.detach().square().sum())
    for _ in range(20):
        optimizer.zero_grad()
        weights.square().sum().backward()
        optimizer.step()
    assert float(weights.detach().square().sum()) < 0.99 * before


def test_ppo_steps_as_it_always_did() -> None:
    """Adam with eps 1e-5 and one kernel for all weights: curves of earlier versions are curves of this one."""
    optimizer = OPTIMIZERS["adam"]([nn.Parameter(torch.zeros(1))], PPOConfig(), fused=True)
    assert isinstance(optimizer, torch.optim.Adam)
    (group,) = optimizer.param_groups
    assert (group["lr"], group["eps"], group["betas"], group["fused"]) == (5e-4, 1e-5, (0.9, 0.999), True)
    assert (group["weight_decay"], group["amsgrad"]) == (0, False)


def test_a_penalty_by_hand() -> None:
    layer = nn.Linear(2, 2)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 0.0]]))
        layer.bias.fill_(100.0)  # a bias may be as large as it likes
    # |1| + |-2| + |3| = 6, and 1 + 4 + 9 = 14
    assert LpPenalty(0.5, 1).of(layer).item() == pytest.approx(3.0)
    assert LpPenalty(0.5, 2).of(layer).item() == pytest.approx(7.0)
    assert LpPenalty(0.0, 2).of(layer).item() == 0.0
    LpPenalty(0.5, 2).of(layer).backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.tolist() == [[1.0, -2.0], [3.0, 0.0]]
    assert layer.bias.grad is None


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "newton"}, "optimizer must be one of 'sgd', .* 'adamw', got 'newton'"),
        ({"eps": 0.0}, "eps must be above 0 and finite, got 0.0"),
        ({"weight_decay": -0.1}, "weight_decay must be finite and not negative, got -0.1"),
        ({"momentum": 1.0}, r"momentum must lie in \[0, 1\), got 1.0"),
        ({"adam_betas": (0.9, 1.0)}, r"adam_betas must lie in \[0, 1\), got \(0.9, 1.0\)"),
    ],
)
def test_steps_out_of_bounds_are_refused(part: str, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=rf"{part}\.{message}"):
        PARTS[part](**settings)


def test_a_decay_that_never_ends_or_is_over_before_it_begins_is_refused() -> None:
    for share in (0.0, 1.5):
        with pytest.raises(ValueError, match=rf"ppo\.decay_share must lie above 0 and up to 1, got {share}"):
            PPOConfig(decay_share=share)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (TrainConfig("CartPole-v1", ppo=PPOConfig(momentum=0.5)), "ppo.momentum .* ppo.optimizer adam does without"),
        (
            TrainConfig("CartPole-v1", ppo=PPOConfig(anneal=False, decay_share=0.5)),
            "ppo.decay_share .* ppo.anneal is off",
        ),
        (
            TrainConfig("CartPole-v1", policy=PolicyConfig(penalty_power=1)),
            "policy.penalty_power .* policy.penalty is 0",
        ),
        (
            TrainConfig("CartPole-v1", agent="sb3-ppo", policy=PolicyConfig(penalty=0.1)),
            "policy.penalty .* has no penalty on weights",
        ),
    ],
)
def test_settings_that_nothing_reads_are_refused(config: TrainConfig, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        require_effect(config, by(config), TrainConfig("CartPole-v1", agent=config.agent))


def test_optimisers_that_read_a_setting_take_it() -> None:
    for optimizer, change in (("momentum", {"momentum": 0.5}), ("adamw", {"weight_decay": 0.1, "eps": 1e-3})):
        config = TrainConfig("CartPole-v1", ppo=replace(PPOConfig(optimizer=optimizer), **change))  # type: ignore[arg-type]
        require_effect(config, by(config), TrainConfig("CartPole-v1"))


@pytest.mark.parametrize("part", PARTS)
def test_the_optimiser_has_a_short_name_on_the_command_line(part: str) -> None:
    config = training_in(["CartPole-v1", "--agent", part, "--optimizer", "adadelta"])
    assert config is not None
    assert vars(config)[part].optimizer == "adadelta"
