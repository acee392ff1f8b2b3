"""Figures of the episodes under way, by hand."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

from mmrl.evaluation.figures import Figure, OverEpisode
from mmrl_envs.episodes import RunningEpisodes, RunningFigures
from mmrl_envs.task import Outcome
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.vector_env import RobotVectorEnv

FIGURES: dict[str, OverEpisode] = {"speed": "mean", "lowest": "max", "way": "sum", "place": "last"}


def step(figures: RunningFigures, value: tuple[float, float], valid: tuple[bool, bool] = (True, True)) -> None:
    figures.add({name: np.array(value) for name in FIGURES}, np.array(valid))


def rows(figures: RunningFigures) -> dict[str, list[float]]:
    return {name: values.tolist() for name, values in figures.present().items()}


def test_steps_come_together_as_declared_and_broken_ones_count_nowhere() -> None:
    figures = RunningFigures(FIGURES, 2)
    figures.begin(np.arange(2), {"place": np.array([7.0, 8.0])})
    assert rows(figures) == {"speed": [0, 0], "lowest": [0, 0], "way": [0, 0], "place": [7, 8]}
    step(figures, (-3.0, 1.0))
    step(figures, (-1.0, 5.0), (True, False))
    # world 0: mean of -3 and -1, the larger, their sum, the last; world 1 has the first step alone
    assert rows(figures) == {"speed": [-2, 1], "lowest": [-1, 1], "way": [-4, 1], "place": [-1, 1]}
    figures.begin(np.array([0]), {})
    assert rows(figures) == {"speed": [0, 1], "lowest": [0, 1], "way": [0, 1], "place": [0, 1]}


def test_figures_go_on_from_a_state_and_from_that_of_older_runs() -> None:
    figures, fresh = RunningFigures(FIGURES, 2), RunningFigures(FIGURES, 2)
    figures.begin(np.arange(2), {})
    step(figures, (2.0, 4.0))
    fresh.load_state_dict(figures.state_dict())
    step(figures, (1.0, 1.0))
    step(fresh, (1.0, 1.0))
    assert rows(figures) == rows(fresh)
    fresh.load_peak_and_mean({"peak": np.array([9.0, 8.0]), "sum": np.array([6.0, 4.0]), "count": np.array([3, 2])})
    fresh_rows = rows(fresh)
    assert (fresh_rows["lowest"], fresh_rows["speed"]) == ([9, 8], [2, 2])


def test_a_declared_figure_that_is_not_reported_is_named() -> None:
    with pytest.raises(ValueError, match=r"an outcome must give \['lowest', 'place', 'speed', 'way'\], got \['way'\]"):
        RunningFigures(FIGURES, 1).add({"way": np.zeros(1)}, np.ones(1, bool))


def test_two_figures_of_one_name_are_refused() -> None:
    with pytest.raises(ValueError, match=r"names of figures must differ, got \['way', 'way'\]"):
        RunningEpisodes(1, (Figure("way"), Figure("way")))


class Hasty(PegInsertion):
    """Peg insertion that is over, by its own rule, in world 1 after two steps."""

    steps = 0

    def assess(self) -> Outcome:
        self.steps += 1
        return replace(super().assess(), ended=np.array([False, self.steps == 2]))


def test_a_task_may_end_an_episode() -> None:
    envs = RobotVectorEnv(Hasty(), 2, sensors=("proprioception",))
    envs.reset(seed=0)
    down = np.tile(np.array([0, 0, -1], np.float32), (2, 1))
    _, _, terminated, _, _ = envs.step(down)
    assert not terminated.any()
    _, reward, terminated, truncated, info = envs.step(down)
    assert terminated.tolist() == [False, True]
    assert not truncated.any()
    assert reward[1] > 0
    assert not info["final_info"]["physics_error"].any()


def test_the_figures_of_a_task_are_those_of_its_environments() -> None:
    envs, env = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1), gym.make("mmrl/PegInsertion-v0")
    names = [figure.name for figure in PegInsertion.figures]
    assert [figure.name for figure in envs.unwrapped.figures] == names  # type: ignore[attr-defined]  # ours
    assert [figure.name for figure in env.unwrapped.figures] == names  # type: ignore[attr-defined]  # ours
