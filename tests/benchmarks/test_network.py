"""The model of the time of an update, by hand."""

import pytest

from benchmarks.network import COUNTED_AT_MS, Machines, PairFigures, trips_of_a_call

CALLS = {"all_gather": 30, "broadcast": 8, "all_reduce": 12}
COUNTED = PairFigures(2.0, {}, CALLS, {"all_gather": 16 * 1024, "broadcast": 100, "all_reduce": 12 * 700_000})
TRIPS = {"all_gather": 2.0, "broadcast": 1.0, "all_reduce": 4.0}


def test_trips_are_what_a_delay_adds_to_a_call() -> None:
    without, late = (
        PairFigures(1.0, dict.fromkeys(CALLS, seconds), CALLS, {})
        for seconds in (0.001, 0.001 + 3 * COUNTED_AT_MS / 1000)
    )
    assert trips_of_a_call(without, late) == pytest.approx(dict.fromkeys(CALLS, 3.0))


def test_two_ranks_compute_wait_and_talk() -> None:
    computing, waiting, network = Machines(2, 1, 1e-3, 1e9).update_s(1024, 512.0, COUNTED, TRIPS)
    assert computing == 2.0
    assert waiting == pytest.approx(2.0 * 0.03 * 1.17741, rel=1e-5)  # sqrt(2 ln 2)
    # 30 x 2 + 8 + 12 x 4 trips; 16 bytes of 1,024 samples, and half of every gradient twice
    assert network == pytest.approx(116 * 1e-3 + (16 * 1024 + 8_400_000) / 1e9)


def test_few_wide_ranks_talk_less_than_many_thin_ones() -> None:
    fat, thin = (Machines(*shape).update_s(1024, 512.0, COUNTED, TRIPS) for shape in ((32, 32), (1024, 1)))
    assert fat[0] == thin[0]
    assert fat[2] < 0.2 * fat[0] < thin[2]
