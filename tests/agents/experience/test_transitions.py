"""Transitions as they are kept, and as they are collected: each leads to where its episode went on."""

import numpy as np
import pytest
import torch
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, SyncVectorEnv

from mmrl.modality import Modality, Unencoded
from mmrl.policy.config import PolicyConfig
from mmrl.policy.q_network import QNetwork, choices_of
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.q_states import StatesOfEncodings, StatesOfReadings, encodings
from mmrl_agents.experience.transition_collector import TransitionCollector
from mmrl_agents.experience.transitions import GrowingRows, Steps, Transitions
from tests.toys.games import Clock


def test_rows_are_added_without_end() -> None:
    rows = GrowingRows((2,), np.float32)
    for size in (3, 0, 2000, 5000):
        rows.add(np.full((size, 2), size))
    assert len(rows) == 7003
    assert rows.rows.dtype == np.float32
    assert rows.rows[[0, 2, 3, 2002, 2003, 7002], 0].tolist() == [3, 3, 2000, 2000, 5000, 5000]


def some() -> Transitions:
    transitions = Transitions({"pose": ((2,), np.float32)}, 3)
    numbers = transitions.add_states({"pose": np.arange(8).reshape(4, 2)}, np.eye(4, 3))
    transitions.add(Steps(numbers[:3], np.array([2, 0, 1]), np.array([0.5, 1.5, 2.5]), numbers[1:], np.eye(3)[2] > 0))
    return transitions


def test_states_are_found_by_their_numbers() -> None:
    columns, newest = some().states(np.array([3, 1]))
    assert columns["pose"].tolist() == [[6, 7], [2, 3]]
    assert newest.tolist() == [[0, 0, 0], [0, 1, 0]]


def test_what_is_saved_comes_back() -> None:
    other = Transitions({"pose": ((2,), np.float32)}, 3)
    other.load_state_dict(some().state_dict())
    for now, before in zip(other.steps, some().steps, strict=True):
        assert now.tolist() == before.tolist()
    assert other.states(np.arange(4))[0]["pose"].tolist() == some().states(np.arange(4))[0]["pose"].tolist()
    with pytest.raises(ValueError, match="the states on record have pose, not seen"):
        Transitions({"seen": ((2,), np.float32)}, 3).load_state_dict(some().state_dict())


def test_states_may_be_made_of_something_else_later() -> None:
    other = some().with_columns({"seen": np.arange(4.0)[:, None]})
    assert other.states(other.steps.after)[0]["seen"].tolist() == [[1], [2], [3]]
    assert other.states(np.array([1]))[1].tolist() == [[0, 1, 0]]


def collector(remembered: int = 0) -> TransitionCollector:
    envs = SyncVectorEnv([Clock, Clock], autoreset_mode=AutoresetMode.SAME_STEP)
    sense = {"observation": Modality("observation", (3,), 1, Unencoded())}
    config = PolicyConfig(fused_features=0, critic_hidden=(4,))
    network = QNetwork(sense, choices_of(spaces.Discrete(2), ()), config, remembered)
    generator = torch.Generator().manual_seed(0)
    made = TransitionCollector(envs, network, StatesOfReadings(network), EpisodeStatistics(), generator)
    made.start(seed=0)
    return made


def test_a_transition_leads_to_where_its_episode_went_on() -> None:
    collecting = collector()
    assert collecting.collect(7) == 14
    steps = collecting.transitions.steps
    before, after = (
        collecting.transitions.states(numbers)[0]["observation"].numpy() for numbers in (steps.before, steps.after)
    )
    assert before[:, 0].tolist() == [0, 1] * 7
    assert before[::2, 1:].tolist() == [[0, 0], [0, 1], [0, 2], [1, 0], [1, 1], [1, 2], [2, 0]]
    assert steps.reward[::2].tolist() == [1, 2, 3, 11, 12, 13, 21]
    assert steps.terminal[::2].tolist() == [False, False, True, False, False, False, False]
    # What was cut by a limit leads to its own last reading; where nothing follows, no state is meant.
    follows = ~steps.terminal
    assert np.array_equal(after[follows, 1], before[follows, 1])
    assert np.array_equal(after[follows, 2], before[follows, 2] + 1)


def test_episodes_are_counted() -> None:
    collecting = collector()
    collecting.collect(7)
    assert [(end.world, end.row) for end in collecting.ended] == [(0, 2), (1, 2), (0, 5), (1, 5)]
    assert [end.episode.total_reward for end in collecting.ended if end.episode] == [6, 6, 36, 36]
    collecting.collect(1)
    assert collecting.ended == []


def test_the_newest_choices_are_kept_and_forgotten_where_an_episode_begins() -> None:
    collecting = collector(remembered=1)
    collecting.collect(7)
    steps = collecting.transitions.steps
    (_, before), (_, after) = (collecting.transitions.states(numbers) for numbers in (steps.before, steps.after))
    follows = ~steps.terminal
    assert after.argmax(dim=1)[follows].tolist() == steps.choice[follows].tolist()
    first = np.arange(14) // 2 % 3 == 0
    assert before.sum(dim=1).tolist() == np.where(first, 0, 1).tolist()


def test_encodings_stand_for_readings() -> None:
    """After the change the same worlds go on, and what is kept is what the network sees."""
    collecting = collector()
    collecting.collect(2)
    network, transitions = collecting.network, collecting.transitions
    readings = {name: column.rows for name, column in transitions.columns.items()}
    collecting.change_states(StatesOfEncodings(network), encodings(network, readings, batch=3))
    collecting.collect(3)
    assert len(collecting.transitions) == 10
    columns, _ = collecting.transitions.states(collecting.transitions.steps.before)
    assert list(columns) == ["seen"]
    assert columns["seen"][::2, 2].tolist() == [0, 1, 2, 0, 1]  # the step, which nothing has rescaled yet


def test_readings_that_are_not_finite_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    collecting = collector()
    monkeypatch.setattr(Clock, "step", lambda self, action: (np.full(3, np.nan, np.float32), 0.0, False, False, {}))
    with pytest.raises(ValueError, match="observation 'observation' has 6 values that are not finite"):
        collecting.collect(1)
    monkeypatch.setattr(Clock, "step", lambda self, action: (np.zeros(3, np.float32), np.inf, False, False, {}))
    with pytest.raises(ValueError, match="the reward of world 0 is inf, not a finite number"):
        collector().collect(1)


def test_a_batch_that_no_memory_holds_is_refused() -> None:
    states = collector().states
    states.require_room(1000)
    with pytest.raises(ValueError, match=r"a batch of all 10,000,000,000,000 steps takes .* GiB of readings"):
        states.require_room(10**13)
