"""Action spaces of other packages as policies act in them: bounded numbers in [-1, 1], choices from 0 on."""

from typing import Any

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

Single = gym.Env[Any, Any]

# A bound this wide is none: it says how far the numbers go, not the joints.
_WIDEST = float(np.finfo(np.float32).max)


class UnitActions(gym.ActionWrapper[Any, Any, Any]):
    """A Box of floats whose bounded places take -1 to 1, from end to end; the others take what they took.

    What the environment gets is finite and inside of its space, whatever the rounding: a place whose ends are the same
    always gets that one value.
    """

    def __init__(self, env: Single) -> None:
        super().__init__(env)
        space = env.action_space
        assert isinstance(space, spaces.Box)
        self._space = space
        self._low, self._high = space.low.astype(np.float64), space.high.astype(np.float64)
        bounded = (np.abs(self._low) < _WIDEST) & (np.abs(self._high) < _WIDEST)
        first, last = np.where(bounded, self._low, -1.0), np.where(bounded, self._high, 1.0)
        self._middle, self._half = (first + last) / 2, (last - first) / 2  # 0 and 1 where there is no bound
        low, high = np.where(bounded, -1, space.low), np.where(bounded, 1, space.high)
        dtype: Any = space.dtype
        self.action_space = spaces.Box(low.astype(dtype), high.astype(dtype), space.shape, dtype.type)

    def action(self, action: NDArray[Any]) -> NDArray[Any]:
        """The environment's own action (*A); beyond the bounds there is only the bound.

        ValueError for an action that is not finite.
        """
        placed = self._middle + self._half * np.asarray(action, np.float64)
        if not np.isfinite(placed).all():
            raise ValueError(f"an action must be finite, got {action}")
        return np.asarray(np.minimum(np.maximum(placed, self._low), self._high), self._space.dtype)


class ChoicesFromZero(gym.ActionWrapper[Any, Any, Any]):
    """A Discrete space of n choices that starts anywhere, numbered 0 to n - 1."""

    def __init__(self, env: Single) -> None:
        super().__init__(env)
        assert isinstance(env.action_space, spaces.Discrete)
        self._first = env.action_space.start
        self.action_space = spaces.Discrete(int(env.action_space.n))

    def action(self, action: Any) -> Any:
        """The environment's own number of a choice."""
        return self._first + action


def unit_actions(env: Single) -> Single:
    """The environment with actions in the range policies start in, itself where they already are.

    Spaces of other kinds stay as they are; no policy has a head for them.
    """
    space = env.action_space
    if isinstance(space, spaces.Discrete) and space.start != 0:
        return ChoicesFromZero(env)
    if isinstance(space, spaces.Box) and np.issubdtype(space.dtype, np.floating):
        return UnitActions(env)
    return env
