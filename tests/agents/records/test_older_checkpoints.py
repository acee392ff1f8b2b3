"""Optimisers of older runs, which knew a read-out of the state that taught nothing."""

import pytest
import torch
from gymnasium import spaces

from mmrl.modality import MLP, Modality, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation.state import StateReadOut
from mmrl_agents.records.older_checkpoints import without_idle_read_out

POSE = {"pose": Modality("pose", (3,), 20, MLP((4,), features=5))}
OF_CRITIC = {"privileged": Modality("privileged", (2,), 20, Unencoded())}


def policy(learns: bool) -> ActorCritic:
    objectives = {"state": StateReadOut()} if learns else {}
    return ActorCritic(POSE, spaces.Discrete(2), critic_modalities=OF_CRITIC, objectives=objectives)


def optimizer_of(made: ActorCritic, steps: int) -> torch.optim.Adam:
    """Whose moments of a parameter are its place in the policy, plus one."""
    optimizer = torch.optim.Adam(made.parameters())
    for _ in range(steps):
        for place, weight in enumerate(made.parameters()):
            weight.grad = torch.full_like(weight, place + 1.0)
        optimizer.step()
    return optimizer


@pytest.mark.parametrize("learns", [False, True])
def test_each_weight_keeps_its_own_moments(learns: bool) -> None:
    theirs, ours = policy(True), policy(learns)
    agent = {"optimizer": optimizer_of(theirs, 1).state_dict(), "updates": 3}
    older = {"state_head.weight": torch.zeros(2, 128)}
    state = without_idle_read_out(agent, older, dict(ours.named_parameters()))
    optimizer = torch.optim.Adam(ours.parameters())
    optimizer.load_state_dict(dict(state["optimizer"]))
    places = {name: place for place, (name, _) in enumerate(theirs.named_parameters())}
    for name, weight in ours.named_parameters():
        # the first moment after one step of a gradient g is (1 - 0.9) g
        torch.testing.assert_close(
            optimizer.state[weight]["exp_avg"], torch.full_like(weight, 0.1 * (places[name] + 1))
        )
    assert state["updates"] == 3


def test_checkpoints_of_today_are_left_as_they_are() -> None:
    made = policy(False)
    agent = {"optimizer": optimizer_of(made, 1).state_dict()}
    assert without_idle_read_out(agent, made.state_dict(), dict(made.named_parameters())) is agent
