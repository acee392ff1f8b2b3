"""Probes find what was planted in features, and nothing where nothing is."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from scipy.linalg import solve

from mmrl.arrays import FloatArray, IntArray
from mmrl.evaluation.probes import (
    PROBES,
    SHUFFLED,
    Answer,
    ProbeRows,
    balanced_accuracy,
    kernel_weights,
    probe_all,
    r_squared,
    targets_of,
)

EPISODES, STEPS = 16, 12


def planted(seed: int = 0) -> ProbeRows:
    """Touch shows a number linearly and a class, sight shows the number by its square, and noise is in both."""
    rng = np.random.default_rng(seed)
    number = rng.normal(size=EPISODES * STEPS)
    contact = np.where(rng.normal(size=EPISODES * STEPS) > 0.5, 0.5, -0.5)
    noise = rng.normal(size=(EPISODES * STEPS, 4))
    touch = np.stack([number + 0.1 * noise[:, 0], 2 * contact + 0.1 * noise[:, 1]], axis=1)
    sight = np.stack([number**2, noise[:, 2]], axis=1)
    return ProbeRows(
        {"touch": {"touch": touch}, "sight": {"sight": sight}, "both": {"touch": touch, "sight": sight}},
        {"number": number, "contact": contact, "luck": noise[:, 3], "never": np.zeros(len(number))},
        np.repeat(np.arange(EPISODES), STEPS),
    )


@pytest.fixture(scope="module")
def answers() -> list[Answer]:
    train, test = planted().split(0.4, seed=0)
    return probe_all(train, test, {name: kind() for name, kind in PROBES.items()}, control="both")


def score(answers: list[Answer], source: str, probe: str, target: str) -> float:
    (found,) = (a for a in answers if (a.source, a.probe, a.target.name) == (source, probe, target))
    assert found.score.low <= found.score.value <= found.score.high
    return found.score.value


@pytest.mark.parametrize("probe", PROBES)
def test_what_was_planted_is_read_off(answers: list[Answer], probe: str) -> None:
    assert score(answers, "both", probe, "number") > (0.5 if probe == "neighbours" else 0.8)
    assert score(answers, "both", probe, "contact") > 0.85
    assert score(answers, "both", probe, "luck") < 0.2


@pytest.mark.parametrize("probe", PROBES)
def test_shuffled_targets_are_read_by_chance(answers: list[Answer], probe: str) -> None:
    assert score(answers, SHUFFLED, probe, "number") < 0.2
    assert score(answers, SHUFFLED, probe, "contact") == pytest.approx(0.5, abs=0.2)


def test_a_sense_that_does_not_show_it_has_no_answer(answers: list[Answer]) -> None:
    assert score(answers, "sight", "linear", "number") < 0.2
    assert score(answers, "sight", "linear", "contact") < 0.7


def test_kernels_say_which_sense_an_answer_comes_from(answers: list[Answer]) -> None:
    (found,) = (a for a in answers if (a.source, a.probe, a.target.name) == ("both", "kernels", "contact"))
    assert sum(found.weights.values()) == pytest.approx(1.0)
    assert found.weights["touch"] > 0.8
    # They weigh senses, so a source of a single one is none for them.
    assert not [a for a in answers if a.probe == "kernels" and a.source == "touch"]


def test_kernel_weights_minimise_their_objective() -> None:
    """Against all weights of a grid on the simplex of two kernels."""
    rng = np.random.default_rng(1)
    parts = [rng.normal(size=(40, 2)), rng.normal(size=(40, 2))]
    kernels = [part @ part.T for part in parts]
    targets = (parts[0] @ [1.0, -1.0] + 0.3 * parts[1] @ [1.0, 1.0] + 0.1 * rng.normal(size=40))[:, None]

    def objective(weight: float) -> float:
        combined = weight * kernels[0] + (1 - weight) * kernels[1] + 0.5 * np.eye(40)
        return float(np.sum(targets * solve(combined, targets, assume_a="pos")))

    weights, _ = kernel_weights(kernels, targets, 0.5)
    assert weights.sum() == pytest.approx(1.0)
    assert (weights >= 0).all()
    assert objective(float(weights[0])) <= min(map(objective, np.linspace(0, 1, 201))) * (1 + 1e-4)


def test_targets_that_never_vary_are_named() -> None:
    train, test = planted().split(0.4, seed=0)
    found, constant = targets_of(train, test)
    assert {target.name: target.is_class for target in found} == {"number": False, "contact": True, "luck": False}
    assert constant == ["never"]


def test_intervals_are_over_episodes() -> None:
    """Ten steps that repeat each other say as much as one: the interval does not shrink with them."""
    rng = np.random.default_rng(2)
    truth = rng.normal(size=30)
    guess = truth + 0.5 * rng.normal(size=30)
    once = r_squared(truth, guess, np.arange(30))

    def repeated(values: FloatArray) -> FloatArray:
        return np.repeat(values, 10)

    tenfold = r_squared(repeated(truth), repeated(guess), np.repeat(np.arange(30), 10))
    assert (once.value, once.low, once.high) == pytest.approx((tenfold.value, tenfold.low, tenfold.high))


def test_scores_are_their_definitions() -> None:
    truth, episodes = np.array([1.0, 2, 3, 4]), np.array([0, 0, 1, 1])
    assert r_squared(truth, truth, episodes).value == 1.0
    assert r_squared(truth, np.full(4, 2.5), episodes).value == pytest.approx(0.0)
    # Of three zeros two are recognised, of one one: (2 / 3 + 1) / 2.
    found = balanced_accuracy(np.array([0.0, 0, 0, 1]), np.array([0.0, 0, 1, 1]), episodes)
    assert found.value == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episodes": np.array([], np.intp)}, "a probe needs rows, got none"),
        ({"targets": {"number": np.zeros(3)}}, "number has 3 rows, and there are 192"),
        ({"sources": {"a": {"b": np.full((192, 1), np.nan)}}}, "a of b must be finite"),
    ],
)
def test_bad_rows_are_refused_by_name(change: dict[str, IntArray], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(planted(), **change)  # type: ignore[arg-type]


def test_too_few_episodes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"two episodes at least .* got 16 and a share of 0\.05"):
        planted().split(0.05, seed=0)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn", None)
    monkeypatch.delitem(sys.modules, "sklearn.linear_model", raising=False)
    train, test = planted().split(0.4, seed=0)
    with pytest.raises(ImportError, match=r"pip install 'mmrl\[probe\]'"):
        probe_all(train, test, {"linear": PROBES["linear"]()}, control="both")
