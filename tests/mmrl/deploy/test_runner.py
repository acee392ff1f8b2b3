"""A policy in a robot's loop."""

import threading
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import IntArray
from mmrl.deploy import NotRunnable, Runner
from mmrl.modality import MLP, Modality

WRENCH = Modality("wrench", (2,), 100.0, MLP(), history=3)
PLACE = Modality("place", (1,), 20.0, MLP())


class Adding:
    """Acts by the sum of its readings, plus how often it was asked since it was reset."""

    modalities: Mapping[str, Modality] = {"wrench": WRENCH, "place": PLACE}
    hz: float | None = 20.0

    def __init__(self, gain: float = 1.0) -> None:
        self.seen: list[tuple[Mapping[str, ArrayLike], Mapping[str, ArrayLike] | None]] = []
        self._gain, self._asked = gain, 0

    def act(self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None) -> NDArray[Any]:
        self.seen.append((observation, present))
        self._asked += 1
        total = sum(float(np.sum(reading)) for reading in observation.values())
        return np.array([self._gain * (total + self._asked)], np.float32)

    def reset(self, worlds: IntArray | None = None) -> None:
        self._asked = 0


def test_actions_come_from_the_newest_readings() -> None:
    runner = Runner(Adding())
    runner.push("place", 0.0, [10.0])
    runner.push("wrench", 0.0, [1.0, 1.0])
    assert runner.tick(0.0).tolist() == [10.0 + 6.0 + 1.0]
    for number in range(1, 6):
        runner.push("wrench", number / 100, [number, 0.0])
    runner.push("place", 0.05, [20.0])
    assert runner.tick(0.05).tolist() == [20.0 + 12.0 + 2.0]


def test_a_sense_that_is_too_old_is_absent_until_it_comes_back() -> None:
    policy = Adding()
    runner = Runner(policy, max_age_s={"wrench": 0.035})
    runner.push("place", 0.0, [10.0])
    assert runner.tick(0.0).tolist() == [11.0]  # the wrench has never been there
    runner.push("wrench", 0.02, [1.0, 0.0])
    runner.tick(0.05)
    runner.push("place", 0.1, [10.0])
    runner.tick(0.1)
    runner.push("wrench", 0.14, [1.0, 0.0])
    runner.tick(0.15)
    assert [present for _, present in policy.seen] == [{"wrench": False}, {}, {"wrench": False}, {}]
    assert runner.report().absent_ticks == {"wrench": 2, "place": 0}


def test_without_any_sense_the_robot_is_told_to_stop() -> None:
    runner = Runner(Adding())
    with pytest.raises(NotRunnable, match=r"no sense has a reading that is new enough \(wrench, place\)"):
        runner.tick(0.0)
    runner.push("place", 0.0, [1.0])
    with pytest.raises(NotRunnable, match="no sense"):
        runner.tick(5.0)


def test_an_action_that_is_not_finite_is_not_given() -> None:
    runner = Runner(Adding(gain=float("inf")))
    runner.push("place", 0.0, [1.0])
    with pytest.raises(NotRunnable, match=r"action is not finite: \[inf\]"):
        runner.tick(0.0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda runner: runner.push("nose", 0.0, [1.0]), "no sense 'nose'; it has wrench, place"),
        (lambda runner: runner.tick(0.01), r"before the last one at 0\.050000 s"),
        (lambda runner: runner.tick(float("nan")), "no instant"),
    ],
)
def test_what_cannot_be_is_refused(call: Any, message: str) -> None:
    runner = Runner(Adding())
    runner.push("place", 0.05, [1.0])
    runner.tick(0.05)
    with pytest.raises(ValueError, match=message):
        call(runner)
    assert runner.tick(0.1).tolist() == [1.0 + 2.0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"hz": 0.0}, "hz must be a number above 0, got 0.0"),
        ({"max_age_s": {"nose": 1.0}}, "max_age_s names nose; the policy has wrench, place"),
        ({"max_age_s": 0.0}, "max_age_s of wrench must be above 0"),
    ],
)
def test_settings_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Runner(Adding(), **options)


def test_a_policy_that_does_not_know_its_rate_has_to_be_told() -> None:
    policy = Adding()
    policy.hz = None
    with pytest.raises(ValueError, match="give hz"):
        Runner(policy)
    Runner(policy, hz=10.0)


def test_an_episode_begins_anew() -> None:
    runner = Runner(Adding())
    runner.push("place", 7.0, [1.0])
    runner.tick(7.0)
    runner.reset()
    runner.push("place", 0.0, [3.0])  # also by a clock that starts again
    assert runner.tick(0.0).tolist() == [3.0 + 1.0]
    assert runner.report().ticks == 2


def test_the_report_counts_what_was_late_held_and_skipped() -> None:
    runner = Runner(Adding(), max_age_s=1.0)
    runner.push("place", 0.0, [1.0])
    for time in (0.0, 0.001, 0.04):
        runner.push("wrench", time, [0.0, 0.0])
    for time in (0.05, 0.10, 0.20):
        runner.tick(time)
    report = runner.report()
    assert (report.ticks, report.late_ticks) == (3, 1)
    assert report.held_readings == {"wrench": 3, "place": 0}
    assert report.skipped_readings == {"wrench": 1, "place": 0}
    assert report.ages["wrench"].median_ms == pytest.approx(60.0)
    assert report.ages["wrench"].max_ms == pytest.approx(160.0)
    assert "3 actions, 1 of them late" in str(report)
    assert report.to_json()["ages"]["place"]["max_ms"] == pytest.approx(200.0)


def test_readings_may_come_from_any_thread() -> None:
    runner = Runner(Adding(), max_age_s=100.0)
    runner.push("place", 0.0, [0.0])

    def feed() -> None:
        for number in range(500):
            runner.push("wrench", number / 100, [number, number])

    thread = threading.Thread(target=feed)
    thread.start()
    ticks = 0
    while thread.is_alive() or ticks < 3:
        runner.tick(5.0 + ticks * 1e-6)
        ticks += 1
    thread.join()
    assert runner.report().held_readings["wrench"] == 0
    assert runner.report().ticks == ticks
