"""Errors of other packages' environments, with the environment and the step in which they came."""

import traceback
import warnings
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import gymnasium as gym

_OLD = "its {} is that of the old gym: gymnasium's {}"
_ADVICE: Mapping[str, str] = MappingProxyType(
    {
        "expected 5, got": _OLD.format("step", "gives observation, reward, terminated, truncated and info"),
        "values to unpack (expected 2": _OLD.format("reset", "gives observation and info"),
        "unexpected keyword argument 'seed'": _OLD.format("reset", "is reset(*, seed=None, options=None)"),
        "unexpected keyword argument 'options'": _OLD.format("reset", "is reset(*, seed=None, options=None)"),
    }
)
"""Part of Python's message -> what it means where an environment is called."""


class EnvironmentFailed(ValueError):
    """An environment of another package raised something; the message says which, when, what and where."""


class CloseFailed(UserWarning):
    """An environment raised something when it was closed, which costs no result."""


class NamedFailures(gym.Wrapper[Any, Any, Any, Any]):
    """An environment whose errors say its name and the step; errors of Gymnasium's own stay as they are."""

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self._name, self._steps = name, 0

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode."""
        self._steps = 0
        try:
            return self.env.reset(seed=seed, options=options)
        except gym.error.Error:
            raise
        except Exception as error:
            raise self._named(error, "in a reset") from error

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """One step."""
        self._steps += 1
        try:
            return self.env.step(action)
        except gym.error.Error:
            raise
        except Exception as error:
            raise self._named(error, f"in step {self._steps:,} of an episode") from error

    def close(self) -> None:
        """Close the environment; what that raises becomes a warning, since all is done by then."""
        try:
            self.env.close()
        except Exception as error:
            warnings.warn(f"{self._name} could not be closed: {_message(error)}", CloseFailed, stacklevel=2)

    def _named(self, error: Exception, when: str) -> EnvironmentFailed:
        return EnvironmentFailed(f"{self._name} failed {when}: {_message(error)}")


def _message(error: Exception) -> str:
    """The message of an error, and its meaning or the place where it was raised."""
    text = f"{type(error).__name__}: {error}"
    advice = [meaning for part, meaning in _ADVICE.items() if part in str(error)]
    if advice:
        return f"{advice[0]} ({text})"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"{text} ({place.filename}, line {place.lineno})"
