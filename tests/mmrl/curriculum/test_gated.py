"""Promotion and demotion: when, by how much, and which episodes count."""

import json

import numpy as np
import pytest

from mmrl.curriculum import Curriculum, EpisodeResult, make_curriculum

SETTINGS = {"depth": [0.0, 1.0]}


def report(curriculum: Curriculum, successes: list[bool]) -> float:
    """Play episodes one after another; returns the level after them."""
    for success in successes:
        (context,) = curriculum.sample([0])
        curriculum.finished(0, context, EpisodeResult(success, float(success)))
    return curriculum.metrics()["level"]


def part(successes: int, of: int = 128) -> list[bool]:
    return [i < successes for i in range(of)]


def test_success_gated_moves_by_the_steps_of_industreal() -> None:
    curriculum = make_curriculum("success_gated", SETTINGS, 0)
    # 97 of 128 are 75.8 %, 96 are 75 % exactly; 63 are 49.2 %, 64 are 50 % exactly: both bounds are exclusive.
    # Up by 5 mm of 20, down by 3 mm of 20, within [0, 1].
    expected = [(97, 0.25), (96, 0.25), (97, 0.5), (64, 0.5), (63, 0.35), (128, 0.6), (128, 0.85), (128, 1.0)]
    expected += [(128, 1.0), (0, 0.85), (100, 1.0)]
    for successes, level in expected:
        assert report(curriculum, part(successes)) == pytest.approx(level)
    for _ in range(9):
        level = report(curriculum, part(0))
    assert level == 0.0


def test_a_verdict_needs_all_its_episodes() -> None:
    curriculum = make_curriculum("success_gated", SETTINGS, 0, {"episodes": 4})
    assert report(curriculum, [True] * 3) == 0.0
    assert report(curriculum, [True]) == 0.25


def test_episodes_begun_at_another_level_do_not_count() -> None:
    curriculum = make_curriculum("success_gated", SETTINGS, 0, {"episodes": 4})
    contexts = curriculum.sample(range(8))
    for world in range(4):
        curriculum.finished(world, contexts[world], EpisodeResult(True, 1.0))
    assert curriculum.metrics()["level"] == 0.25
    for world in range(4, 8):
        curriculum.finished(world, contexts[world], EpisodeResult(True, 1.0))
    assert curriculum.metrics()["level"] == 0.25
    assert report(curriculum, [True] * 4) == 0.5


@pytest.mark.parametrize(
    ("name", "options"), [("success_gated", {"episodes": 128}), ("staged", {"episodes": 128, "promote_above": 0.75})]
)
def test_success_that_ends_an_episode_early_is_not_taken_for_more_of_it(name: str, options: dict[str, object]) -> None:
    """Each of 128 worlds succeeds in 60 % of its episodes, after 10 steps, and else fails after 100.

    The first 128 to finish are all successes. Of those begun first 60 % are, with a deviation of 4 %.
    """
    curriculum, generator, worlds = make_curriculum(name, SETTINGS, 0, options), np.random.default_rng(0), range(128)
    contexts = dict(zip(worlds, curriculum.sample(worlds), strict=True))
    success = dict.fromkeys(worlds, False)
    ends = dict.fromkeys(worlds, 0)
    for step in range(600):
        for world in worlds:
            if ends[world] == step:
                if step:
                    curriculum.finished(world, contexts[world], EpisodeResult(success[world], 0.0))
                    (contexts[world],) = curriculum.sample([world])
                success[world] = bool(generator.random() < 0.6)
                ends[world] = step + (10 if success[world] else 100)
    assert curriculum.metrics()["episodes"] > 500
    assert curriculum.metrics()["level"] == 0.0


@pytest.mark.parametrize("name", ["success_gated", "staged"])
def test_no_verdict_waits_for_what_comes_to_nothing(name: str) -> None:
    curriculum = make_curriculum(name, SETTINGS, 0, {"episodes": 2})
    taught_nothing, passed_over, played, given_up = curriculum.sample([1, 2, 2, 3])
    curriculum.finished(2, played, EpisodeResult(True, 1.0))
    assert passed_over == played == given_up  # the first level has one depth: the oldest draw is taken
    curriculum.finished(1, taught_nothing, None)
    curriculum.abandon()
    assert report(curriculum, [True]) > 0.0


