"""Returns and advantages as pure functions of tensors.

T is the number of steps of a rollout, N the number of worlds; every tensor here is (T, N).
"""

from collections.abc import Callable, Mapping

import torch
from torch import Tensor

_SMALLEST_DEVIATION = 1e-8


def generalized_advantage_estimation(
    rewards: Tensor,
    values: Tensor,
    next_values: Tensor,
    terminated: Tensor,
    truncated: Tensor,
    gamma: float,
    lam: float,
) -> tuple[Tensor, Tensor]:
    """Advantages (T, N) and lambda-returns (T, N), Schulman et al. 2016, eq. 16.

    `next_values[t]` is the value of the observation that step t led to: the true last observation
    of an episode where one ended, not the first of the next. A terminated step has no future, so
    its next value is ignored; a truncated step bootstraps from it. Both cut the trace: nothing of
    the following episode flows back. `terminated` and `truncated` are bool or 0/1 floats.
    """
    alive = 1.0 - terminated.to(values.dtype)
    trace = alive * (1.0 - truncated.to(values.dtype))
    # A next value that is not a number must not survive a terminated step as 0 * nan.
    bootstrap = torch.where(alive.bool(), next_values, torch.zeros_like(next_values))
    deltas = rewards + gamma * bootstrap - values
    advantages = torch.empty_like(deltas)
    running = torch.zeros_like(deltas[0])
    for t in reversed(range(deltas.shape[0])):
        running = deltas[t] + gamma * lam * trace[t] * running
        advantages[t] = running
    return advantages, advantages + values


def explained_variance(values: Tensor, returns: Tensor) -> Tensor:
    """1 - Var[returns - values] / Var[returns]: 1 is a perfect critic, 0 one that knows the mean.

    Not a number where the returns are constant, since there is nothing to explain.
    """
    variance = returns.var(correction=0)
    explained = 1.0 - (returns - values).var(correction=0) / variance
    return torch.where(variance > 0, explained, torch.full_like(variance, torch.nan))


def discounted_returns(rewards: Tensor, gamma: float, reset_at_points: bool, ends: Tensor) -> Tensor:
    """R_t = r_t + gamma R_{t+1} within each game, (N,) float64; `ends` (N,) is true at the last step of each.

    With `reset_at_points` a reward that is not zero ends the sum as well, since what follows is another point.
    """
    returns, later = [], 0.0
    for reward, end in zip(reversed(rewards.tolist()), reversed(ends.tolist()), strict=True):
        if end or (reset_at_points and reward != 0):
            later = 0.0
        later = reward + gamma * later
        returns.append(later)
    return torch.tensor(returns[::-1], dtype=torch.float64)


def standardized(returns: Tensor, groups: Tensor, centre: bool) -> Tensor:
    """Returns (N,) divided by their deviation within each group, after their mean is taken off if `centre`.

    `groups` (N,) numbers the group of every step. A group without any deviation is not divided.
    """
    result = returns.clone()
    for group in groups.unique():
        members = groups == group
        part = returns[members]
        deviation = part.std(correction=0)
        part = part - part.mean() if centre else part
        result[members] = part / deviation if deviation > _SMALLEST_DEVIATION else part
    return result


# From returns (N,), the number of the game of every step (N,) and whether to take the mean off.
STANDARDIZATIONS: Mapping[str, Callable[[Tensor, Tensor, bool], Tensor]] = {
    "batch": lambda returns, games, centre: standardized(returns, torch.zeros_like(games), centre),
    "game": standardized,
    "none": lambda returns, games, centre: returns,
}
