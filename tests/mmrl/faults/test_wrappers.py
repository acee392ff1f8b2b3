"""Broken senses: what is seen instead, and that nothing else changes."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode, SyncVectorEnv
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mmrl.faults import (
    Absent,
    BrokenSenses,
    BrokenVectorSenses,
    Delayed,
    Fault,
    Frozen,
    Noisy,
    Replayed,
    Swapped,
    Zeros,
)
from tests.toys.readings import Drift

SAME_STEP, NEXT_STEP, DISABLED = AutoresetMode.SAME_STEP, AutoresetMode.NEXT_STEP, AutoresetMode.DISABLED


FAULTS: Mapping[str, Fault] = {
    "zeros": Zeros(),
    "absent": Absent(),
    "frozen": Frozen(),
    "frozen later": Frozen(2),
    "noisy": Noisy(30.0),
    "delayed": Delayed(2),
    "swapped": Swapped(),
    "replayed": Replayed(np.full((3, 2, 2, 1), 7, np.uint8)),
}


def drifts(count: int, mode: AutoresetMode = SAME_STEP) -> Any:
    return SyncVectorEnv([Drift] * count, autoreset_mode=mode)


Log = list[dict[str, Any]]


def play(envs: Any, seed: int, steps: int = 14) -> Log:
    """Every step under the same actions, the first entry from reset; "last" has observations that ended an episode."""
    rng = np.random.default_rng(seed)
    observation, info = envs.reset(seed=seed)
    log: Log = [{"seen": observation, "last": {}, "reward": None, "done": np.zeros(envs.num_envs, bool), "info": info}]
    for _ in range(steps):
        actions = rng.uniform(-1, 1, (envs.num_envs, 1)).astype(np.float32)
        observation, reward, terminated, truncated, info = envs.step(actions)
        done = terminated | truncated
        last = {i: info["final_obs"][i] for i in np.flatnonzero(done)} if "final_obs" in info else {}
        log.append({"seen": observation, "last": last, "reward": reward, "done": done, "info": info})
    return log


def episodes(log: Log, sense: str, world: int) -> list[list[NDArray[Any]]]:
    """Readings of one sense of one world, episode by episode, the last observation of each among them (SAME_STEP)."""
    played: list[list[NDArray[Any]]] = [[log[0]["seen"][sense][world]]]
    for entry in log[1:]:
        if entry["done"][world]:
            played[-1].append(entry["last"][world][sense])
            played.append([])
        played[-1].append(entry["seen"][sense][world])
    return played


def zip_episodes(sense: str, fault: Fault, worlds: int = 3, seed: int = 4) -> Any:
    """Pairs (true, seen) of episodes of world 0."""
    truth, broken = play(drifts(worlds), seed), play(BrokenVectorSenses(drifts(worlds), {sense: fault}), seed)
    return zip(episodes(truth, sense, 0), episodes(broken, sense, 0), strict=True)


@given(fault=st.sampled_from(sorted(FAULTS)), seed=st.integers(0, 99), worlds=st.integers(2, 4))
def test_nothing_but_the_broken_sense_changes(fault: str, seed: int, worlds: int) -> None:
    truth = play(drifts(worlds), seed)
    broken = play(BrokenVectorSenses(drifts(worlds), {"eye": FAULTS[fault]}), seed)
    for true, seen in zip(truth, broken, strict=True):
        assert np.array_equal(true["reward"], seen["reward"])
        assert np.array_equal(true["done"], seen["done"])
        assert np.array_equal(true["info"]["place"], seen["info"]["place"])
        for one, other in [(true["seen"], seen["seen"]), *((true["last"][i], seen["last"][i]) for i in true["last"])]:
            assert np.array_equal(one["where"], other["where"])
            assert np.array_equal(one["inner"]["gauge"], other["inner"]["gauge"])
            assert other["eye"].dtype == np.uint8
            assert other["eye"].shape == one["eye"].shape


@given(fault=st.sampled_from(sorted(FAULTS)), seed=st.integers(0, 99))
def test_same_seed_gives_the_same_readings_and_every_one_lies_in_its_space(fault: str, seed: int) -> None:
    envs = BrokenVectorSenses(drifts(2), {"eye": FAULTS[fault]})
    first, again = play(envs, seed), play(envs, seed)
    for one, other in zip(first, again, strict=True):
        assert np.array_equal(one["seen"]["eye"], other["seen"]["eye"])
        assert envs.observation_space.contains(one["seen"])
        for world, last in one["last"].items():
            assert np.array_equal(last["eye"], other["last"][world]["eye"])
            assert envs.single_observation_space.contains(last)


@given(fault=st.sampled_from(sorted({*FAULTS} - {"swapped"})), seed=st.integers(0, 99))
def test_a_single_world_is_world_0_of_many(fault: str, seed: int) -> None:
    """A lone world has no other to swap with, so that fault is out."""
    log = play(BrokenVectorSenses(drifts(3), {"eye": FAULTS[fault]}), seed)
    env, rng = BrokenSenses(Drift(), {"eye": FAULTS[fault]}), np.random.default_rng(seed)
    observation, _ = env.reset(seed=seed)
    for entry in log[1:]:
        action = rng.uniform(-1, 1, (3, 1)).astype(np.float32)[0]
        observation, reward, terminated, truncated, _ = env.step(action)
        assert reward == entry["reward"][0]
        if terminated or truncated:
            assert np.array_equal(observation["eye"], entry["last"][0]["eye"])
            observation, _ = env.reset()
        assert np.array_equal(observation["eye"], entry["seen"]["eye"][0])


def test_zeros_are_zeros_or_the_nearest_the_space_admits() -> None:
    envs = BrokenVectorSenses(drifts(2), {"eye": Zeros(), "inner.gauge": Zeros()})
    for entry in play(envs, 0):
        assert not entry["seen"]["eye"].any()
        assert (entry["seen"]["inner"]["gauge"] == 1).all()  # the gauge reads 1 to 3


def test_frozen_keeps_the_reading_of_the_stated_step_within_each_episode() -> None:
    for after in (0, 1, 3):
        for true, seen in zip_episodes("where", Frozen(after)):
            expected = [true[min(step, after)] for step in range(len(true))]
            assert np.array_equal(seen, expected)


def test_delayed_readings_never_reach_back_into_the_episode_before() -> None:
    for steps in (1, 2, 9):
        for true, seen in zip_episodes("where", Delayed(steps)):
            expected = [true[max(step - steps, 0)] for step in range(len(true))]
            assert np.array_equal(seen, expected)


def test_replayed_starts_with_every_episode_and_holds_its_last_reading() -> None:
    recording = np.arange(6, dtype=np.float32).reshape(3, 2)
    for true, seen in zip_episodes("where", Replayed(recording)):
        assert np.array_equal(seen, [recording[min(step, 2)] for step in range(len(true))])


def test_swapped_shows_what_another_world_observes_at_that_moment() -> None:
    truth, seen = play(drifts(3), 7), play(BrokenVectorSenses(drifts(3), {"where": Swapped(2)}), 7)
    ended_together = 0
    for true, broken in zip(truth, seen, strict=True):
        # World i looks through world (i + 2) mod 3; a world that just ended still shows its last observation there.
        now = true["seen"]["where"].copy()
        for world, last in true["last"].items():
            now[world] = last["where"]
        for world in range(3):
            source = (world + 2) % 3
            if world in broken["last"]:
                ended_together += source in broken["last"]
                assert np.array_equal(broken["last"][world]["where"], now[source])
                assert np.array_equal(broken["seen"]["where"][world], true["seen"]["where"][source])
            else:
                assert np.array_equal(broken["seen"]["where"][world], now[source])
    assert ended_together


def test_noise_has_the_stated_deviation_and_knows_neither_other_worlds_nor_other_senses() -> None:
    std = (2.0, 0.5)
    errors = []
    for true, seen in zip_episodes("where", Noisy(std)):
        errors += [a - b for a, b in zip(seen, true, strict=True)]
    more = {"where": Noisy(std), "eye": Noisy(9.0)}
    alone = episodes(play(BrokenVectorSenses(drifts(1), {"where": Noisy(std)}), 4, steps=3), "where", 0)
    among = episodes(play(BrokenVectorSenses(drifts(1), more), 4, steps=3), "where", 0)
    assert np.array_equal(np.concatenate(alone), np.concatenate(among))

    class Still(Drift):
        def step(self, action: Any) -> Any:
            return self.look(), 0.0, False, False, {}

    env = BrokenSenses(Still(), {"where": Noisy(std)})
    env.reset(seed=0)
    readings = np.array([env.step(None)[0]["where"] for _ in range(4000)])
    # The deviation of 4,000 normal values is known to 1 / sqrt(8000) = 1.1 %; 5 % are four and a half of those.
    assert readings.std(axis=0) == pytest.approx(std, rel=0.05)
    assert len(errors) > 10
    assert np.std(errors, axis=0)[0] > np.std(errors, axis=0)[1]


def test_noise_on_pixels_is_in_grey_levels_rounded_and_clipped() -> None:
    for true, seen in zip_episodes("eye", Noisy(0.1)):  # never half a grey level off: five deviations
        assert np.array_equal(true, seen)
    values = [frame for _, seen in zip_episodes("eye", Noisy(300.0)) for frame in seen]
    assert {0, 255} <= set(np.unique(values).tolist())


def test_absent_senses_are_reported() -> None:
    envs = BrokenVectorSenses(drifts(2), {"eye": Absent(), "where": Zeros()})
    _, info = envs.reset(seed=0)
    presence = {name: info["present"][name].tolist() for name in ("where", "eye", "inner.gauge")}
    assert presence == {"where": [True] * 2, "eye": [False] * 2, "inner.gauge": [True] * 2}
    _, info = BrokenSenses(Drift(), {"eye": Absent()}).reset(seed=0)
    assert info["present"] == {"where": True, "eye": False, "inner.gauge": True}
    assert "present" not in BrokenSenses(Drift(), {"eye": Zeros()}).reset(seed=0)[1]


def test_worlds_that_reset_in_the_next_step_begin_their_episodes_there() -> None:
    truth = play(drifts(3, NEXT_STEP), 4)
    broken = play(BrokenVectorSenses(drifts(3, NEXT_STEP), {"where": Frozen()}), 4)
    begun = truth[0]["seen"]["where"].copy()
    assert sum(entry["done"].sum() for entry in truth) > 3
    for before, true, seen in zip(truth, truth[1:], broken[1:], strict=False):
        fresh = before["done"]
        begun[fresh] = true["seen"]["where"][fresh]
        assert np.array_equal(seen["seen"]["where"], begun)


def test_only_the_worlds_of_a_reset_mask_begin_again() -> None:
    plain, envs = drifts(2, DISABLED), BrokenVectorSenses(drifts(2, DISABLED), {"where": Frozen()})
    first, _ = plain.reset(seed=0)
    assert np.array_equal(envs.reset(seed=0)[0]["where"], first["where"])
    for worlds in (plain, envs):
        worlds.step(np.ones((2, 1), np.float32))
    mask = np.array([False, True])
    (true, _), (seen, _) = (worlds.reset(options={"reset_mask": mask.copy()}) for worlds in (plain, envs))
    assert np.array_equal(seen["where"][0], first["where"][0])
    assert np.array_equal(seen["where"][1], true["where"][1])
    assert not np.array_equal(true["where"][1], first["where"][1])


def test_an_observation_that_is_no_dict_is_the_only_sense() -> None:
    env = BrokenSenses(gym.make("CartPole-v1"), {"observation": Zeros()})
    assert env.reset(seed=0)[0].tolist() == [0, 0, 0, 0]
    assert env.step(1)[0].tolist() == [0, 0, 0, 0]


def test_seeds_may_be_given_world_by_world() -> None:
    envs = BrokenVectorSenses(drifts(2), {"where": Noisy(1.0)})
    one, two, other = (envs.reset(seed=seeds)[0]["where"] for seeds in ([3, 4], [3, 4], [3, 5]))
    assert np.array_equal(one, two)
    assert not np.array_equal(one, other)


def test_what_cannot_be_broken_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"no sense 'nose'; there are: eye, inner\.gauge, where"):
        BrokenSenses(Drift(), {"nose": Zeros()})
    with pytest.raises(ValueError, match=r"sense 'eye': Swapped\.offset 1 gives each of 1 worlds its own readings"):
        BrokenSenses(Drift(), {"eye": Swapped()})
    with pytest.raises(ValueError, match=r"sense 'where': Noisy\.std has 3 values, a reading of shape .2,. 2"):
        BrokenVectorSenses(drifts(2), {"where": Noisy((1, 2, 3))})
    with pytest.raises(ValueError, match=r"Replayed.recording must have shape .L, 2. with L >= 1, got .0, 2."):
        BrokenSenses(Drift(), {"where": Replayed(np.zeros((0, 2)))})
    with pytest.raises(ValueError, match="only a Box"):
        BrokenSenses(gym.make("FrozenLake-v1"), {"observation": Zeros()})
    for bad in (lambda: Frozen(-1), lambda: Delayed(0), lambda: Noisy(-0.1), lambda: Swapped(0), lambda: Delayed(1.5)):
        with pytest.raises(ValueError, match="got"):
            bad()