@pytest.mark.parametrize("name", ["success_gated", "staged"])
def test_what_has_begun_is_waited_for_after_loading(name: str) -> None:
    def make() -> Curriculum:
        return make_curriculum(name, SETTINGS, 0, {"episodes": 2})

    whole, loaded = make(), make()
    first, second = whole.sample([0, 1])
    whole.finished(1, second, EpisodeResult(True, 1.0))
    loaded.load_state_dict(json.loads(json.dumps(whole.state_dict())))
    for curriculum in (whole, loaded):
        assert curriculum.metrics()["level"] == 0.0
        curriculum.finished(0, first, EpisodeResult(True, 1.0))
        assert curriculum.metrics()["level"] > 0.0


def test_the_state_of_an_older_run_is_read() -> None:
    curriculum = make_curriculum("success_gated", SETTINGS, 0, {"episodes": 2})
    state = curriculum.state_dict()
    state["own"] = {"level": 0.25, "moves": 1, "successes": [True]}
    state["open"] = [[0, [[{"depth": 0.25}, 1]]]]
    curriculum.load_state_dict(state)
    curriculum.finished(0, {"depth": 0.25}, EpisodeResult(True, 1.0))
    assert curriculum.metrics()["level"] == 0.25  # of the older run one success counts
    assert report(curriculum, [True]) == 0.5


def test_a_vocabulary_grows_by_its_next_harder_words_each_epoch() -> None:
    words = [f"word{i:02}" for i in range(20)]
    options = {"stages": 4, "first_options": 5, "more_options": 5, "promote_above": None, "episodes": 300}
    curriculum = make_curriculum("staged", {"word": words}, 0, options)
    sizes = []
    for _ in range(5):
        seen = set()
        for _ in range(300):
            (context,) = curriculum.sample([0])
            seen.add(str(context["word"]))
            curriculum.finished(0, context, EpisodeResult(None, 0.0))  # it asks for no success
        assert seen == set(words[: len(seen)])  # the easiest first, none left out
        sizes.append(len(seen))
    assert sizes == [5, 10, 15, 20, 20]


def test_stages_are_left_by_success() -> None:
    curriculum = make_curriculum("staged", SETTINGS, 0, {"stages": 3, "promote_above": 0.8, "episodes": 10})
    assert report(curriculum, [False] * 3 + [True] * 7) == 0.0  # 7 of the last 10
    assert report(curriculum, [True]) == 0.5  # 8 of the last 10
    assert report(curriculum, [True] * 9) == 0.5  # a new stage asks for 10 of its own
    assert report(curriculum, [True]) == 1.0
    assert report(curriculum, [False] * 50) == 1.0  # stages are never taken back


def test_a_stage_may_end_without_success() -> None:
    curriculum = make_curriculum("staged", SETTINGS, 0, {"stages": 2, "episodes": 5, "most_episodes": 12})
    assert report(curriculum, [False] * 11) == 0.0
    assert report(curriculum, [False]) == 1.0


def test_episodes_of_an_earlier_stage_do_not_promote() -> None:
    curriculum = make_curriculum("staged", SETTINGS, 0, {"stages": 3, "episodes": 2})
    contexts = curriculum.sample(range(4))
    for world in range(2):
        curriculum.finished(world, contexts[world], EpisodeResult(True, 1.0))
    assert curriculum.metrics()["level"] == 0.5
    for world in range(2, 4):
        curriculum.finished(world, contexts[world], EpisodeResult(True, 1.0))
    assert curriculum.metrics()["level"] == 0.5


def test_spread_of_the_sampling_based_curriculum() -> None:
    # IndustReal draws from the level to the hardest.
    curriculum = make_curriculum("success_gated", SETTINGS, 0, {"initial": 0.6, "spread": "harder"})
    depths = [float(context["depth"]) for context in curriculum.sample(range(500))]
    assert 0.6 <= min(depths) < 0.62
    assert 0.98 < max(depths) <= 1.0
    assert np.mean(depths) == pytest.approx(0.8, abs=0.03)  # deviation of the mean: 0.4 / sqrt(12 * 500) = 0.005
