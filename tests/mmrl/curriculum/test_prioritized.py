"""Prioritized Level Replay: the distribution by hand, then what comes out of it."""

from collections import Counter

import numpy as np
import pytest

from mmrl.curriculum import Curriculum, EpisodeResult, make_curriculum
from mmrl.curriculum.prioritized import replay_distribution

SETTINGS = {"x": [0.0, 1.0]}


def report(curriculum: Curriculum, context: dict[str, object], score: float) -> None:
    curriculum.finished(0, context, EpisodeResult(None, 0.0, score))  # type: ignore[arg-type]  # built from its own samples


def test_distribution_by_hand() -> None:
    probabilities = replay_distribution(np.array([3.0, 1.0, 2.0]), np.array([0.0, 2.0, 6.0]), 1.0, 0.5)
    # ranks 1, 3, 2: weights 1, 1/3, 1/2 of 11/6 are 6/11, 2/11, 3/11; ages 0, 2, 6 of 8 are 0, 1/4, 3/4
    np.testing.assert_allclose(probabilities, [3 / 11, 1 / 11 + 1 / 8, 1.5 / 11 + 3 / 8])


def test_temperature_sharpens() -> None:
    # rank 2 at beta = 0.1: 2 ** -10
    probabilities = replay_distribution(np.array([1.0, 5.0]), np.array([1.0, 1.0]), 0.1, 0.0)
    np.testing.assert_allclose(probabilities, np.array([2.0**-10, 1.0]) / (1 + 2.0**-10))


def test_without_ages_staleness_is_even() -> None:
    np.testing.assert_allclose(replay_distribution(np.array([1.0, 5.0]), np.zeros(2), 1.0, 1.0), [0.5, 0.5])


def test_the_promising_context_comes_back() -> None:
    options = {"warm_up": 10, "capacity": 10, "replay_probability": 0.5, "staleness": 0.1}
    curriculum = make_curriculum("prioritized", SETTINGS, 0, options)
    known = []
    for i in range(10):
        (context,) = curriculum.sample([0])
        known.append(context["x"])
        report(curriculum, context, 9.0 if i == 4 else 1.0)
    drawn = Counter()
    for _ in range(1000):
        (context,) = curriculum.sample([0])
        drawn[context["x"]] += 1
        # nothing new is worth a place, and what is known keeps its score
        report(curriculum, context, {known[4]: 9.0}.get(context["x"], 1.0 if context["x"] in known else 0.0))
    replays = sum(drawn[x] for x in known)
    assert replays == pytest.approx(500, abs=60)  # 4 deviations of sqrt(1000 * 0.25)
    # 0.9 * 1 / (1 + 2 ** -10 + ...) = 0.899 of the replays and what staleness adds
    assert 0.85 < drawn[known[4]] / replays < 0.95
    assert all(drawn[x] > 0 for x in known)  # none is forgotten
    assert curriculum.metrics()["replayed"] == pytest.approx(replays / 1010)


def test_a_score_is_replaced_by_the_newest() -> None:
    options = {"warm_up": 1, "capacity": 1, "replay_probability": 1.0}
    curriculum = make_curriculum("prioritized", SETTINGS, 0, options)
    (context,) = curriculum.sample([0])
    report(curriculum, context, 4.0)
    assert curriculum.sample([0]) == [context]
    report(curriculum, context, 2.0)
    assert curriculum.metrics()["mean_score"] == 2.0


def test_smoothing_mixes_old_and_new() -> None:
    options = {"warm_up": 1, "capacity": 1, "replay_probability": 1.0, "smoothing": 0.25}
    curriculum = make_curriculum("prioritized", SETTINGS, 0, options)
    (context,) = curriculum.sample([0])
    report(curriculum, context, 4.0)
    curriculum.sample([0])
    report(curriculum, context, 2.0)
    assert curriculum.metrics()["mean_score"] == pytest.approx(0.75 * 4.0 + 0.25 * 2.0)


def test_a_full_buffer_makes_room_for_the_better() -> None:
    options = {"warm_up": 3, "capacity": 3, "replay_probability": 0.0, "staleness": 0.0}
    curriculum = make_curriculum("prioritized", SETTINGS, 0, options)
    for score in (5.0, 3.0, 4.0, 1.0, 6.0):  # 1 is no better than the least, 6 takes the place of 3
        (context,) = curriculum.sample([0])
        report(curriculum, context, score)
    metrics = curriculum.metrics()
    assert metrics["contexts"] == 3
    assert metrics["mean_score"] == pytest.approx((5.0 + 4.0 + 6.0) / 3)


def test_what_left_the_buffer_while_it_was_played_may_return() -> None:
    options = {"warm_up": 1, "capacity": 1, "replay_probability": 1.0}
    curriculum = make_curriculum("prioritized", SETTINGS, 0, options)
    late, first = curriculum.sample([1, 0])
    report(curriculum, first, 1.0)
    assert curriculum.sample([2]) == [first]
    curriculum.finished(1, late, EpisodeResult(None, 0.0, 2.0))  # takes the place of `first`
    curriculum.finished(2, first, EpisodeResult(None, 0.0, 3.0))
    assert curriculum.metrics()["mean_score"] == 3.0
    assert curriculum.sample([0]) == [first]


@pytest.mark.parametrize("score", [None, -1.0, float("nan")])
def test_an_episode_without_a_score_is_refused(score: float | None) -> None:
    curriculum = make_curriculum("prioritized", SETTINGS, 0)
    (context,) = curriculum.sample([0])
    with pytest.raises(ValueError, match=r"'prioritized' needs a score of each episode, .*got"):
        curriculum.finished(0, context, EpisodeResult(True, 1.0, score))
