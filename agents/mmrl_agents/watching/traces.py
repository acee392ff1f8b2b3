"""Traces of the readings and decisions of a policy over the last seconds."""

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import Modality
from mmrl_agents.watching.decisions import Decision
from mmrl_agents.watching.panels import COLOURS, Trace, nice_bounds

MOST_LINES = len(COLOURS)


LEAST: Mapping[str, float] = {"N": 5.0, "N m": 0.2, "m": 0.01, "m/s": 0.05, "rad": 0.1, "rad/s": 0.1}
"""How far from zero an axis of a unit reaches at least, so that noise is not blown up."""


@dataclass(frozen=True)
class Component:
    """Columns of a vector sense that share a unit, and so an axis."""

    title: str
    columns: tuple[int, ...]
    labels: tuple[str, ...]
    least: float = 0.0  # the axis reaches at least this far to both sides of zero
    unit: str = ""


def components_of(sense: Modality, most: int = MOST_LINES) -> tuple[Component, ...]:
    """How the traces of a vector sense are split: by its declared units, in the order in which they occur.

    Of more columns than `most` in one unit the first are shown.
    """
    return tuple(_component(sense, unit, most) for unit in dict.fromkeys(sense.units))


def _component(sense: Modality, unit: str, most: int) -> Component:
    columns = [column for column, own in enumerate(sense.units) if own == unit]
    shown = columns[:most]
    title = f"{sense.name}, {unit}" if unit else sense.name
    if len(shown) < len(columns):
        title += f" (first {most} of {len(columns)})"
    names = sense.labels or (tuple(map(str, range(len(sense.units)))) if len(sense.units) > 1 else ("",))
    labels = tuple(names[column] for column in shown) if any(names) else ()
    return Component(title, tuple(shown), labels, LEAST.get(unit, 0.0), unit)


def new_readings(
    sense: Modality, observed: NDArray[Any], control_hz: float, first: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The readings of a window (T, d), or (d,), that came since the last control step, and their ages in seconds.

    At a reset, which is the `first` instant, the whole window is one reading.
    """
    window = np.asarray(observed, np.float64).reshape(-1, *sense.shape)
    fresh = 1 if first else max(1, round(sense.rate_hz / control_hz))
    window = window[-fresh:]
    return np.arange(len(window) - 1, -1, -1) / sense.rate_hz, window


class TraceRecorder:
    """Readings of one vector sense (d,) over the last `span_s` seconds."""

    def __init__(self, sense: Modality, control_hz: float, plugged: bool, span_s: float) -> None:
        self.sense, self.plugged, self.span_s = sense, plugged, span_s
        self._control_hz = control_hz
        self._chunks: deque[tuple[NDArray[np.float64], NDArray[np.float64]]] = deque(
            maxlen=round(span_s * control_hz) + 1
        )

    def reset(self) -> None:
        """Forget the episode."""
        self._chunks.clear()

    def add(self, observed: NDArray[Any], now_s: float) -> None:
        """Take the readings of a window (T, d), or (d,), that came since the last control step."""
        ages, readings = new_readings(self.sense, observed, self._control_hz, first=not self._chunks)
        self._chunks.append((now_s - ages, readings))

    def traces(self) -> list[Trace]:
        """One trace per component of the sense, on axes that hold what is shown."""
        times = np.concatenate([times for times, _ in self._chunks])
        values = np.concatenate([values for _, values in self._chunks])
        return [
            self._trace(part, times - times[-1], values[:, list(part.columns)]) for part in components_of(self.sense)
        ]

    def _trace(self, part: Component, times: NDArray[np.float64], values: NDArray[np.float64]) -> Trace:
        shown = values[times >= -self.span_s]
        finite = shown[np.isfinite(shown)]
        bounds = nice_bounds(
            min(-part.least, float(finite.min(initial=0.0))),
            max(part.least, float(finite.max(initial=0.0))),
        )
        return Trace(part.title, part.labels, times, values, bounds, self.span_s, self.plugged)


class DecisionRecorder:
    """Probabilities of the actions and values of the critic over the last `span_s` seconds.

    Of more actions than there are colours the last ones are shown as their sum, so that the lines add up to 1. The
    axis of the values holds all those of the episode, so that it seldom moves.
    """

    def __init__(self, actions: Sequence[str], control_hz: float, span_s: float) -> None:
        self.labels = (*actions,) if len(actions) <= MOST_LINES else (*actions[: MOST_LINES - 1], "others")
        self.span_s = span_s
        self._recent: deque[tuple[float, Decision]] = deque(maxlen=round(span_s * control_hz) + 1)
        self._bounds = (0.0, 0.0)

    def reset(self) -> None:
        """Forget the episode."""
        self._recent.clear()
        self._bounds = (0.0, 0.0)

    def add(self, decision: Decision, now_s: float) -> None:
        """Take what was decided at a step."""
        self._recent.append((now_s, decision))
        if decision.value is not None and math.isfinite(decision.value):
            low, high = self._bounds
            self._bounds = (min(low, decision.value), max(high, decision.value))

    def traces(self) -> list[Trace]:
        """A trace of the probabilities and one of the value, as far as the policy has them."""
        times = np.array([time for time, _ in self._recent])
        times, newest, traces = times - times[-1], self._recent[-1][1], []
        if newest.probabilities is not None and newest.action is not None:
            rows = [d.probabilities for _, d in self._recent if d.probabilities is not None]
            shown = self._merged(np.stack(rows))
            chosen = min(newest.action, len(self.labels) - 1)
            traces.append(
                Trace("probability", self.labels, times, shown, (0.0, 1.0), self.span_s, chosen=chosen),
            )
        if newest.value is not None:
            values = np.array([[d.value] for _, d in self._recent], np.float64)
            traces.append(Trace("value", (), times, values, nice_bounds(*self._bounds), self.span_s))
        return traces

    def _merged(self, probabilities: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, A) -> (n, number of labels)."""
        alone = len(self.labels) - 1
        return np.column_stack((probabilities[:, :alone], probabilities[:, alone:].sum(axis=1)))
