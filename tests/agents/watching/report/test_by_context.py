"""Success by what differed from episode to episode."""

from typing import Any

import numpy as np
import pytest

from mmrl.evaluation.rates import Rate
from mmrl_agents.watching.report.by_context import ContextGroup, result_of, success_by_context
from mmrl_agents.watching.report.playing import PlayedEpisodes


def played(success: list[bool], contexts: dict[str, list[Any]], judged: bool = True) -> PlayedEpisodes:
    count = len(success)
    return PlayedEpisodes(
        np.arange(count),
        np.full(count, judged),
        np.array(success),
        np.arange(count, dtype=np.float64),
        np.full(count, 3),
        contexts,
        [np.zeros((3, 1))] * count,
    )


def test_words_are_groups_of_their_own() -> None:
    groups = success_by_context(played([True, False, True], {"shape": ["round", "square", "round"]}))
    assert [(group.label, group.episodes, group.result.value) for group in groups] == [
        ("round", 2, 1.0),
        ("square", 1, 0.0),
    ]
    # Wilson's interval of 2 of 2.
    assert (groups[0].result.low, groups[0].result.high) == pytest.approx(Rate(2, 2).interval)


def test_many_numbers_fall_into_quarters() -> None:
    values = [float(value) for value in range(16)]
    groups = success_by_context(played([value < 4 for value in values], {"friction": values}))
    assert [group.episodes for group in groups] == [4] * 4
    assert [group.result.value for group in groups] == [1.0, 0.0, 0.0, 0.0]
    assert groups[0].label == "0 to 3.8"  # the first quartile of 0 to 15 is 3.75


def test_few_numbers_are_groups_of_their_own() -> None:
    groups = success_by_context(played([True] * 4, {"level": [1, 2, 1, 2]}))
    assert [group.label for group in groups] == ["1", "2"]


def test_what_never_differs_is_left_out() -> None:
    assert success_by_context(played([True, False], {"shape": ["round"] * 2, "clearance_mm": [np.nan] * 2})) == []


def test_where_no_success_is_known_the_return_counts() -> None:
    (low, high) = success_by_context(played([False] * 4, {"level": [1, 1, 2, 2]}, judged=False))
    assert isinstance(low, ContextGroup)
    assert (low.result.value, high.result.value) == (0.5, 2.5)  # of 0, 1 and of 2, 3


def test_episodes_are_in_order_by_success_and_then_by_return() -> None:
    episodes = played([True, False, True, False], {})
    assert episodes.in_order.tolist() == [1, 3, 0, 2]
    assert result_of(episodes, episodes.success).value == 1.0
