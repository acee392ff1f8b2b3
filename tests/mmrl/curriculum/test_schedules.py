import numpy as np
import pytest

from mmrl.curriculum import make_curriculum

# Difficulty d is the number 10 d.
SETTINGS = {"depth": [0.0, 10.0]}


def drawn(name: str, step: int, count: int = 1, **options: object) -> list[float]:
    curriculum = make_curriculum(name, SETTINGS, 0, options)
    curriculum.set_step(step)
    return [float(context["depth"]) for context in curriculum.sample(range(count))]


@pytest.mark.parametrize(("step", "depth"), [(0, 2.0), (50, 4.0), (100, 6.0), (1000, 6.0)])
def test_linear_follows_the_decay_law(step: int, depth: float) -> None:
    # (1 - a) 0.2 + a 0.6 with a = step / 100, at most 1
    assert drawn("linear", step, initial=0.2, final=0.6, over_steps=100) == [pytest.approx(depth)]


@pytest.mark.parametrize(("step", "depth"), [(0, 0.0), (99, 0.0), (100, 5.0), (199, 5.0), (200, 10.0), (999, 10.0)])
def test_stepwise_stands_still_in_between(step: int, depth: float) -> None:
    assert drawn("stepwise", step, levels=[0, 0.5, 1], every_steps=100) == [depth]


def test_linear_from_the_end_trains_on_the_target() -> None:
    assert drawn("linear", 0, initial=1.0) == [10.0]


@pytest.mark.parametrize(("spread", "low", "high"), [("easier", 0.0, 4.0), ("harder", 4.0, 10.0)])
def test_a_spread_fills_one_side_of_the_level_evenly(spread: str, low: float, high: float) -> None:
    depths = np.array(drawn("stepwise", 0, 1000, levels=[0.4], spread=spread))
    counts, _ = np.histogram(depths, bins=5, range=(low, high))
    # 200 each of 1000; a standard deviation is sqrt(1000 * 0.2 * 0.8) = 13
    assert counts.sum() == 1000
    assert (abs(counts - 200) < 52).all()


def test_uniform_fills_the_box_between_the_ends() -> None:
    curriculum = make_curriculum("uniform", {"clearance": [2.0, 0.3], "yaw": [0, [-3, 3]]}, 1)
    contexts = curriculum.sample(range(1000))
    for name, low, high in (("clearance", 0.3, 2.0), ("yaw", -3.0, 3.0)):
        counts, _ = np.histogram([float(context[name]) for context in contexts], bins=5, range=(low, high))
        assert counts.sum() == 1000
        assert (abs(counts - 200) < 52).all()
