"""Figures that a task declares: what a declaration says, and what the episodes make of it."""

import json
from dataclasses import replace

import numpy as np
import pytest
from gymnasium.wrappers.vector import RecordEpisodeStatistics

from mmrl.evaluation.episodes import episodes_from, run_episodes
from mmrl.evaluation.figures import (
    Figure,
    Quartiles,
    decimals_for,
    figures_of,
    quartiles_of,
    require_distinct,
    with_ends,
)
from mmrl.evaluation.rates import Rate, evaluate
from tests.toys.coins import COIN_FIGURES, FAST, SLOW, Heads, Looker, coins, declaring_coins

SWING, LUCK, SHARE = COIN_FIGURES


def test_a_heading_is_the_name_in_words_with_the_unit() -> None:
    assert [figure.heading for figure in COIN_FIGURES] == ["swing (mm)", "luck", "share (%)"]
    assert Figure("depth_m", "m").heading == "depth (m)"
    assert Figure("speed_m_s", "m/s").heading == "speed (m/s)"
    assert Figure("twist_nm", "N m").heading == "twist (N m)"
    assert Figure("s", "s").heading == "s (s)"
    assert [figure.which_way for figure in COIN_FIGURES] == ["lower is better", "", "higher is better"]


def test_a_figure_describes_itself_in_a_line() -> None:
    assert [figure.describe() for figure in COIN_FIGURES] == [
        "The farthest that the coin swung. Largest of the episode, lower is better.",
        "The mean luck. Mean over the episode.",
        "The share of the steps that were needed. At the end of the episode, higher is better, the score of the task.",
    ]
    assert Figure("luck").describe() == "At the end of the episode."


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ({"name": "peak force"}, "must be an identifier, got 'peak force'"),
        ({"name": "a", "better": "more"}, "Figure.better must be 'low', 'high' or None, got 'more'"),
        ({"name": "a", "over_episode": "median"}, "Figure.over_episode must be one of"),
    ],
)
def test_a_bad_declaration_names_what_is_wrong(bad: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        Figure(**bad)  # type: ignore[arg-type]  # on purpose


def test_figures_of_one_environment_differ_and_have_one_score() -> None:
    with pytest.raises(ValueError, match=r"names of figures must differ, got \['a', 'a'\]"):
        require_distinct([Figure("a"), Figure("a")])
    worlds = declaring_coins(2)
    worlds.figures = (Figure("is_success"), SWING)
    with pytest.raises(ValueError, match="is_success is the name of something else in infos"):
        figures_of(worlds)
    with pytest.raises(ValueError, match=r"at most one figure is the score, got \['a', 'b'\]"):
        require_distinct([Figure("a", score=True), Figure("b", score=True)])


def test_wrappers_hand_figures_on_and_foreign_worlds_declare_none() -> None:
    assert figures_of(RecordEpisodeStatistics(declaring_coins(2))) == COIN_FIGURES
    assert figures_of(coins(2)) == ()


def test_figures_are_those_of_the_finished_episode() -> None:
    table = run_episodes(declaring_coins(3), Looker(), 2, seed=0)
    # Looker is always right, so an episode has FAST = 2 steps and its last info says 3 mm x 2.
    assert table.declared == COIN_FIGURES
    assert table.figures["swing_mm"].tolist() == [6.0] * 6
    assert table.figures["luck"].tolist() == [2.0] * 6


def test_a_figure_that_no_info_holds_is_unknown() -> None:
    silent = declaring_coins(2)
    for env in silent.envs:
        env.reported = ("is_success",)  # type: ignore[attr-defined]  # a coin's
    report = evaluate(silent, Looker, 2, seed=0)
    assert np.isnan(report.rows[0].episodes.figures["luck"]).all()
    row = report.to_json()["rows"][0]
    assert row["median_luck"] is row["quartiles_luck"] is row["highest_luck"] is None
    assert report.rows[0].score is None


def test_a_report_declares_figures_and_has_their_quartiles_in_every_row() -> None:
    report = evaluate(declaring_coins(2), Heads, 8, seed=0, without=["eye"])
    document = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert [figure["name"] for figure in document["figures"]] == ["swing_mm", "luck", "share"]
    assert document["figures"][0] == {
        "name": "swing_mm",
        "unit": "mm",
        "over_episode": "max",
        "better": "low",
        "help": "The farthest that the coin swung.",
        "score": False,
        "event": False,
    }
    swings = report.rows[0].episodes.figures["swing_mm"]
    assert set(swings) == {3.0 * FAST, 3.0 * SLOW}
    for row in document["rows"]:
        assert row["median_swing_mm"] == np.median(swings)
        assert row["quartiles_swing_mm"] == np.quantile(swings, (0.25, 0.75)).tolist()
        assert (row["lowest_swing_mm"], row["highest_swing_mm"]) == (3.0 * FAST, 3.0 * SLOW)


def test_the_score_has_a_mean_with_an_interval() -> None:
    row = evaluate(declaring_coins(2), Heads, 8, seed=0).rows[0]
    assert row.score is not None
    assert row.score.figure == SHARE
    assert row.score.mean == pytest.approx(row.episodes.figures["share"].mean())
    assert row.score.low < row.score.mean < row.score.high
    document = row.to_json()
    assert document["mean_share"] == row.score.mean
    assert document["mean_share_bootstrap_95"] == [row.score.low, row.score.high]
    assert "mean_luck" not in document


def test_an_event_has_a_share_of_the_episodes_with_its_interval() -> None:
    row = evaluate(declaring_coins(2), Heads, 8, seed=0).rows[0]
    fast = Figure("swing_mm", event=True)
    happened = np.where(row.episodes.figures["swing_mm"] > 3.0 * min(FAST, SLOW), 1.0, 0.0)
    happened[0] = np.nan  # one that did not report it
    episodes = replace(row.episodes, declared=(fast,), figures={"swing_mm": happened})
    row = replace(row, episodes=episodes)
    share = Rate(int(np.nansum(happened)), 7)
    assert row.share(fast) == share
    assert row.to_json()["share_swing_mm"] == share.to_json()
    assert row.share(replace(fast, event=False)) is None


def test_episodes_survive_being_kept_as_arrays() -> None:
    table = run_episodes(declaring_coins(2), Heads(), 3, seed=1)
    kept = table.arrays()
    again = episodes_from(kept, COIN_FIGURES)
    assert again is not None
    assert {name: array.tolist() for name, array in again.arrays().items()} == {
        name: array.tolist() for name, array in kept.items()
    }
    assert episodes_from(kept, COIN_FIGURES[:1]) is None  # of other figures
    assert episodes_from({"world": table.world}, ()) is None


def test_quartiles_leave_out_what_is_unknown() -> None:
    # of 0, 1, 2, 3, 4 a quarter lies below 1 and a quarter above 3
    assert quartiles_of(np.array([4.0, np.nan, 0.0, 1.0, 3.0, 2.0])) == Quartiles(2.0, 1.0, 3.0)
    assert quartiles_of(np.array([np.nan])) is None
    assert str(Quartiles(110.4, 95.2, 130.9)) == "110 [95, 131]"


def test_the_largest_of_numbers_that_stand_together_has_three_digits() -> None:
    assert [decimals_for(numbers) for numbers in ([0.02971, 0.0], [23.72], [-1204.4, 3.2], [0.0])] == [4, 1, 0, 2]
    assert with_ends(0.02971, 0.029, 0.03, 4) == "0.0297 [0.0290, 0.0300]"
