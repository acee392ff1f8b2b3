"""A robot that acts late: controls that reach the actuators some physics steps after they were due.

A loop on a robot takes time from its readings to the action that follows from them, until the late ones are there and
the policy has computed. In a control step of S = 4 physics steps that is told a, b, c, d after w, x, y, z, a delay of
three physics steps gives the actuators x, y, z, a; b, c, d come with the next control step.

Letters: N = worlds, n = worlds being reset, S = physics steps per control step, U = controls, D = delay of a world.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.context import Parameter

DELAY = "action_delay_s"
"""The context parameter of the delay."""
GROUP = "acting"
"""Of the parameter, and of its random stream."""
DELAY_LINE = "delay_line"
"""The part of a state that holds the controls on their way."""
ADDED = (DELAY_LINE, f"context_streams/{GROUP}")
"""Parts that states saved by earlier versions lack."""


def delay_parameter(control_hz: int) -> Parameter:
    """The context parameter of the delay, up to one control period."""
    what = "seconds from what was sensed to the action that follows from it taking effect, in whole physics steps"
    return Parameter(DELAY, 0.0, 0.0, 1.0 / control_hz, what, GROUP)


class DelayLine:
    """The controls of N worlds on their way to the actuators: a `mmrl_envs.snapshot.Stateful`.

    Args:
        num_worlds: N.
        substeps: S.
        physics_hz: physics steps per second.
    """

    def __init__(self, num_worlds: int, substeps: int, physics_hz: int) -> None:
        self._physics_hz, self._steps = physics_hz, np.arange(substeps)
        self._delay: IntArray = np.zeros(num_worlds, np.intp)
        self._last: FloatArray = np.zeros((num_worlds, substeps, 0))  # controls of the step before, where any are late

    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], held: FloatArray) -> FloatArray:
        """Start episodes.

        Args:
            worlds: which, (n,).
            context: drawn parameters, each (n,); the delay is rounded to whole physics steps.
            held: controls that hold the start, (n, U).

        Returns:
            These; the actuators get them until the first action comes.
        """
        self._delay[worlds] = np.rint(context[DELAY] * self._physics_hz)
        if self._delay.any():
            self._widen(held.shape[1])
            self._last[worlds] = held[:, None]
        return held

    def pass_on(self, controls: FloatArray) -> FloatArray:
        """The controls for the actuators in a step for which `controls` (N, S, U) are due, these where none is late."""
        if not self._delay.any():
            return controls
        both = np.concatenate([self._last, controls], axis=1)  # (N, 2 S, U)
        first = len(self._steps) - self._delay
        self._last = both[:, len(self._steps) :]
        late: FloatArray = both[np.arange(len(both))[:, None], first[:, None] + self._steps]
        return late

    def state_dict(self) -> dict[str, Any]:
        """The controls on their way, an array (D, U) for each world, None where none is late."""
        first = len(self._steps) - self._delay
        late = [
            last[start:].copy() if start < len(last) else None for last, start in zip(self._last, first, strict=True)
        ]
        return {"under_way": late}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        self._delay[:] = 0
        for world, controls in enumerate(state["under_way"]):
            if controls is not None:
                self._widen(controls.shape[1])
                self._delay[world] = len(controls)
                self._last[world, -len(controls) :] = controls

    def _widen(self, size: int) -> None:
        """Make room for U controls: how many there are is known with the first that are held."""
        if self._last.shape[2] != size:
            self._last = np.zeros((*self._last.shape[:2], size))
