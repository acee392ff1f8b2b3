"""Rates and their comparison: intervals, paired tests, what is undefined, and the report drawn from episodes."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl.evaluation.episodes import Episodes, run_episodes
from mmrl.evaluation.rates import Paired, Rate, compare, divisor_worlds, evaluate
from tests.toys.coins import FAST, Heads, Looker, coins, coins_drawn


def test_wilson_interval_of_8_in_10() -> None:
    # Wilson: centre (p + z^2/2n) / (1 + z^2/n), half-width z sqrt(p(1-p)/n + z^2/4n^2) divided by
    # the same; with p = 0.8, n = 10, z = 1.959964: centre 0.71674, half-width 0.22656.
    interval = Rate(8, 10).interval
    assert interval == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert str(Rate(8, 10)) == "80.0 % [49.0, 94.3]"


def test_no_trials_are_undefined_not_zero() -> None:
    assert Rate(0, 0).rate is None
    assert Rate(0, 0).interval is None
    assert str(Rate(0, 0)) == "undefined"
    assert str(Rate(0, 5)).startswith("0.0 %")


def test_exact_mcnemar_of_8_lost_and_2_gained() -> None:
    # Sign test on 10 discordant pairs: 2 * (C(10,0) + C(10,1) + C(10,2)) / 2^10 = 2 * 56 / 1024.
    pair = Paired(lost=8, gained=2, pairs=30)
    assert pair.p_value == pytest.approx(112 / 1024)
    assert pair.difference == pytest.approx(-6 / 30)


def table_of(success: list[bool], judged: list[bool]) -> Episodes:
    size = len(success)
    numbers = np.zeros(size)
    return Episodes(
        world=np.arange(size),
        index_in_world=np.zeros(size, np.int64),
        judged=np.array(judged, np.bool_),
        success_at_end=np.array(success, np.bool_),
        success_once=np.array(success, np.bool_),
        episode_return=numbers,
        length=np.ones(size, np.int64),
        physics_error=np.zeros(size, np.bool_),
        cut=np.zeros(size, np.bool_),
        not_finite=np.zeros(size, np.bool_),
        declared=(),
        figures={},
    )


pairs_of_outcomes = st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans()), max_size=30)


@given(pairs_of_outcomes)
def test_comparison_is_antisymmetric_and_equals_the_difference_of_rates(
    outcomes: list[tuple[bool, bool, bool]],
) -> None:
    judged = [judged for _, _, judged in outcomes]
    one, two = (table_of([o[i] for o in outcomes], judged) for i in (0, 1))
    forth, back = compare(one, two), compare(two, one)
    assert (forth.lost, forth.gained, forth.p_value) == (back.gained, back.lost, back.p_value)
    if forth.difference is not None:
        rates = [np.mean(t.success_at_end[t.judged]) for t in (one, two)]
        assert forth.difference == pytest.approx(rates[1] - rates[0])


def test_runs_of_different_worlds_are_not_paired() -> None:
    with pytest.raises(ValueError, match="2 and 3"):
        compare(table_of([True] * 2, [True] * 2), table_of([True] * 3, [True] * 3))


@given(st.integers(0, 200), st.integers(0, 200))
def test_interval_holds_the_rate(first: int, second: int) -> None:
    successes, trials = sorted((first, second))
    rate = Rate(successes, trials)
    if rate.rate is not None and rate.interval is not None:
        low, high = rate.interval
        assert -1e-9 <= low <= rate.rate + 1e-9
        assert rate.rate - 1e-9 <= high <= 1 + 1e-9


class Waver(Heads):
    """Right in the first step, wrong ever after: success once, not at the end."""

    def act(self, observation: Any, present: Any = None) -> NDArray[Any]:
        sign = np.where(observation["clock"] == 0, 1.0, -1.0)
        return np.asarray(sign * observation["eye"], np.float32)


def test_success_once_and_at_the_end_are_different_figures() -> None:
    row = evaluate(coins(2), Waver, 4, seed=0).rows[0]
    assert row.success_once == Rate(4, 4)
    assert row.success_at_end == Rate(0, 4)


def test_broken_physics_is_never_a_success() -> None:
    envs = coins(2, reported=("is_success", "physics_error"), broken=True)
    row = evaluate(envs, Looker, 4, seed=0).rows[0]
    assert row.success_at_end == Rate(0, 4)
    assert row.success_once == Rate(0, 4)
    assert row.to_json()["physics_errors"] == 4


def test_without_is_success_rates_are_undefined_and_the_return_is_not() -> None:
    report = evaluate(coins(2, reported=()), Looker, 4, seed=0, without=["eye"])
    for row in report.rows:
        assert row.success_at_end.rate is None
        assert str(row.success_at_end) == "undefined"
    figures = report.rows[1].to_json()
    assert figures["versus_all"]["difference"] is None
    assert figures["versus_all"]["mcnemar_p"] is None
    assert report.rows[0].to_json()["mean_return"] == FAST


def test_reset_options_reach_the_worlds() -> None:
    row = evaluate(coins(3), Heads, 3, seed=0, options={"context": {"coin": -1.0}}).rows[0]
    assert row.success_at_end == Rate(0, 3)


def test_report_has_all_senses_first_then_each_missing_one_paired() -> None:
    report = evaluate(coins(10), Looker, 40, seed=0, without=["eye", "clock"])
    assert [row.label for row in report.rows] == ["all senses", "without eye", "without clock"]
    everything, blind, timeless = report.rows
    assert everything.versus_all is None
    assert everything.success_at_end == Rate(40, 40)
    tails = sum(coins_drawn(world, 4, seed=0).count(-1.0) for world in range(10))
    assert blind.versus_all == Paired(lost=tails, gained=0, pairs=40)
    assert timeless.versus_all == Paired(lost=0, gained=0, pairs=40)
    assert timeless.versus_all.p_value == 1.0


class Tosser(Looker):
    """Bets as a generator of its own falls, whatever it sees."""

    def __init__(self) -> None:
        super().__init__()
        self.rng = np.random.default_rng(7)

    def act(
        self,
        observation: dict[str, NDArray[Any]],
        present: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> NDArray[Any]:
        return np.where(self.rng.random(observation["eye"].shape) < 0.5, -1.0, 1.0).astype(np.float32)


def test_a_policy_that_draws_begins_every_row_with_the_same_draws() -> None:
    everything, timeless = evaluate(coins(4), Tosser, 24, seed=0, without=["clock"]).rows
    assert 0 < everything.success_at_end.successes < 24
    assert timeless.versus_all == Paired(lost=0, gained=0, pairs=24)


def test_episodes_that_repeat_each_other_count_once() -> None:
    row = evaluate(coins(2), Heads, 4, seed=1).rows[0]
    played = replace(
        row.episodes,
        # Three different games: the first two are one, played again; the other two differ in length alone.
        episode_return=np.array([3.0, 3.0, -2.0, -2.0]),
        length=np.array([9, 9, 7, 8]),
    )
    once, each = replace(row, episodes=played, repeats=True), replace(row, episodes=played)
    assert (each.mean_return[0], str(each.positive_return)) == (0.5, str(Rate(2, 4)))
    assert once.mean_return[0] == pytest.approx(-1 / 3)
    assert str(once.positive_return) == str(Rate(1, 3))
    assert [row.to_json()["different_episodes"] for row in (each, once)] == [None, 3]


def test_report_is_strict_json_and_says_what_it_did() -> None:
    report = evaluate(coins(2), Looker, 6, seed=11, without=["eye"])
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert (document["seed"], document["num_worlds"], document["episodes"]) == (11, 2, 6)
    assert document["rows"][1]["absent"] == ["eye"]
    assert document["rows"][0]["success_at_end"]["trials"] == 6


def test_progress_counts_episodes_of_each_row_up_to_all_of_them() -> None:
    calls: list[tuple[str, int]] = []
    evaluate(
        coins(3),
        Heads,
        6,
        seed=0,
        without=["eye"],
        progress=lambda label, done: calls.append((label, done)),
    )
    for label in ("all senses", "without eye"):
        counts = [done for name, done in calls if name == label]
        assert counts == sorted(counts)
        assert counts[-1] == 6


def test_errors_name_the_sense_and_the_bound() -> None:
    with pytest.raises(ValueError, match=r"no sense 'nose'; there are: clock, eye"):
        evaluate(coins(2), Heads, 2, seed=0, without=["nose"])
    with pytest.raises(ValueError, match=r"no sense 'nose'"):
        run_episodes(coins(2), Heads(), 1, seed=0, absent=["nose"])
    with pytest.raises(ValueError, match="multiple of the 2 worlds: 3"):
        evaluate(coins(2), Heads, 3, seed=0)
    with pytest.raises(ValueError, match="at least 1: 0"):
        run_episodes(coins(2), Heads(), 0, seed=0)
    with pytest.raises(ValueError, match=r"0\.\.3 \(trials\): 4"):
        Rate(4, 3)


@given(st.integers(1, 600), st.integers(1, 100))
def test_divisor_worlds_divides_fits_and_is_the_largest(episodes: int, most: int) -> None:
    worlds = divisor_worlds(episodes, most)
    assert episodes % worlds == 0
    assert worlds <= most
    assert all(episodes % larger for larger in range(worlds + 1, most + 1))
