"""The Q network: choices, acting, what it remembers."""

import numpy as np
import pytest
import torch
from gymnasium import spaces

from mmrl.inputs import Memory
from mmrl.modality import MLP, Modality
from mmrl.policy.config import PolicyConfig
from mmrl.policy.q_network import QNetwork, choices_of

SENSES = {"pose": Modality("pose", (3,), 20, MLP((4,), features=5)), "touch": Modality("touch", (2,), 20, MLP((4,)))}


def network(remembered: int = 0) -> QNetwork:
    """On a pose and a touch, with two numbers to choose, whose values are no longer all the same."""
    torch.manual_seed(0)
    made = QNetwork(SENSES, choices_of(spaces.Box(-1, 1, (2,)), (-1, 0, 1)), PolicyConfig("concat"), remembered)
    torch.nn.init.normal_(made.critic[-1].weight)
    return made


def readings(rows: int) -> dict[str, torch.Tensor]:
    return {"pose": torch.randn(rows, 3), "touch": torch.randn(rows, 2)}


def test_the_choices_of_numbers_are_all_combinations_of_levels() -> None:
    choices = choices_of(spaces.Box(-1, 1, (2,)), (-0.5, 1))
    assert choices.actions.tolist() == [[-0.5, -0.5], [-0.5, 1], [1, -0.5], [1, 1]]
    assert choices.described.tolist() == choices.actions.tolist()
    assert choices_of(spaces.Box(-1, 1, (2, 1)), (-0.5, 1)).actions.shape == (4, 2, 1)


def test_the_choices_of_a_discrete_space_are_its_own() -> None:
    choices = choices_of(spaces.Discrete(3), (-0.5, 1))
    assert choices.actions.tolist() == [0, 1, 2]
    assert choices.described.tolist() == [[1, 0, 0], [0, 1, 0], [0, 0, 1]]


@pytest.mark.parametrize(
    ("space", "message"),
    [
        (spaces.Box(-1, 1, (7,)), "3 levels in each of 7 numbers are 2,187 choices, more than 1,024"),
        (spaces.Box(-1, 0.5, (1,)), r"levels must lie in the action space, -1 to 0\.5, got \(-1, 0, 1\)"),
        (spaces.Discrete(2, start=1), "must start at 0"),
        (spaces.MultiBinary(3), "must be a Box of floats or Discrete"),
    ],
)
def test_actions_that_are_no_choices_are_refused(space: spaces.Space[object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        choices_of(space, (-1, 0, 1))


def test_the_values_of_all_choices_are_those_of_each() -> None:
    net, obs = network(), readings(4)
    seen, newest = net.see(obs), net.first(4)
    every = net.values(seen, newest)
    assert every.shape == (4, 9)
    for choice in range(9):
        alone = net.values_of(seen, newest, torch.full((4,), choice))
        torch.testing.assert_close(alone, every[:, choice], rtol=1e-5, atol=1e-5)


def test_it_takes_the_best_choice_and_explores_with_a_share_of_its_steps() -> None:
    net, obs = network(), readings(3000)
    best = net.actions[net.values(net.see(obs), net.first(3000)).argmax(dim=1)]
    assert torch.equal(net.step(obs, None, deterministic=True).action, best)
    net.epsilon.fill_(0.3)
    drawn = net.step(obs, None, generator=torch.Generator().manual_seed(0)).action
    # One random choice of nine is the best by chance: 0.3 * 8 / 9 are others, with a deviation of 0.8 %.
    assert float((drawn != best).any(dim=1).float().mean()) == pytest.approx(0.267, abs=0.03)
    again = net.step(obs, None, generator=torch.Generator().manual_seed(0)).action
    assert torch.equal(drawn, again)


def test_an_absent_sense_has_no_effect() -> None:
    net, obs = network(), readings(2)
    absent = {"touch": torch.tensor([True, False])}
    there = net.step(obs, None, present=absent, deterministic=True).action
    other = net.step({**obs, "touch": torch.full((2, 2), np.nan)}, None, present=absent, deterministic=True).action
    assert torch.equal(there[1], other[1])


def test_the_newest_choices_are_part_of_the_state() -> None:
    net, obs = network(remembered=2), readings(2)
    assert net.state_size == 18
    begins = torch.tensor([[False, True]])
    before = torch.arange(36.0).view(2, 18)
    acted = net.step(obs, Memory(before, begins), deterministic=True)
    assert acted.state is not None
    choice = (net.actions.unsqueeze(0) == acted.action.unsqueeze(1)).all(dim=2).int().argmax(dim=1)
    # The newer one moves up; an episode that begins has none.
    assert acted.state[:, :9].tolist() == [before[0, 9:].tolist(), [0.0] * 9]
    assert acted.state[:, 9:].argmax(dim=1).tolist() == choice.tolist()
    with pytest.raises(ValueError, match="give it a Memory"):
        net.step(obs, None)


def test_a_fusion_that_remembers_is_refused() -> None:
    with pytest.raises(ValueError, match="a Q network remembers no senses, so that fusion 'gru' is none for it"):
        QNetwork(SENSES, choices_of(spaces.Discrete(2), ()), PolicyConfig("gru"))
