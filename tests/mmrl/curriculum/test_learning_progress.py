"""ALP-GMM: what it measures, when it fits, where it goes."""

import numpy as np
import pytest

from mmrl.curriculum import Curriculum, EpisodeResult, make_curriculum

SETTINGS = {"x": [0.0, 1.0], "y": [0.0, 1.0]}


def play(curriculum: Curriculum, episodes: int, result: object) -> np.ndarray:
    """Contexts (episodes, 2); `result` gives the success of the i-th episode at (x, y)."""
    points = []
    for i in range(episodes):
        (context,) = curriculum.sample([0])
        x, y = float(context["x"]), float(context["y"])
        success = bool(result(i, x, y))  # type: ignore[operator]  # a callable
        curriculum.finished(0, context, EpisodeResult(success, 10.0 * success - 5.0))
        points.append((x, y))
    return np.array(points)


@pytest.mark.parametrize("averaged", [1, 4])
def test_progress_is_the_change_from_the_older_to_the_newer_of_the_nearest(averaged: int) -> None:
    options = {"fit_every": 40, "averaged": averaged}
    curriculum = make_curriculum("learning_progress", SETTINGS, 0, options)
    results: list[float] = []

    def result(i: int, x: float, y: float) -> bool:
        results.append(float((x + y + 0.02 * i) > 1.3))
        return bool(results[-1])

    points = play(curriculum, 40, result)
    first = max(6, 2 * averaged - 1)  # until so many are known progress is 0
    expected = [0.0] * first
    for i in range(first, 40):
        nearest = np.linalg.norm(points[:i] - points[i], axis=1).argsort()[: 2 * averaged - 1]
        oldest_first = np.array([*(results[j] for j in sorted(nearest)), results[i]])
        older, newer = oldest_first[:averaged], oldest_first[averaged:]
        chance = 0.0 if averaged == 1 else (older.var(ddof=1) + newer.var(ddof=1)) / averaged
        expected.append(float(np.sqrt(max((newer.mean() - older.mean()) ** 2 - chance, 0.0))))
    assert sum(expected) > 0
    assert curriculum.metrics()["mean_progress"] == pytest.approx(np.mean(expected))


def test_of_equal_contexts_the_newest_is_the_nearest() -> None:
    """One of three options is mastered after ten episodes of it: nothing has changed since."""
    curriculum = make_curriculum("learning_progress", {"word": ["a", "b", "c"]}, 0, {"averaged": 1, "fit_every": 100})
    tried = dict.fromkeys("abc", 0)
    for _ in range(100):
        (context,) = curriculum.sample([0])
        word = str(context["word"])
        tried[word] += 1
        curriculum.finished(0, context, EpisodeResult(word == "a" and tried[word] > 10, 0.0))
    assert tried["a"] > 20
    assert curriculum.metrics()["mean_progress"] == pytest.approx(1 / 100)  # of the one that was the first success


@pytest.mark.parametrize(("averaged", "low", "high"), [(None, 0.0, 0.1), (1, 0.4, 0.6)])
def test_chance_is_no_progress(averaged: int | None, low: float, high: float) -> None:
    """Two coins differ in half of all cases, whatever is learned; so compared, a coin seems to be learned for ever."""
    chance = np.random.default_rng(0)
    curriculum = make_curriculum("learning_progress", SETTINGS, 0, {"averaged": averaged})
    play(curriculum, 500, lambda i, x, y: chance.random() < 0.5)
    assert low <= curriculum.metrics()["mean_progress"] < high


def test_options_are_practised_while_they_are_learned() -> None:
    """Of three options one is mastered since long, one gets better with every episode of it, one is hopeless."""
    tried, drawn, chance = dict.fromkeys("abc", 0), dict.fromkeys("abc", 0), np.random.default_rng(0)
    curriculum = make_curriculum("learning_progress", {"word": list("abc")}, 0)
    for i in range(1250):
        (context,) = curriculum.sample([0])
        word = str(context["word"])
        tried[word] += 1
        rate = {"a": float(i > 50), "b": min(tried["b"] / 800, 1.0), "c": 0.0}[word]
        curriculum.finished(0, context, EpisodeResult(bool(chance.random() < rate), 0.0))
        drawn[word] += i >= 750
    assert drawn["b"] > 0.6 * 500
    assert drawn["a"] < 0.2 * 500  # 0.07 by chance alone


def test_only_the_newest_contexts_are_neighbours() -> None:
    options = {"fit_every": 10, "neighbours": 10, "most_components": 2}  # and so 5 results in each mean
    curriculum = make_curriculum("learning_progress", SETTINGS, 0, options)
    play(curriculum, 100, lambda i, x, y: False)
    play(curriculum, 10, lambda i, x, y: True)  # still some failures among the 10 newest
    play(curriculum, 10, lambda i, x, y: True)
    assert curriculum.metrics()["mean_progress"] == 0.0


def test_it_goes_where_results_change() -> None:
    curriculum = make_curriculum("learning_progress", SETTINGS, 1, {"fit_every": 100, "averaged": 10})

    def frontier(i: int, x: float, y: float) -> bool:
        return x < 0.45 + i / 2500  # mastered below 0.45, hopeless above 0.73, and between in its turn; y means nothing

    first = play(curriculum, 100, frontier)
    later = play(curriculum, 600, frontier)[200:]
    near = [float(np.mean(abs(points[:, 0] - 0.6) < 0.15)) for points in (first, later)]
    assert near[0] == pytest.approx(0.3, abs=0.14)  # uniform; 3 deviations of sqrt(0.3 * 0.7 / 100)
    assert near[1] > 0.6
    assert 2 <= curriculum.metrics()["components"] <= 10
    # a fifth is drawn from everywhere: 400 * 0.2 * 0.7 = 56 on average far from the frontier
    assert (abs(later[:, 0] - 0.6) >= 0.15).sum() > 30


def test_returns_count_in_their_range() -> None:
    """A return of -5 or 5 in the range (-5, 15) is 0 or 0.5: half the progress that success shows."""

    def flip(i: int, x: float, y: float) -> bool:
        return i % 2 == 0

    by_success = make_curriculum("learning_progress", SETTINGS, 2, {"fit_every": 50, "averaged": 1})
    by_return = make_curriculum("learning_progress", SETTINGS, 2, {"fit_every": 50, "return_range": [-5, 15]})
    for curriculum in (by_success, by_return):
        play(curriculum, 50, flip)
    shown = by_success.metrics()["mean_progress"]
    assert shown > 0.2
    assert by_return.metrics()["mean_progress"] == pytest.approx(shown / 2)


def test_without_any_progress_every_component_has_its_chance() -> None:
    curriculum = make_curriculum("learning_progress", SETTINGS, 3, {"fit_every": 60, "share_random": 0.0})
    points = play(curriculum, 400, lambda i, x, y: True)[60:]
    assert points.std(axis=0).min() > 0.15  # uniform has 0.29
