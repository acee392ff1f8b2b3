"""Infos that hold anything, and environments that keep one array and one dict for all steps."""

from functools import partial
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
from gymnasium.vector import AutoresetMode

from mmrl.evaluation.figures import figures_of
from mmrl_agents.experience.episodes import episode_from
from mmrl_agents.worlds.infos import ReadableInfo, readable
from mmrl_agents.worlds.making import make_envs
from mmrl_agents.worlds.side_by_side import SideBySide
from tests.toys import readings
from tests.toys.coins import COIN_FIGURES
from tests.toys.plain import Plain

COUNTER = f"{readings.__name__}:Counter"


@pytest.mark.parametrize("workers", [0, 1])
def test_the_last_step_of_an_episode_outlives_the_reset(workers: int) -> None:
    envs = make_envs(COUNTER, 2, {}, workers=workers)
    first, _ = envs.reset(seed=0)
    for _ in range(5):
        observation, _, _, over, info = envs.step(np.zeros(2, np.int64))
    assert over.all()
    assert first["observation"].tolist() == observation["observation"].tolist() == [[0], [0]]
    assert [last["observation"].tolist() for last in info["final_obs"]] == [[5], [5]]
    assert info["final_info"]["is_success"].tolist() == [True, True]
    assert info["is_success"].tolist() == [False, False]
    envs.close()


def last_infos(*info: dict[str, Any]) -> dict[str, Any]:
    makers = [partial(ReadableInfo, Plain(info=info)) for info in info]
    envs = SideBySide(makers, autoreset_mode=AutoresetMode.SAME_STEP)
    envs.reset(seed=0)
    final: dict[str, Any] = envs.step(np.zeros(len(info), np.int64))[4]["final_info"]
    return final


def test_worlds_may_tell_different_things() -> None:
    final = last_infos(
        {"contacts": np.ones((3, 3)), "score": 1, "why": "won", "is_success": np.array([True])},
        {"contacts": np.ones((1, 3)), "score": 0.5, "why": 7, "is_success": torch.tensor([0.0])},
        {"contacts": None, "score": "none", "simulation": object(), "_mask": 1, "final_obs": 2},
    )
    assert set(final) == {"score", "_score", "why", "_why", "is_success", "_is_success"}
    assert final["score"].tolist() == [1, 0.5, "none"]
    assert final["why"].tolist() == ["won", 7, None]
    assert [episode_from(final, world, 0.0, 1).success for world in range(3)] == [True, False, None]


@pytest.mark.parametrize("success", [np.array([True, False]), np.nan, "yes", None, [True], np.array([])])
def test_what_is_no_number_says_nothing_of_success(success: Any) -> None:
    assert readable({"is_success": success}) == {}


def test_numbers_become_plain_and_a_context_stays() -> None:
    info = {"swing_mm": np.float32([2.5]), "context": {"mass": np.float64(2), "shape": "round", "mesh": object()}}
    assert readable(info) == {"swing_mm": 2.5, "context": {"mass": 2.0, "shape": "round"}}


@pytest.mark.parametrize("value", [np.nan, "far", None, np.ones(3)])
def test_a_declared_figure_that_is_no_number_says_nothing(value: Any) -> None:
    assert readable({"swing_mm": value}, COIN_FIGURES) == {}
    assert readable({"swing_mm": True}, COIN_FIGURES) == {"swing_mm": 1.0}


@pytest.mark.parametrize("workers", [0, 1])
def test_worlds_of_other_packages_hand_on_what_they_declare(workers: int) -> None:
    envs = make_envs(f"{readings.__name__}:Swinging", 2, {}, workers=workers)
    assert figures_of(envs) == COIN_FIGURES[:1]
    envs.reset(seed=0)
    assert envs.step(np.zeros(2, np.int64))[4]["swing_mm"].tolist() == [1.0, 1.0]
    envs.close()


@pytest.mark.parametrize("name", ["Counter", "Drawing"])
def test_worlds_that_declare_no_figures_have_none(name: str) -> None:
    envs = make_envs(f"{readings.__name__}:{name}", 1, {})
    assert figures_of(envs) == ()
    envs.close()


def test_a_wrapper_round_a_task_hands_its_figures_on() -> None:
    envs = make_envs(f"{__name__}:wrapped_peg", 1, {})
    assert [figure.name for figure in figures_of(envs)] == ["peak_force_n", "mean_force_n", "depth_m"]
    envs.close()


def wrapped_peg() -> gym.Env[Any, Any]:
    return gym.wrappers.TimeAwareObservation(gym.make("mmrl/PegInsertion-v0", sensors=("proprioception",)))


def test_an_info_that_is_no_dict_is_named() -> None:
    with pytest.raises(ValueError, match="the info of an environment must be a dict, got float"):
        readable(0.5)
