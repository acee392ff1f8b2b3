"""How readings and decisions become traces."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.modality import MLP, Modality, TemporalConv
from mmrl_agents.watching.decisions import Decision
from mmrl_agents.watching.traces import DecisionRecorder, TraceRecorder, components_of

UNITS = ("N",) * 3 + ("N m",) * 3
LABELS = ("Fx", "Fy", "Fz", "Tx", "Ty", "Tz")


def wrench(name: str = "force_torque") -> Modality:
    return Modality(name, (6,), 100.0, TemporalConv(), history=4, unit=UNITS, labels=LABELS)


def test_columns_of_one_unit_share_an_axis_and_a_legend() -> None:
    force, torque = components_of(wrench("wrist"))
    assert (force.title, torque.title) == ("wrist, N", "wrist, N m")
    assert (force.labels, torque.labels) == (LABELS[:3], LABELS[3:])
    mixed = Modality("arm", (3,), 1.0, MLP(), unit=("rad", "m", "rad"), labels=("roll", "reach", "yaw"))
    assert [(part.title, part.columns, part.labels) for part in components_of(mixed)] == [
        ("arm, rad", (0, 2), ("roll", "yaw")),
        ("arm, m", (1,), ("reach",)),
    ]


def test_six_columns_without_a_unit_are_six_numbers() -> None:
    (imu,) = components_of(Modality("imu", (6,), 100.0, TemporalConv(), history=4))
    assert (imu.title, imu.labels, imu.least) == ("imu", ("0", "1", "2", "3", "4", "5"), 0.0)
    (many,) = components_of(Modality("many", (30,), 1.0, MLP(), unit="m"))
    assert many.columns == tuple(range(8))
    assert many.title == "many, m (first 8 of 30)"
    (alone,) = components_of(Modality("range", (1,), 1.0, MLP(), unit="m"))
    assert (alone.title, alone.labels) == ("range, m", ())


def test_a_window_adds_only_the_readings_since_the_last_step() -> None:
    # 100 Hz readings, 50 Hz control: two of the four readings of a window are new at each step.
    recorder = TraceRecorder(wrench(), control_hz=50.0, plugged=True, span_s=2.0)
    stream = np.arange(9.0)[:, None] * np.ones(6)
    recorder.add(np.repeat(stream[:1], 4, axis=0), 0.0)
    recorder.add(stream[[0, 0, 1, 2]], 0.02)
    recorder.add(stream[1:5], 0.04)
    force, torque = recorder.traces()
    assert force.values[:, 0].tolist() == [0, 1, 2, 3, 4]
    assert force.times == pytest.approx([-0.04, -0.03, -0.02, -0.01, 0.0])
    # The force axis reaches 5 N at least; the torque axis 4, rounded to 5.
    assert force.bounds == (-5, 5)
    assert torque.bounds == (-0.2, 5)


def test_traces_forget_what_is_too_old_and_start_anew_with_an_episode() -> None:
    recorder = TraceRecorder(Modality("x", (1,), 1.0, MLP()), control_hz=10.0, plugged=True, span_s=2.0)
    for step in range(100):
        recorder.add(np.array([float(step)]), step / 10)
    (trace,) = recorder.traces()
    assert trace.values[0, 0] == 79  # 2 s before the last reading
    recorder.reset()
    recorder.add(np.array([5.0]), 0.0)
    assert recorder.traces()[0].values.tolist() == [[5.0]]


def decided(*probabilities: float, action: int = 0, value: float | None = None) -> Decision:
    return Decision(action, np.array(probabilities), value)


def test_probabilities_become_a_line_each_and_the_action_taken_is_marked() -> None:
    recorder = DecisionRecorder(("noop", "up"), control_hz=10.0, span_s=2.0)
    recorder.add(decided(0.75, 0.25), 0.0)
    recorder.add(decided(0.5, 0.5, action=1), 0.1)
    (trace,) = recorder.traces()
    assert (trace.title, trace.labels, trace.chosen, trace.bounds) == ("probability", ("noop", "up"), 1, (0, 1))
    assert trace.times == pytest.approx([-0.1, 0])
    assert trace.values.tolist() == [[0.75, 0.25], [0.5, 0.5]]


@given(st.integers(1, 18), st.integers(0, 2**32 - 1))
def test_lines_add_up_to_1_however_many_actions_there_are(actions: int, seed: int) -> None:
    recorder = DecisionRecorder([str(action) for action in range(actions)], control_hz=10.0, span_s=2.0)
    random = np.random.default_rng(seed)
    for step in range(3):
        recorder.add(Decision(actions - 1, random.dirichlet(np.ones(actions))), step / 10)
    (trace,) = recorder.traces()
    assert trace.values.sum(axis=1) == pytest.approx(np.ones(3))
    assert trace.values.shape == (3, len(trace.labels)) == (3, min(actions, 8))
    assert (trace.labels[-1] == "others") == (actions > 8)
    assert trace.chosen == len(trace.labels) - 1


def test_the_axis_of_values_holds_the_episode_and_the_line_the_last_seconds() -> None:
    recorder = DecisionRecorder((), control_hz=10.0, span_s=1.0)
    for step, value in enumerate([-7.0, *[3.0] * 20]):
        recorder.add(Decision(value=value), step / 10)
    (trace,) = recorder.traces()
    assert (trace.title, trace.labels) == ("value", ())
    # One second at 10 Hz, both ends included; bounds rounded to 1, 2, 5, 10.
    assert trace.values.tolist() == [[3.0]] * 11
    assert trace.bounds == (-10, 5)
    recorder.reset()
    recorder.add(Decision(value=1.0), 0.0)
    assert recorder.traces()[0].bounds == (0, 1)
    recorder.add(Decision(value=float("nan")), 0.1)
    assert recorder.traces()[0].bounds == (0, 1)


def test_who_tells_nothing_has_no_trace() -> None:
    recorder = DecisionRecorder((), control_hz=10.0, span_s=1.0)
    recorder.add(Decision(), 0.0)
    assert recorder.traces() == []
