"""Every registered curriculum keeps one contract; names and options are checked."""

import json
from typing import Any

import numpy as np
import pytest

from mmrl.curriculum import CURRICULA, Curriculum, EpisodeResult, Stepwise, curriculum_config, make_curriculum

SETTINGS: dict[str, Any] = {"clearance_mm": [2.0, 0.3], "yaw": [0, [-3.0, 3.0]], "shape": ["round", "square", "star"]}
# So small that every part of each curriculum is reached within a few hundred episodes.
OPTIONS: dict[str, dict[str, Any]] = {
    "linear": {"over_steps": 3000},
    "stepwise": {"every_steps": 500},
    "staged": {"episodes": 20},
    "success_gated": {"episodes": 16},
    "learning_progress": {"fit_every": 60, "neighbours": 150, "most_components": 3},
    "prioritized": {"capacity": 30, "warm_up": 10},
}
WORLDS = 6


def make(name: str, seed: int = 3) -> Curriculum:
    return make_curriculum(name, SETTINGS, seed, OPTIONS.get(name))


class Learner:
    """Masters a context once it has practised long enough; episodes of unequal lengths in worlds out of step."""

    def __init__(self, curriculum: Curriculum) -> None:
        self.curriculum = curriculum
        self.random = np.random.default_rng(7)
        self.present = curriculum.sample(range(WORLDS))
        self.left = self.random.integers(1, 20, WORLDS)
        self.history: list[tuple[int, dict[str, Any]]] = []

    def play(self, steps: int) -> list[tuple[int, dict[str, Any]]]:
        for _ in range(steps):
            self.left -= 1
            for world in np.flatnonzero(self.left == 0).tolist():
                self.finish(world)
            self.curriculum.set_step(self.curriculum.step + WORLDS)
        return self.history

    def finish(self, world: int) -> None:
        context = self.present[world]
        self.history.append((world, context))
        hard = self.curriculum.space.difficulty(context)
        success = bool(hard < self.curriculum.step / 4000)
        (self.present[world],) = self.curriculum.sample([world])
        self.curriculum.finished(world, context, EpisodeResult(success, float(success), abs(hard - 0.5)))
        self.left[world] = self.random.integers(1, 20)


@pytest.mark.parametrize("name", CURRICULA)
def test_contexts_stay_in_the_space_and_the_target_is_reached(name: str) -> None:
    curriculum = make(name)
    history = Learner(curriculum).play(1000)
    difficulties = [curriculum.space.difficulty(context) for _, context in history]  # raises where one leaves it
    # Shape and clearance at their hard ends and yaw up to +-3: beyond 2 / 3 only near the target.
    assert max(difficulties[-200:]) > 0.7
    assert len({tuple(context.items()) for _, context in history}) > 20


@pytest.mark.parametrize("name", CURRICULA)
def test_a_seed_decides_everything(name: str) -> None:
    first, again, other = (Learner(make(name, seed)).play(300) for seed in (3, 3, 4))
    assert first == again
    assert first != other


@pytest.mark.parametrize("name", CURRICULA)
@pytest.mark.parametrize("steps", [5, 333])
def test_a_saved_curriculum_goes_on_exactly(name: str, steps: int) -> None:
    learner = Learner(make(name))
    learner.play(steps)
    state = json.loads(json.dumps(learner.curriculum.state_dict()))  # plain Python, none of it lost in JSON
    restored = make(name, seed=99)
    restored.load_state_dict(state)
    random = np.random.default_rng(7)
    random.bit_generator.state = learner.random.bit_generator.state
    twin = Learner.__new__(Learner)
    twin.__dict__ |= {**vars(learner), "curriculum": restored, "random": random, "history": []}
    twin.present, twin.left = list(learner.present), learner.left.copy()
    learner.history = []
    assert learner.play(500) == twin.play(500)
    assert learner.curriculum.metrics() == restored.metrics()
    assert learner.curriculum.state_dict() == restored.state_dict()


@pytest.mark.parametrize("name", CURRICULA)
def test_metrics_are_finite_numbers_about_what_was_practised(name: str) -> None:
    curriculum = make(name)
    assert curriculum.metrics()["episodes"] == 0.0
    history = Learner(curriculum).play(400)
    metrics = curriculum.metrics()
    assert all(isinstance(value, float) and np.isfinite(value) for value in metrics.values())
    recent = [context for _, context in history[-200:]]
    assert metrics["difficulty"] == pytest.approx(np.mean([curriculum.space.difficulty(c) for c in recent]))
    assert metrics["clearance_mm_mean"] == pytest.approx(np.mean([c["clearance_mm"] for c in recent]))
    assert metrics["episodes"] == len(history)
    assert any(key.startswith("success_0.") for key in metrics)


