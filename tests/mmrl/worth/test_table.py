"""The table of what each sense is worth, on a lock whose answers are known."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl.faults import Delayed, Noisy, Swapped
from mmrl.worth import BrokenWays, SensesReport, Trials, judge_senses
from mmrl.worth.conditions import SpreadMeter, unplugged
from mmrl.worth.table import KeptInMemory
from tests.toys.coins import COIN_FIGURES, DeclaringWorlds
from tests.toys.lessons import Lock

WORLDS, EACH = 4, 10


class Multiplier:
    """Acts on the product of what is present; draws a little noise, from the same numbers whenever it is made."""

    made = 0

    def __init__(self) -> None:
        type(self).made += 1
        self.rng = np.random.default_rng(0)

    def act(
        self, observation: Mapping[str, NDArray[Any]], present: Mapping[str, NDArray[np.bool_]] | None = None
    ) -> NDArray[Any]:
        parts = [observation[name] for name in ("left", "right") if present is None or present[name][0]]
        product = np.prod(parts, axis=0) if parts else np.ones((WORLDS, 1))
        noisy = product + self.rng.uniform(-0.5, 0.5, (WORLDS, 1))
        return np.clip(noisy, -1, 1).astype(np.float32)

    def reset(self, worlds: NDArray[np.int64]) -> None:
        """Nothing is carried between steps."""


def locks(reported: bool = True) -> Any:
    worlds = DeclaringWorlds([lambda: Lock(reported)] * WORLDS, autoreset_mode=AutoresetMode.SAME_STEP)
    worlds.figures = COIN_FIGURES if reported else ()
    return worlds


WAYS = BrokenWays(noise=(0.01,), image_noise=(5.0,), delay=(1,))
SENSES = ("left", "right", "lamp")


def judged(reported: bool = True, **options: Any) -> SensesReport:
    return judge_senses(Trials(locks(reported), Multiplier, WORLDS * EACH, seed=3), SENSES, WAYS, **options)


@pytest.fixture(scope="module")
def report() -> SensesReport:
    return judged()


def signs() -> NDArray[np.float64]:
    """Signs of (left, right) at the start of each episode, (N, E, 2), read off single environments."""
    drawn = np.zeros((WORLDS, EACH, 2))
    for world in range(WORLDS):
        env = Lock()
        for episode in range(EACH):
            env.reset(seed=3 + world if episode == 0 else None)
            drawn[world, episode] = np.sign(env.bits)
    return drawn


def rates(report: SensesReport) -> dict[str, float]:
    return {row.row.label: row.row.success_at_end.rate or 0.0 for row in report.rows}


def test_rows_say_what_a_policy_can_do_with_each_subset(report: SensesReport) -> None:
    drawn, rate = signs(), rates(report)
    product = drawn.prod(axis=2)
    # With both bits it opens; with one it acts on that bit, with none it says +. In the last step, before which the
    # bits turned twice, they are as drawn.
    assert rate["all senses"] == rate["without lamp"] == 1.0
    assert rate["without left"] == np.mean(drawn[..., 1] == product)
    assert rate["without right"] == rate["only left"] == np.mean(drawn[..., 0] == product)
    assert rate["only lamp"] == rate["no senses"] == np.mean(product > 0)
    assert [row.row.label for row in report.rows][:8] == [
        "all senses",
        *(f"without {name}" for name in SENSES),
        *(f"only {name}" for name in SENSES),
        "no senses",
    ]


def test_rows_say_what_a_broken_sense_does(report: SensesReport) -> None:
    drawn, rate = signs(), rates(report)
    assert rate["left zeros"] < 1.0  # the product is 0, the action only what was drawn
    # The last action follows the third observation, whose bits are as in the first.
    assert rate["left frozen"] == 1.0
    # A step earlier the bit was the other one: always wrong.
    assert rate["left delayed 1"] == 0.0
    assert rate["left noisy 0.01 sd"] == 1.0
    # World i acts on the left bit of world i + 1, which is right where the two agree.
    assert rate["left swapped"] == np.mean(drawn[..., 0] == np.roll(drawn[..., 0], -1, axis=0))
    assert all(rate[f"lamp {how}"] == 1.0 for how in ("zeros", "frozen", "noisy 5 grey", "delayed 1", "swapped"))


def test_worth_is_drawn_from_the_rows(report: SensesReport) -> None:
    worth, rate = report.worth, rates(report)
    assert worth.measure == "success_at_end"
    assert worth.complementarity.value == pytest.approx(1.0 - max(rate[f"only {name}"] for name in SENSES))
    assert worth.complementarity.low < worth.complementarity.value < worth.complementarity.high
    for name in SENSES:
        row = next(row for row in report.rows if row.row.label == f"without {name}")
        assert row.row.versus_all is not None
        assert worth.lost_without[name].value == pytest.approx(1.0 - rate[f"without {name}"])
        assert worth.lost_without[name].low == -row.row.versus_all.interval[1]  # type: ignore[index]  # judged
    assert worth.shapley is not None
    assert worth.shapley["lamp"].to_json() == {"value": 0.0, "interval_95": [0.0, 0.0]}
    assert sum(part.value for part in worth.shapley.values()) == pytest.approx(1.0 - rate["no senses"])
    # phi_left = (v(l) - v()) / 2 + (v(lr) - v(r)) / 2: the lamp, which adds nothing, may be left out.
    expected = (rate["only left"] - rate["no senses"]) / 2 + (1.0 - rate["only right"]) / 2
    assert worth.shapley["left"].value == pytest.approx(expected)
    assert worth.shapley["left"].low < expected < worth.shapley["left"].high


def test_the_report_is_plain_data_with_figures_and_faults(report: SensesReport) -> None:
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert document["episodes"] == WORLDS * EACH
    assert document["worth"]["lost_without"]["lamp"]["value"] == 0.0  # the others make up for it
    rows = {row["label"]: row for row in document["rows"]}
    assert rows["left swapped"]["broken"] == {"left": "Swapped(offset=1)"}
    assert rows["left swapped"]["sense"] == rows["without left"]["sense"] == "left"
    assert [figure["name"] for figure in document["figures"]] == ["swing_mm", "luck", "share"]
    assert rows["without left"]["median_swing_mm"] == 5.0
    assert rows["all senses"]["return_change"] is None
    assert rows["lamp zeros"]["return_change"]["value"] == 0.0
    assert rows["left delayed 1"]["versus_all"]["difference"] == -1.0
    # The bits are 2 or -2, so nearly 2 apart from their mean; the picture has levels of its own.
    assert document["spreads"]["left"] == pytest.approx([2.0], abs=0.1)
    assert "lamp" not in document["spreads"]


def test_where_nothing_tells_success_returns_count() -> None:
    report = judged(reported=False)
    worth = report.worth
    assert worth.measure == "episode_return"
    assert worth.shapley is not None
    # All senses open the lock in each of 3 steps.
    best, none = (report.rows[i].row.mean_return[0] for i in (0, 7))
    assert best == 3.0
    assert sum(part.value for part in worth.shapley.values()) == pytest.approx(best - none)


def test_an_interrupted_evaluation_goes_on_where_it_was(report: SensesReport) -> None:
    store = KeptInMemory()

    def lose_patience(label: str, done: int, total: int) -> None:
        assert done <= total == WORLDS * EACH * len(report.rows)
        if done > total // 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        judged(store=store, progress=lose_patience)
    Multiplier.made = 0
    again = judged(store=store)
    assert 0 < Multiplier.made <= len(report.rows) // 2 + 1
    assert again.to_json() == report.to_json()


def test_the_same_condition_is_played_once_under_two_names() -> None:
    Multiplier.made = 0
    trials = Trials(locks(), Multiplier, WORLDS, seed=3)
    report = judge_senses(trials, ("left", "right"), BrokenWays(noise=(), image_noise=(), delay=()))
    labels = [row.row.label for row in report.rows]
    assert labels[1:5] == ["without left", "without right", "only left", "only right"]
    # all, two of one sense each, none, and 3 ways for both: zeros, frozen, swapped
    assert Multiplier.made == 4 + 6
    assert report.rows[1].row.episodes.episode_return.tolist() == report.rows[4].row.episodes.episode_return.tolist()


def test_subsets_are_complete_up_to_six_senses() -> None:
    for count in range(1, 8):
        names = "abcdefg"[:count]
        lacking = {frozenset(condition.absent) for condition in unplugged(names)}
        # all, one missing, one alone, none: of 7 senses that is all there is
        assert len(lacking) == (2**count if count <= 6 else 1 + 7 + 7 + 1)


def test_spread_is_the_deviation_of_all_readings() -> None:
    rng = np.random.default_rng(0)
    batches = [rng.normal(1000.0, [0.1, 3.0], (5, 7, 2)) for _ in range(4)]

    class Idle:
        def act(self, observation: Any, present: Any = None) -> NDArray[Any]:
            return np.zeros(5)

        def reset(self, worlds: NDArray[np.int64]) -> None: ...

    meter = SpreadMeter(Idle(), ["touch"])
    for batch in batches:
        meter.act({"touch": batch})
    np.testing.assert_allclose(meter.spreads()["touch"], np.concatenate(batches).reshape(-1, 2).std(axis=0))


def test_levels_of_noise_are_in_units_of_the_spread() -> None:
    ways = BrokenWays(noise=(0.5,), delay=(3,))
    faults = list(ways.faults(spaces.Box(-1, 1, (2,)), np.array([2.0, 4.0]), 2))
    assert Noisy((1.0, 2.0), "noisy 0.5 sd") in faults
    assert {Delayed(3), Swapped()} < set(faults)
    assert Swapped() not in list(ways.faults(spaces.Box(-1, 1, (2,)), np.ones(2), 1))
    for bad in ({"noise": (0.0,)}, {"image_noise": (-1.0,)}, {"delay": (0,)}, {"frozen_after": -1}):
        with pytest.raises(ValueError, match="got"):
            BrokenWays(**bad)


def test_words_have_no_noise_for_one_number_more_is_another_word() -> None:
    words = spaces.Box(0, 24, (10,), np.uint8)
    labels = [fault.label for fault in WAYS.faults(words, np.zeros(1), num_worlds=2)]
    assert labels == ["zeros", "frozen", "delayed 1", "swapped"]


def test_uneven_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match="must be a multiple of the 4 worlds: 7"):
        judge_senses(Trials(locks(), Multiplier, 7, seed=3), SENSES)
