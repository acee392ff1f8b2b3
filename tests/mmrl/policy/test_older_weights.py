"""Weights that older versions saved under other names are loaded."""

from dataclasses import replace

import pytest
import torch

from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation.state import StateReadOut
from tests.mmrl.policy.small_policies import BOX, SENSES, SMALL, observation, of_critic


def older_names(name: str) -> str:
    """The name that a weight had before perceptions, senses of the critic and objectives had modules of their own."""
    return (
        name.replace("critic_perception.encoders./privileged.normalizer", "privileged_statistics")
        .replace("critic_perception.", "critic_")
        .replace("perception.", "")
        .replace("objectives.state.head", "state_head")
    )


@pytest.mark.parametrize("learns", [False, True])
def test_weights_of_older_versions_are_loaded(learns: bool) -> None:
    objectives = {"state": StateReadOut()}
    torch.manual_seed(0)
    theirs = ActorCritic(SENSES, BOX, SMALL, of_critic(5), objectives)
    obs = observation(8, privileged=3 + torch.randn(8, 5))
    theirs.update_statistics(obs)
    older = {older_names(name): weight for name, weight in theirs.state_dict().items()}
    older = {name: weight for name, weight in older.items() if not name.startswith("objectives")}
    assert {"state_head.weight", "privileged_statistics.mean", "encoders./camera.linear.weight"} <= set(older)
    ours = ActorCritic(SENSES, BOX, SMALL, of_critic(5), objectives if learns else {})
    ours.load_state_dict(older)
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name
    assert any(name.startswith("objectives") for name in ours.state_dict()) == learns


def test_weights_of_older_critics_apart_are_loaded() -> None:
    config = replace(SMALL, separate_critic=True)
    ours, theirs = (ActorCritic(SENSES, BOX, config) for _ in range(2))
    older = {older_names(name): weight for name, weight in theirs.state_dict().items()}
    assert "critic_encoders./camera.linear.weight" in older
    ours.load_state_dict(older)
    torch.testing.assert_close(ours.value(observation(4)), theirs.value(observation(4)))
    with pytest.raises(RuntimeError, match="nose"):
        ours.load_state_dict(older | {"nose.weight": torch.zeros(1)})
