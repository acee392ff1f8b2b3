import functools
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv, VectorEnv

from mmrl.modality import Modality, Unencoded
from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.games import Games
from tests.toys.games import Count, Lost
from tests.toys.groups import Groups


def _the(world: Count) -> Count:
    return world


def together(*worlds: Count) -> VectorEnv[Any, Any, Any]:
    return SyncVectorEnv([functools.partial(_the, world) for world in worlds], autoreset_mode=AutoresetMode.SAME_STEP)


def games_of(*worlds: Count, privileged_size: int = 0, seed: int = 0) -> Games:
    return games_in(together(*worlds), privileged_size, seed)


def games_in(envs: VectorEnv[Any, Any, Any], privileged_size: int = 0, seed: int = 0) -> Games:
    space = envs.single_action_space
    assert isinstance(space, spaces.Box | spaces.Discrete)
    torch.manual_seed(0)
    senses = modalities_of(envs.single_observation_space)
    of_critic = {"privileged": Modality("privileged", (privileged_size,), 20, Unencoded())} if privileged_size else {}
    policy = ActorCritic(senses, space, PolicyConfig(log_std_init=0.0), of_critic)
    return Games(envs, policy, EpisodeStatistics(), torch.Generator().manual_seed(seed))


def seen(games: Games) -> list[list[float]]:
    return [row.tolist() for _, samples in games.samples(7) for row in samples.observations["observation"]]


def test_a_game_that_was_lost_with_its_process_is_played_again() -> None:
    games = games_of(Lost((3, 5, 2)))
    games.start(seed=0)
    games.play(2)
    assert games.lengths.tolist() == [5, 2]
    assert games.statistics.count == 2
    assert [ended.episode is None for ended in games.ended] == [True, False, False]


def test_every_world_plays_the_same_number_of_games() -> None:
    short, long = Count((2,)), Count((5, 9))
    games = games_of(short, long)
    games.start(seed=0)
    games.play(4)
    # two games of 2 steps in the first world, while the second is at its first of 5 and 9
    assert games.lengths.tolist() == [2, 2, 5, 9]
    assert len(games) == 18
    assert seen(games)[:9] == [[g, t] for g, length in ((0, 2), (1, 2), (0, 5)) for t in range(length)]
    assert games.rewards.tolist()[:9] == [1, 2, 1, 2, 1, 2, 3, 4, 5]
    assert games.statistics.count == 4
    # sums of 1 + 2 and 1 + ... + 5 and 1 + ... + 9
    assert sorted(episode.total_reward for episode in games.statistics.recent) == [3, 3, 15, 45]
    assert sorted((episode.length, episode.success) for episode in games.statistics.recent) == [
        (2, False),
        (2, True),
        (5, False),
        (9, True),
    ]


def test_a_world_that_has_played_its_share_waits_unseen() -> None:
    short, long = Count((2,)), Count((7,))
    games = games_of(short, long)
    rows: list[int] = []
    act = games.policy.act

    def watched(obs: dict[str, torch.Tensor], **kwargs: Any) -> Any:
        rows.append(len(obs["observation"]))
        return act(obs, **kwargs)

    games.policy.act = watched  # type: ignore[assignment, method-assign]  # a spy
    games.start(seed=0)
    games.play(2)
    assert rows == [2, 2, 1, 1, 1, 1, 1]
    assert [action for _, _, action in short.taken[2:]] == [0.0] * 5
    assert games.statistics.count == 2


def test_every_batch_begins_with_new_games() -> None:
    short, long = Count((2, 2, 3)), Count((4,))
    games = games_of(short, long)
    games.start(seed=0)
    games.play(2)
    games.play(2)
    # The first world played game 0; while it waited, game 1 passed and game 2 began: the reset makes it game 3.
    assert seen(games)[:2] == [[3, 0], [3, 1]]
    assert games.lengths.tolist() == [2, 4]
    assert games.statistics.count == 4


def test_actions_are_kept_as_they_were_taken() -> None:
    worlds = Count((30,)), Count((40,))
    games = games_of(*worlds)
    games.start(seed=0)
    games.play(2)
    kept = torch.cat([samples.actions for _, samples in games.samples(16)])
    taken = [action for world, length in zip(worlds, (30, 40), strict=True) for _, _, action in world.taken[:length]]
    assert kept.tolist() == taken
    assert kept.dtype == torch.int64
    assert set(taken) == {0.0, 1.0}


