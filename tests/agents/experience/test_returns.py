import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mmrl_agents.experience.returns import explained_variance, generalized_advantage_estimation

GAMMA, LAM = 0.5, 0.5


def column(*values: float) -> torch.Tensor:
    """One world: (T,) -> (T, 1)."""
    return torch.tensor(values, dtype=torch.float64).unsqueeze(-1)


REWARDS, VALUES, NEXT = column(1, 2, 3), column(0.5, 1, 1.5), column(1, 1.5, 2)
NEVER = column(0, 0, 0)
AT_ONE = column(0, 1, 0)


def test_running_episode_passes_the_trace_back() -> None:
    advantages, returns = generalized_advantage_estimation(REWARDS, VALUES, NEXT, NEVER, NEVER, GAMMA, LAM)
    # delta = r + 0.5 v' - v: 1 + 0.5 - 0.5 = 1, 2 + 0.75 - 1 = 1.75, 3 + 1 - 1.5 = 2.5
    # A2 = 2.5, A1 = 1.75 + 0.25 * 2.5 = 2.375, A0 = 1 + 0.25 * 2.375 = 1.59375
    torch.testing.assert_close(advantages, column(1.59375, 2.375, 2.5))
    torch.testing.assert_close(returns, column(2.09375, 3.375, 4.0))


def test_terminated_step_has_no_future() -> None:
    advantages, _ = generalized_advantage_estimation(REWARDS, VALUES, NEXT, AT_ONE, NEVER, GAMMA, LAM)
    # delta1 = 2 - 1 = 1 without bootstrap; A1 = 1, A0 = 1 + 0.25 * 1 = 1.25; A2 is untouched
    torch.testing.assert_close(advantages, column(1.25, 1.0, 2.5))


def test_truncated_step_bootstraps_from_its_own_last_observation() -> None:
    advantages, _ = generalized_advantage_estimation(REWARDS, VALUES, column(1, 4, 2), NEVER, AT_ONE, GAMMA, LAM)
    # delta1 = 2 + 0.5 * 4 - 1 = 3; A1 = 3 (nothing of A2), A0 = 1 + 0.25 * 3 = 1.75
    torch.testing.assert_close(advantages, column(1.75, 3.0, 2.5))


def test_terminated_and_truncated_at_once_is_terminated() -> None:
    both = generalized_advantage_estimation(REWARDS, VALUES, NEXT, AT_ONE, AT_ONE, GAMMA, LAM)
    terminated = generalized_advantage_estimation(REWARDS, VALUES, NEXT, AT_ONE, NEVER, GAMMA, LAM)
    torch.testing.assert_close(both, terminated)


def test_a_next_value_that_is_no_number_does_not_survive_termination() -> None:
    advantages, _ = generalized_advantage_estimation(REWARDS, VALUES, column(1, math.nan, 2), AT_ONE, NEVER, GAMMA, LAM)
    torch.testing.assert_close(advantages, column(1.25, 1.0, 2.5))


@given(
    st.lists(st.floats(-10, 10), min_size=1, max_size=12),
    st.floats(0, 1),
    st.data(),
)
def test_without_critic_and_with_full_trace_returns_are_discounted_sums(
    rewards: list[float], gamma: float, data: st.DataObject
) -> None:
    ends = data.draw(st.lists(st.booleans(), min_size=len(rewards), max_size=len(rewards)))
    zeros = torch.zeros(len(rewards), 1, dtype=torch.float64)
    _, returns = generalized_advantage_estimation(
        column(*rewards), zeros, zeros, column(*map(float, ends)), zeros, gamma, 1.0
    )
    expected, running = [], 0.0
    for reward, end in zip(reversed(rewards), reversed(ends), strict=True):
        running = reward + (0.0 if end else gamma * running)
        expected.append(running)
    torch.testing.assert_close(returns, column(*reversed(expected)))


def test_worlds_do_not_mix() -> None:
    rewards, values, following = (torch.cat([x, 3 * x], dim=1) for x in (REWARDS, VALUES, NEXT))
    ends = torch.cat([NEVER, AT_ONE], dim=1)
    advantages, _ = generalized_advantage_estimation(
        rewards, values, following, ends, torch.zeros_like(ends), GAMMA, LAM
    )
    # the second column is the terminated case above, scaled by 3
    torch.testing.assert_close(advantages[:, :1], column(1.59375, 2.375, 2.5))
    torch.testing.assert_close(advantages[:, 1:], 3 * column(1.25, 1.0, 2.5))


def test_explained_variance() -> None:
    returns = column(0, 2)
    # Var[returns] = 1; a critic that says 0.5 and 1.5 leaves +-0.5, of variance 0.25
    assert explained_variance(column(0.5, 1.5), returns).item() == pytest.approx(0.75)
    assert explained_variance(returns, returns).item() == 1.0
    assert math.isnan(explained_variance(returns, column(1, 1)).item())
