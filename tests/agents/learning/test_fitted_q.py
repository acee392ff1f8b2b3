"""Fitted Q iteration where the values are known: by hand, in a corridor, and on a cart that is pushed to the middle."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from mmrl.modality import Modality, Unencoded
from mmrl.policy.config import PolicyConfig
from mmrl.policy.q_network import Choices, QNetwork
from mmrl_agents.experience.q_states import StatesOfReadings
from mmrl_agents.experience.transitions import Steps, Transitions
from mmrl_agents.learning.fitted_q import FittedQ, Regression, q_targets, value_bounds
from mmrl_agents.learning.fitted_q_config import FittedQConfig

torch.set_num_threads(1)

Array = NDArray[np.float64]


def test_targets_by_hand() -> None:
    rewards, terminal = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([False, False, True])
    following = torch.tensor([[1.0, 3.0], [9.0, -1.0], [50.0, 60.0]])
    # 1 + 0.5 * 3; 0 + 0.5 * 9 is more than rewards of 1 for ever come to, 1 / (1 - 0.5); nothing follows the last
    assert q_targets(rewards, following, terminal, 0.5).tolist() == [2.0, 2.0, -2.0]
    unbounded = q_targets(torch.tensor([1.0, 0.0]), following[:2] / 9, terminal[:2], 0.5)
    assert unbounded.tolist() == pytest.approx([1 + 0.5 / 3, 0.5])


@pytest.mark.parametrize(
    ("rewards", "bounds"), [((0.0, 1.0), (0.0, 10.0)), ((-2.0, -1.0), (-20.0, -1.0)), ((3.0, 4.0), (3.0, 40.0))]
)
def test_values_lie_within_what_rewards_can_add_up_to(
    rewards: tuple[float, float], bounds: tuple[float, float]
) -> None:
    assert value_bounds(torch.tensor(rewards), 0.9) == pytest.approx(bounds)


def network_on(numbers: int, actions: torch.Tensor, hidden: tuple[int, ...]) -> QNetwork:
    """A network on a state of so many numbers."""
    torch.manual_seed(0)
    sense = Modality("state", (numbers,), 10, Unencoded())
    config = PolicyConfig(fused_features=0, critic_hidden=hidden)
    return QNetwork({"state": sense}, Choices(actions, actions.float().view(len(actions), -1)), config)


def batch_of(
    network: QNetwork, before: Array, choice: NDArray[np.intp], after: Array, reward: Array, over: Array
) -> tuple[StatesOfReadings, Transitions]:
    """Transitions between states (B, D)."""
    states = StatesOfReadings(network)
    transitions = Transitions(states.columns, 0)
    nothing = np.zeros((len(before), 0))
    first, last = (transitions.add_states({"state": rows}, nothing) for rows in (before, after))
    transitions.add(Steps(first, choice, reward, last, over.astype(bool)))
    states.show({"state": torch.from_numpy(before.astype(np.float32))})
    return states, transitions


# A corridor of five places: action 0 goes left and 1 right; beyond the left end lies 0.3 and beyond the right end 1.
LENGTH, GAMMA = 5, 0.8


def walked(place: NDArray[np.intp], action: NDArray[np.intp]) -> tuple[NDArray[np.intp], Array, Array]:
    after = place + 2 * action - 1
    return after, np.where(after < 0, 0.3, np.where(after >= LENGTH, 1.0, 0.0)), (after < 0) | (after >= LENGTH)


def values_of_the_corridor() -> Array:
    """Q* (LENGTH, 2) by value iteration in a table."""
    place, action = (axis.ravel() for axis in np.meshgrid(np.arange(LENGTH), [0, 1], indexing="ij"))
    after, reward, over = walked(place, action)
    q = np.zeros((LENGTH, 2))
    for _ in range(50):
        q = (reward + GAMMA * np.where(over, 0, q.max(axis=1)[after.clip(0, LENGTH - 1)])).reshape(LENGTH, 2)
    return q


@pytest.mark.parametrize(
    "config",
    [
        FittedQConfig(gamma=GAMMA, iterations=8, epochs=60, fit="rprop", learning_rate=1e-2),
        FittedQConfig(gamma=GAMMA, iterations=8, epochs=60, fit="adam", learning_rate=1e-2, minibatch_size=10),
    ],
    ids=["rprop", "adam"],
)
def test_the_values_of_a_corridor_are_found(config: FittedQConfig) -> None:
    place, action = (axis.ravel() for axis in np.meshgrid(np.arange(LENGTH), [0, 1], indexing="ij"))
    after, reward, over = walked(place, action)
    network = network_on(LENGTH, torch.arange(2), hidden=(20,))
    one_hot = np.eye(LENGTH + 2)[:, 1:-1]  # beyond the ends lies nowhere
    states, transitions = batch_of(network, one_hot[place + 1], action, one_hot[after + 1], reward, over)
    fitted_q = FittedQ(network, config, torch.Generator().manual_seed(0))
    for _ in range(4):
        metrics = fitted_q.update(states, transitions)
    seen = network.see({"state": torch.eye(LENGTH)})
    found = network.values(seen, network.first(LENGTH)).detach().numpy()
    expected = values_of_the_corridor()
    # The right end is worth 0.8 ** n of it n steps away, the left end more than that in the first place alone.
    assert expected[:, 1] == pytest.approx(0.8 ** np.arange(LENGTH)[::-1])
    assert found == pytest.approx(expected, abs=0.02)
    assert metrics["target_change"] < 0.01
    assert metrics["transitions"] == 2 * LENGTH


# A cart on a rail from -1 to 1 m with a push of -2, 0 or 2 m/s^2 ten times a second: the farther from rest in the
# middle, the more each step costs. It stops at the ends.
PUSHES, STEP_S, MOST_SPEED = np.array([-2.0, 0.0, 2.0]), 0.1, 1.5


def pushed(state: Array, action: NDArray[np.intp]) -> tuple[Array, Array]:
    """States (B, 2) after a push, and rewards (B,)."""
    place, speed = state.T
    speed = np.clip(speed + STEP_S * PUSHES[action], -MOST_SPEED, MOST_SPEED)
    place = place + STEP_S * speed
    speed = np.where(np.abs(place) > 1, 0, speed)
    place = np.clip(place, -1, 1)
    return np.stack([place, speed], axis=1), -(place**2) - 0.1 * speed**2


def values_of_the_cart(gamma: float) -> Callable[[Array], Array]:
    """Q* (B, 3) of states (B, 2), by value iteration on a grid of 41 x 61 with linear interpolation."""
    axes = np.linspace(-1, 1, 41), np.linspace(-MOST_SPEED, MOST_SPEED, 61)
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    moved = [pushed(grid, np.full(len(grid), action)) for action in range(3)]
    value = np.zeros(len(grid))
    for _ in range(120):
        table = RegularGridInterpolator(axes, value.reshape(41, 61))
        value = np.max([reward + gamma * table(after) for after, reward in moved], axis=0)
    table = RegularGridInterpolator(axes, value.reshape(41, 61))

    def q(state: Array) -> Array:
        moves = [pushed(state, np.full(len(state), action)) for action in range(3)]
        return np.stack([reward + gamma * table(after) for after, reward in moves], axis=1)

    return q


def test_the_values_of_a_pushed_cart_are_those_of_a_fine_grid() -> None:
    gamma, random = 0.9, np.random.default_rng(0)
    before = random.uniform([-1, -MOST_SPEED], [1, MOST_SPEED], (1500, 2))
    action = random.integers(0, 3, len(before))
    after, reward = pushed(before, action)
    network = network_on(2, torch.tensor([-1.0, 0.0, 1.0]), hidden=(20, 20))
    states, transitions = batch_of(network, before, action, after, reward, np.zeros(len(before)))
    config = FittedQConfig(gamma=gamma, iterations=40, epochs=40, learning_rate=1e-3)
    FittedQ(network, config, torch.Generator()).update(states, transitions)
    asked = random.uniform([-0.9, -1.2], [0.9, 1.2], (500, 2))
    seen = network.see({"state": torch.from_numpy(asked.astype(np.float32))})
    found = network.values(seen, network.first(len(asked))).detach().numpy()
    expected = values_of_the_cart(gamma)(asked)
    error = np.sqrt(np.mean((found - expected) ** 2))
    assert error < 0.1 * expected.std()
    # Where it does not take the best push, that costs next to nothing.
    loss = expected.max(axis=1) - expected[np.arange(len(asked)), found.argmax(axis=1)]
    assert loss.mean() < 0.01 * expected.std()


def test_an_iteration_that_is_not_finite_is_undone() -> None:
    place, action = np.zeros(4), np.array([0, 1, 0, 1])
    network = network_on(1, torch.arange(2), hidden=(4,))
    over = np.array([True, False, True, False])
    states, transitions = batch_of(
        network, place[:, None], action, place[:, None], np.array([0.0, 1.0, 2.0, 1e300]), over
    )
    before = {name: weight.clone() for name, weight in network.state_dict().items()}
    fitted_q = FittedQ(network, FittedQConfig(iterations=3, epochs=2), torch.Generator())
    assert fitted_q.update(states, transitions)["skipped_updates"] == 1
    assert fitted_q.last_error.startswith("targets (1 of 4 values, such as inf")
    for name, weight in network.state_dict().items():
        assert torch.equal(weight, before[name])


def test_values_stay_what_they_are_while_the_scale_of_targets_changes() -> None:
    network = network_on(2, torch.arange(3), hidden=(8,))
    torch.nn.init.normal_(network.critic[-1].weight)
    seen = torch.randn(5, 2)
    before = network.values(seen, network.first(5))
    network.follow_targets(torch.tensor([100.0, 160.0]))
    assert (float(network.value_mean), float(network.value_std)) == (130.0, 30.0)
    torch.testing.assert_close(network.values(seen, network.first(5)), before, rtol=1e-4, atol=1e-4)


def test_targets_that_are_all_equal_are_met_and_learned_on_from() -> None:
    """A pole that gets 1 for every step: at first all targets are 1, whatever is done."""
    network = network_on(1, torch.arange(2), hidden=(8,))
    network.follow_targets(torch.ones(6))
    place = np.linspace(-1, 1, 6)[:, None]
    seen = network.see({"state": torch.from_numpy(place.astype(np.float32))})
    assert network.values(seen, network.first(6)).flatten().tolist() == [1.0] * 12
    # To the right each step ends it, to the left none does: 1 against 1 / (1 - 0.5).
    action = np.array([0, 1] * 3)
    states, transitions = batch_of(network, place, action, place, np.ones(6), action)
    config = FittedQConfig(gamma=0.5, iterations=12, epochs=40, learning_rate=1e-2)
    FittedQ(network, config, torch.Generator()).update(states, transitions)
    found = network.values(seen, network.first(6)).detach().numpy()
    assert found == pytest.approx(np.tile([2.0, 1.0], (6, 1)), abs=0.05)


def test_the_error_of_a_part_is_its_share_of_that_of_the_whole() -> None:
    network = network_on(1, torch.arange(2), hidden=(4,))
    place = np.arange(6.0)[:, None]
    states, transitions = batch_of(network, place, np.array([0, 1] * 3), place, place[:, 0], np.ones(6))
    regression = Regression(network, states, transitions)
    regression.renew_targets(0.9)
    # The targets are the rewards, 0 to 5 with the variance 35 / 12, and nothing is expected yet: 0, 1, 4, 9 | 16, 25.
    parts = [float(regression.error(part).detach()) for part in torch.arange(6).split(4)]
    assert parts == pytest.approx([14 * 12 / 35, 41 * 12 / 35], rel=1e-5)
