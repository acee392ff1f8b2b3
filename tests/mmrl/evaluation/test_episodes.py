"""Playing episodes: which of them count, what is cut, what is lost."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl.evaluation.episodes import blank, run_episodes
from mmrl.evaluation.rates import evaluate
from tests.toys.breaking import NotANumber
from tests.toys.coins import FAST, SLOW, Heads, Looker, coins, coins_drawn
from tests.toys.plain import EndlessUnlessOdd
from tests.toys.readings import Maskless


def test_every_world_counts_its_first_episodes_however_long_they_take() -> None:
    table = run_episodes(coins(5), Heads(), 8, seed=3)
    expected = np.array([coins_drawn(world, 8, seed=3) for world in range(5)]) > 0
    assert table.world.tolist() == np.repeat(np.arange(5), 8).tolist()
    assert table.index_in_world.tolist() == list(range(8)) * 5
    assert table.success_at_end.tolist() == expected.ravel().tolist()
    assert table.length.tolist() == np.where(expected, FAST, SLOW).ravel().tolist()
    # Reward 1 in every step of a right bet: FAST in all, 0 for a wrong one.
    assert table.episode_return.tolist() == np.where(expected, FAST, 0.0).ravel().tolist()


def test_success_rate_does_not_depend_on_the_number_of_worlds() -> None:
    few, many = (run_episodes(coins(worlds), Heads(), 6, seed=1) for worlds in (2, 6))
    assert few.success_at_end.tolist() == many.success_at_end[: len(few)].tolist()


def test_the_early_finish_bias_is_there_to_be_avoided() -> None:
    """Among the first 40 episodes to end over 40 worlds, quick successes are over-represented."""
    envs, first = coins(40), []
    observation, _ = envs.reset(seed=0)
    while len(first) < 40:
        step = envs.step(Heads().act(observation))
        observation, done, info = step[0], step[2] | step[3], step[4]
        first += info["final_info"]["is_success"][done].tolist() if done.any() else []
    fair = run_episodes(coins(40), Heads(), 1, seed=0).success_at_end
    assert np.mean(first[:40]) > np.mean(fair) + 0.1


def test_same_seed_gives_the_same_table_and_another_seed_another() -> None:
    envs = coins(3)
    one, again, other = (run_episodes(envs, Heads(), 10, seed=s) for s in (5, 5, 6))
    assert one.success_at_end.tolist() == again.success_at_end.tolist()
    assert one.success_at_end.tolist() != other.success_at_end.tolist()


def test_absent_sense_is_marked_and_zeroed_and_the_others_are_untouched() -> None:
    policy = Looker()
    table = run_episodes(coins(4), policy, 3, seed=2, absent=["eye"])
    assert all(not seen["eye"].any() for seen in policy.seen)
    assert any(seen["clock"].any() for seen in policy.seen)
    for mask in policy.masks:
        assert mask is not None
        assert mask["eye"].tolist() == [False] * 4
        assert mask["clock"].tolist() == [True] * 4
    heads = np.array([coins_drawn(world, 3, seed=2) for world in range(4)]) > 0
    assert table.success_at_end.tolist() == heads.ravel().tolist()


def test_blank_leaves_the_given_arrays_alone() -> None:
    given_arrays = {"camera": np.full((2, 4, 4, 3), 9, np.uint8), "touch": np.ones((2, 5))}
    blanked, present = blank(given_arrays, ["camera"])
    assert given_arrays["camera"].all()
    assert not blanked["camera"].any()
    assert blanked["camera"].dtype == np.uint8
    assert blanked["touch"] is given_arrays["touch"]
    assert present is not None
    assert blank(given_arrays, [])[1] is None


def test_a_policy_with_memory_learns_which_worlds_start_anew() -> None:
    class Counter(Heads):
        steps = np.zeros(4)

        def act(self, observation: Any, present: Any = None) -> NDArray[Any]:
            assert self.steps.tolist() == observation["clock"][:, 0].tolist()
            self.steps += 1
            return super().act(observation)

        def reset(self, worlds: NDArray[np.int64]) -> None:
            self.steps[worlds] = 0

    run_episodes(coins(4), Counter(), 5, seed=9)


def test_final_info_without_masks_and_a_bare_observation() -> None:
    class Still:
        def act(self, observation: Any, present: Any = None) -> NDArray[Any]:
            assert list(observation) == ["observation"]
            return np.zeros((2, 1))

        def reset(self, worlds: Any) -> None:
            """Nothing is carried between steps."""

    table = run_episodes(Maskless(), Still(), 2, seed=0)
    assert table.length.tolist() == [2, 2, 3, 3]
    assert table.success_at_end.tolist() == [True, True, False, False]
    assert table.judged.all()


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED])
def test_other_autoreset_modes_are_refused(mode: AutoresetMode) -> None:
    with pytest.raises(ValueError, match="SAME_STEP"):
        run_episodes(coins(2, mode), Heads(), 1, seed=0)


@settings(max_examples=15, deadline=None)
@given(worlds=st.integers(1, 5), episodes=st.integers(1, 4), seed=st.integers(0, 99))
def test_exactly_so_many_episodes_per_world(worlds: int, episodes: int, seed: int) -> None:
    table = run_episodes(coins(worlds), Heads(), episodes, seed)
    assert np.bincount(table.world).tolist() == [episodes] * worlds
    assert set(table.length.tolist()) <= {FAST, SLOW}


class Still:
    """Does nothing, and knows which worlds began anew."""

    def __init__(self) -> None:
        self.resets: list[list[int]] = []

    def act(self, observation: Mapping[str, NDArray[Any]], present: Any = None) -> NDArray[Any]:
        return np.zeros_like(observation["observation"])

    def reset(self, worlds: NDArray[np.int64]) -> None:
        self.resets.append(worlds.tolist())


def test_an_episode_that_never_ends_is_cut_and_counted() -> None:
    envs = SyncVectorEnv([EndlessUnlessOdd] * 2, autoreset_mode=AutoresetMode.SAME_STEP)
    policy = Still()
    table = run_episodes(envs, policy, 1, seed=0, longest=5)
    assert table.length.tolist() == [5, 3]
    assert table.episode_return.tolist() == [5, 3]
    assert table.cut.tolist() == [True, False]
    assert table.success_at_end.tolist() == [True, False]  # as the info of the step says at which it was cut
    assert policy.resets == [[0, 1], [1], [0]]
    assert [env.unwrapped.begun for env in envs.envs] == [2, 2]  # type: ignore[attr-defined]
    assert evaluate(envs, Still, 2, seed=0, longest=5).rows[0].to_json()["cut_episodes"] == 1


class Echo(Looker):
    """Acts as the tip says."""

    def act(self, observation: dict[str, NDArray[Any]], present: Any = None) -> NDArray[Any]:
        self.seen.append(observation)
        return observation["tip"]


def test_an_episode_with_a_number_that_is_none_is_lost_and_reported() -> None:
    envs = SyncVectorEnv([NotANumber] * 3, autoreset_mode=AutoresetMode.SAME_STEP)
    policy = Echo()
    table = run_episodes(envs, policy, 1, seed=0)
    assert table.not_finite.tolist() == [True, True, False]
    assert table.success_at_end.tolist() == table.success_once.tolist() == [False, False, True]
    assert table.judged.all()
    assert table.episode_return.tolist() == [2, 1, 4]  # the rewards before the number
    assert [seen["tip"].ravel().tolist() for seen in policy.seen] == [[0, 0, 0]] * 4
    assert [seen["eye"].max(axis=(1, 2, 3)).tolist() for seen in policy.seen][2] == [0, 7, 7]
    row = evaluate(envs, Echo, 3, seed=0).rows[0].to_json()
    assert row["not_finite_episodes"] == 2
    json.dumps(row, allow_nan=False)


def test_a_policy_that_gives_no_numbers_is_refused() -> None:
    class Lost(Still):
        def act(self, observation: Mapping[str, NDArray[Any]], present: Any = None) -> NDArray[Any]:
            return np.full_like(observation["observation"], np.nan)

    envs = SyncVectorEnv([EndlessUnlessOdd], autoreset_mode=AutoresetMode.SAME_STEP)
    with pytest.raises(ValueError, match="the policy gives actions that are not finite, its weights are lost"):
        run_episodes(envs, Lost(), 1, seed=1)
