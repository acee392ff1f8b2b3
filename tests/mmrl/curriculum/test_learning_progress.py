"""ALP-GMM: what it measures, when it fits, where it goes."""

import numpy as np
import pytest

from mmrl.curriculum import Curriculum, Outcome, make_curriculum

SETTINGS = {"x": [0.0, 1.0], "y": [0.0, 1.0]}


def play(curriculum: Curriculum, episodes: int, result: object) -> np.ndarray:
    """Contexts (episodes, 2); `result` gives the success of the i-th episode at (x, y)."""
    points = []
    for i in range(episodes):
        (context,) = curriculum.sample([0])
        x, y = float(context["x"]), float(context["y"])
        success = bool(result(i, x, y))  # type: ignore[operator]  # a callable
        curriculum.finished(0, context, Outcome(success, 10.0 * success - 5.0))
        points.append((x, y))
    return np.array(points)


def test_progress_is_the_change_against_the_nearest_earlier_context() -> None:
    curriculum = make_curriculum("learning_progress", SETTINGS, 0, {"fit_every": 40})
    results: list[float] = []

    def result(i: int, x: float, y: float) -> bool:
        results.append(float((x + y + 0.01 * i) > 1.1))
        return bool(results[-1])

    points = play(curriculum, 40, result)
    expected = [0.0] * 6  # until more than five are known
    for i in range(6, 40):
        nearest = np.linalg.norm(points[:i] - points[i], axis=1).argmin()
        expected.append(abs(results[i] - results[nearest]))
    assert sum(expected) > 0
    assert curriculum.metrics()["mean_progress"] == pytest.approx(np.mean(expected))


def test_only_the_newest_contexts_are_neighbours() -> None:
    options = {"fit_every": 10, "neighbours": 10, "most_components": 2}
    curriculum = make_curriculum("learning_progress", SETTINGS, 0, options)
    play(curriculum, 100, lambda i, x, y: False)
    play(curriculum, 10, lambda i, x, y: True)  # still some failures among the 10 newest
    play(curriculum, 10, lambda i, x, y: True)
    assert curriculum.metrics()["mean_progress"] == 0.0


def test_it_goes_where_results_change() -> None:
    curriculum = make_curriculum("learning_progress", SETTINGS, 1, {"fit_every": 100})

    def frontier(i: int, x: float, y: float) -> bool:
        return x < 0.6 + 0.05 * np.sin(0.7 * i)  # mastered below 0.55, hopeless above 0.65, y means nothing

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

    by_success = make_curriculum("learning_progress", SETTINGS, 2, {"fit_every": 50})
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