def test_a_seed_repeats_the_games() -> None:
    def actions(seed: int) -> list[int]:
        games = games_of(Count((50,)), seed=seed)
        games.start(seed=0)
        games.play(1)
        return [int(step.action) for step in games.finished[0]]

    assert actions(3) == actions(3) != actions(4)


def test_groups_are_decided_for_in_turn_and_left_alone_when_they_are_done() -> None:
    worlds = [Count((2,)), Count((3,)), Count((9,)), Count((4,))]
    envs = Groups(together(*worlds[:2]), together(*worlds[2:]))
    games = games_in(envs, privileged_size=3)
    games.start(seed=0)
    games.play(8)
    assert games.lengths.tolist() == [2, 2, 3, 3, 9, 9, 4, 4]
    kept = torch.cat([samples.actions for _, samples in games.samples(99)]).tolist()
    played = [[action for _, _, action in world.taken] for world in worlds]
    # Two games of 3 steps keep the first group, two of 9 the second.
    assert [len(actions) for actions in played] == [6, 6, 18, 18]
    assert kept == [*played[0][:4], *played[1], *played[2], *played[3][:8]]
    assert played[0][4:] + played[3][8:] == [0.0] * 12
    in_turn = [("send", 0), ("send", 1)] + [(what, group) for group in (0, 1) for what in ("receive", "send")] * 5
    assert envs.log[: len(in_turn)] == in_turn
    assert envs.log[len(in_turn) + 3 :] == [("receive", 1), ("send", 1)] * 11 + [("receive", 1)]
    privileged = torch.cat([samples.observations["privileged"] for _, samples in games.samples(99)])
    lengths = (2, 3, 9, 4)
    assert privileged.tolist() == [[10.0 * g, t, 0.5] for n in lengths for g in range(2) for t in range(n)]
    assert sorted(end.world for end in games.ended if end.episode) == [0, 0, 1, 1, 2, 2, 3, 3]


def test_samples_come_in_parts_with_their_places() -> None:
    games = games_of(Count((5,)), Count((3,)), privileged_size=3)
    games.start(seed=0)
    games.play(4)
    places = [rows for rows, _ in games.samples(6)]
    assert places == [slice(0, 6), slice(6, 12), slice(12, 16)]
    privileged = torch.cat([samples.observations["privileged"] for _, samples in games.samples(6)])
    # games 0 and 1 of both worlds, at what was seen when the action was chosen
    expected = [[10.0 * g, t, 0.5] for length in (5, 3) for g in range(2) for t in range(length)]
    assert privileged.tolist() == expected


def test_continuous_actions_are_kept_whole_and_given_within_bounds() -> None:
    worlds = Count((60,), spaces.Box(-0.5, 0.5, (1,))), Count((9,), spaces.Box(-0.5, 0.5, (1,)))
    games = games_of(*worlds)
    games.start(seed=0)
    games.play(2)
    kept = torch.cat([samples.actions for _, samples in games.samples(99)])
    assert kept.shape == (69, 1)
    assert kept.abs().max() > 0.5  # of a standard deviation of 1
    assert max(abs(action) for _, _, action in worlds[0].taken) == 0.5


def test_games_that_cannot_be_played_are_refused() -> None:
    games = games_of(Count((2,)), Count((2,)))
    with pytest.raises(ValueError, match=r"options\['elapsed_steps'\] is not 0"):
        games.start(seed=0, options={"elapsed_steps": np.array([0, 1])})
    with pytest.raises(ValueError, match="which 3 in 2 worlds cannot be"):
        games.play(3)


def test_a_game_without_an_end_is_refused() -> None:
    games = games_of(Count((10,)), Count((10, 1000)))
    games.longest = 12
    games.start(seed=0)
    with pytest.raises(ValueError, match="the game of world 1 still goes on after 12 steps, and only whole games"):
        games.play(4)


def test_numbers_that_are_none_are_named() -> None:
    games = games_of(Count((2,)), Count((2,), broken=float("nan")))
    with pytest.raises(ValueError, match="the reward of world 1 is nan, not a finite number"):
        games.play(2)
    world = Count((2,))
    games = games_of(world)
    world._see = lambda: np.array([0.0, np.inf], np.float32)  # type: ignore[method-assign]  # a broken sensor
    with pytest.raises(ValueError, match="observation 'observation' has values that are not finite"):
        games.play(1)
    games = games_of(Count((2,), spaces.Box(-1, 1, (1,))))
    with torch.no_grad():
        games.policy.head.get_parameter("linear.bias").fill_(torch.nan)
    with pytest.raises(ValueError, match="actions that are not finite"):
        games.play(1)