def test_success_is_reported_by_fifths_of_difficulty() -> None:
    curriculum = make_curriculum("linear", {"clearance_mm": [2.0, 0.0]}, 0, {"over_steps": 10})
    for step, success in ((0, True), (1, True), (9, True), (10, False)):  # clearances 2.0, 1.8, 0.2, 0.0
        curriculum.set_step(step)
        curriculum.finished(0, curriculum.sample([0])[0], EpisodeResult(success, 0.0))
    metrics = curriculum.metrics()
    rates = {key: value for key, value in metrics.items() if key.startswith("success")}
    assert rates == {"success_0.0_0.2": 1.0, "success_0.8_1.0": 0.5}


def test_outcomes_may_come_late_and_some_never() -> None:
    curriculum = make("uniform")
    first, second, third = (curriculum.sample([4])[0] for _ in range(3))
    curriculum.finished(4, second, EpisodeResult(True, 1.0))  # the first was given up
    curriculum.finished(4, {**third, "friction": 0.3}, None)  # with what the environment drew by itself
    assert curriculum.episodes == 1
    with pytest.raises(ValueError, match=r"world 4 finished an episode of context \{'clearance_mm'.*given \[\]"):
        curriculum.finished(4, first, EpisodeResult(True, 1.0))


@pytest.mark.parametrize("name", ["staged", "success_gated", "learning_progress"])
def test_success_unknown_is_refused_where_it_is_needed(name: str) -> None:
    curriculum = make(name)
    (context,) = curriculum.sample([0])
    with pytest.raises(ValueError, match=f"'{name}' judges by success, which this environment does not report"):
        curriculum.finished(0, context, EpisodeResult(None, 1.0))


def test_the_state_of_another_curriculum_is_refused() -> None:
    with pytest.raises(ValueError, match="saved curriculum has kind _UniformCurriculum, this one _Staged"):
        make("staged").load_state_dict(make("uniform").state_dict())
    other = make_curriculum("uniform", {"friction": [0.1, 0.9]}, 0)
    with pytest.raises(ValueError, match=r"saved curriculum has axes .*friction.*this one .*clearance_mm"):
        make("uniform").load_state_dict(other.state_dict())


def test_plain_values_become_settings() -> None:
    assert curriculum_config("stepwise", {"levels": [0, 1], "every_steps": 10}) == Stepwise((0.0, 1.0), 10)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("liner", {}, "unknown curriculum 'liner'; there are uniform, linear, stepwise, staged, success_gated"),
        ("uniform", {"speed": 1}, "'uniform': Uniform has no speed; it has none"),
        ("linear", {"tau": 1, "a": 2}, "'linear': Linear has no a, tau; it has initial, final, over_steps, spread"),
        ("linear", {"over_steps": "many"}, "'linear': over_steps must be int, got 'many'"),
        ("linear", {"over_steps": 1.5}, "over_steps must be int, got 1.5"),
        ("linear", {"over_steps": True}, "over_steps must be int, got True"),
        ("linear", {"over_steps": 0}, "'linear': over_steps must be at least 1, got 0"),
        ("linear", {"final": 1.5}, r"final must lie in \[0, 1\], got 1.5"),
        ("linear", {"initial": float("nan")}, r"initial must lie in \[0, 1\], got nan"),
        ("linear", {"spread": "wide"}, "unknown spread 'wide'; there are level, easier, harder"),
        ("stepwise", {"levels": []}, "levels must hold at least 1 difficulty, got none"),
        ("stepwise", {"levels": [0.1, 2]}, r"levels must lie in \[0, 1\], got 2.0"),
        ("stepwise", {"levels": 3}, "levels must be"),
        ("staged", {"stages": 1}, "stages must be at least 2, got 1"),
        ("staged", {"most_episodes": 5}, "most_episodes must be at least 100, got 5"),
        ("success_gated", {"easier_below": 0.9}, "easier_below must not exceed harder_above, got 0.9 and 0.75"),
        ("learning_progress", {"return_range": [3, 1]}, r"return_range must rise, got \(3.0, 1.0\)"),
        ("learning_progress", {"return_range": [3]}, "return_range must be"),
        ("learning_progress", {"most_components": 1}, "most_components must be at least 2, got 1"),
        ("learning_progress", {"neighbours": 10}, "neighbours must be at least 250, got 10"),
        ("prioritized", {"temperature": 0}, "temperature must be above 0, got 0"),
        ("prioritized", {"capacity": 8}, "capacity must be at least 64, got 8"),
    ],
)
def test_wrong_names_and_values_are_answered(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        curriculum_config(name, options)


def test_a_set_that_never_opens_is_refused() -> None:
    with pytest.raises(ValueError, match="'staged' ends with 2 of the 3 options of 'shape': raise stages"):
        make_curriculum("staged", SETTINGS, 0, {"stages": 2})
