"""Episodes of training: what they report, and what the newest of them come to."""

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from mmrl_agents.experience.episodes import Episode, EpisodeStatistics, episode_from, episode_on_record
from tests.toys.coins import COIN_FIGURES


def episode(total_reward: float, **more: Any) -> Episode:
    return Episode(total_reward, 10, success=None, success_once=None, physics_error=False, **more)


def test_declared_figures_are_means_over_the_episodes_that_reported_them() -> None:
    statistics = EpisodeStatistics()
    for figures in ({"swing_mm": 2.0, "luck": 1.0}, {"swing_mm": 4.0}, {}):
        statistics.add(episode(0.0, figures=figures))
    metrics = statistics.metrics()
    assert (metrics["swing_mm"], metrics["luck"]) == (3.0, 1.0)
    assert "share" not in metrics


def test_terms_of_the_reward_are_reported_one_by_one() -> None:
    statistics = EpisodeStatistics()
    for near in (1.0, 3.0):
        statistics.add(episode(0.0, reward_terms={"near": near, "success": 2.0}))
    metrics = statistics.metrics()
    assert (metrics["reward/near"], metrics["reward/success"]) == (2.0, 2.0)


def test_an_episode_has_what_its_last_info_says_of_its_world() -> None:
    final = {
        "swing_mm": np.array([1.0, 2.0]),
        "_swing_mm": np.array([True, True]),
        "luck": np.array([np.nan, 0.5]),
        "share": np.array([None, 80.0], object),
        "_share": np.array([False, True]),
        "undeclared": np.array([1.0, 1.0]),
        "reward_terms": {"near": np.array([3.0, 4.0]), "_near": np.array([True, True])},
    }
    first, second = (episode_from(final, world, 0.0, 1, COIN_FIGURES) for world in (0, 1))
    assert (first.figures, second.figures) == ({"swing_mm": 1.0}, {"swing_mm": 2.0, "luck": 0.5, "share": 80.0})
    assert (first.reward_terms, second.reward_terms) == ({"near": 3.0}, {"near": 4.0})


def test_an_episode_survives_a_checkpoint_and_so_does_one_of_an_older_version() -> None:
    kept = episode(1.5, figures={"swing_mm": 2.0}, reward_terms={"near": 1.0})
    assert episode_on_record(asdict(kept)) == kept
    older = {"total_reward": 1.5, "length": 10, "success": True, "success_once": True, "physics_error": False}
    assert episode_on_record({**older, "peak_mm": 7.0}).figures == {"peak_mm": 7.0}
    assert episode_on_record({**older, "peak_mm": None}).figures == {}
    with pytest.raises(ValueError, match="length"):
        episode_on_record({**older, "length": "long"})


def test_means_over_the_newest_episodes_come_once_there_are_enough() -> None:
    statistics = EpisodeStatistics(window=200)
    for number in range(19):
        statistics.add(episode(number))
    assert {"mean_return_20", "mean_return_100"}.isdisjoint(statistics.metrics())
    for number in range(19, 300):
        statistics.add(episode(number))
    metrics = statistics.metrics()
    assert "success_rate" not in metrics
    # the last 20 are 280..299, the last 100 are 200..299, the window holds 100..299
    assert (metrics["mean_return_20"], metrics["mean_return_100"], metrics["mean_return"]) == (289.5, 249.5, 199.5)
    assert statistics.mean_of_newest(2) == 298.5
    assert metrics["episodes"] == 300


def test_statistics_forget_old_episodes() -> None:
    statistics = EpisodeStatistics(window=2)
    for total in (1.0, 2.0, 4.0):
        statistics.add(Episode(total, 10, None, None, physics_error=total == 1.0))
    metrics = statistics.metrics()
    assert metrics["mean_return"] == 3.0
    assert metrics["episodes"] == 3
    assert metrics["physics_errors"] == 1
    assert "success_rate" not in metrics
