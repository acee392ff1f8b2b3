"""A run put back from its checkpoint goes on bit for bit, whatever its worlds, agent and curriculum."""

import errno
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmrl_agents.learning.fitted_q_config import FittedQConfig
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.records.checkpoint import CheckpointError, load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.trainer import Trainer
from mmrl_envs.physics import gl, rendering
from tests.comparing import assert_same

# What the clock decides.
TIMES = {"seconds", "steps_per_second", "collect_seconds", "update_seconds", "wall_time_s"}
VARY = {"friction": [0.9, 0.2], "shape": ["square", "round"], "hole_x_m": [0, [-0.04, 0.04]]}
PEG = TrainConfig(
    env="mmrl/PegInsertion-v0",
    num_worlds=3,
    total_steps=480,
    sensors=("proprioception", "force_torque"),
    context={"force_torque_noise": 0.3, "start_z_m": 0.02},
    env_kwargs={"max_episode_steps": 7},  # so that episodes begin and end within and across rollouts
    ppo=PPOConfig(num_steps=8, minibatch_size=16, epochs=2),
    device="cpu",
)
SMALL = PPOConfig(num_steps=16, minibatch_size=16, epochs=1)
POLE = TrainConfig(env="CartPole-v1", num_worlds=2, total_steps=640, ppo=SMALL, device="cpu")
GAMES = replace(
    POLE, agent="reinforce", total_steps=10_000, reinforce=ReinforceConfig(games_per_batch=4, learning_rate=1e-3)
)
VALUES = replace(
    POLE,
    agent="fitted-q",
    ppo=PPOConfig(),
    fitted_q=FittedQConfig(random_steps=20, num_steps=16, iterations=2, epochs=3, fit="adam", remembered_actions=1),
)
TAUGHT = TrainConfig(
    env="mmrl/SlotCar-v0",
    recipe="fitted_q",
    num_worlds=2,
    total_steps=240,
    env_kwargs={"max_episode_steps": 7},
    fitted_q=FittedQConfig(
        random_steps=5, num_steps=6, iterations=2, epochs=3, remembered_actions=1, teaching_epochs=1
    ),
    device="cpu",
)


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def trainer(config: TrainConfig, folder: Path) -> Trainer:
    return Trainer(config, RunFolder.create(folder))


def state_of(run: Trainer) -> dict[str, Any]:
    """All that a checkpoint would hold, through a file."""
    run.save()
    return run.run.load("last")[1]


def under(name: str, **options: Any) -> TrainConfig:
    return replace(PEG, curriculum=name, vary=VARY, curriculum_options=options)


@pytest.mark.parametrize(
    "config",
    [
        PEG,
        replace(PEG, sensors=("camera", "proprioception"), context={}, num_worlds=2),
        under("success_gated", episodes=4, harder_above=0.0, easier_below=0.0),
        under("learning_progress", fit_every=6, neighbours=12, averaged=1, most_components=3),
        under("prioritized", warm_up=2, capacity=4),
        replace(under("staged", episodes=2, promote_above=None), agent="reinforce", reinforce=GAMES.reinforce),
        POLE,
        replace(POLE, env="Pendulum-v1", env_kwargs={"max_episode_steps": 21}),
        GAMES,
        VALUES,
        TAUGHT,
    ],
    ids=[
        "peg",
        "camera",
        "gated",
        "progress",
        "prioritized",
        "staged games",
        "pole",
        "pendulum",
        "games",
        "values",
        "values of encodings",
    ],
)
def test_a_restored_run_goes_on_bit_for_bit(config: TrainConfig, tmp_path: Path) -> None:
    if config.curriculum == "staged":
        config = replace(config, reinforce=replace(config.reinforce, games_per_batch=config.num_worlds * 2))
    whole, resumed = trainer(config, tmp_path / "a"), trainer(config, tmp_path / "b")
    with closing(whole.envs), closing(resumed.envs):
        whole.begin()
        for _ in range(2):
            whole.advance()
        whole.save()
        assert resumed.restore(*whole.run.load("last")) == ""
        for _ in range(3):
            whole.advance()
            resumed.advance()
        assert_same(state_of(whole), state_of(resumed), but=TIMES)
        assert len(whole.statistics.recent) > 0


def test_the_comparison_sees_a_difference(tmp_path: Path) -> None:
    """The same run, its worlds begun anew: nearly everything is another."""
    whole, resumed = trainer(POLE, tmp_path / "a"), trainer(POLE, tmp_path / "b")
    with closing(whole.envs), closing(resumed.envs):
        whole.begin()
        whole.advance()
        path, state = whole.save(), whole.run.load("last")[1]
        assert resumed.restore(path, {**state, "worlds": None}) == "CartPole-v1 cannot be put back as it was"
        whole.advance()
        resumed.advance()
        with pytest.raises(AssertionError, match="state/"):
            assert_same(state_of(whole), state_of(resumed), but=TIMES)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"num_worlds": 2}, "the run goes on with another num_worlds"),
        ({"curriculum": None, "vary": {}, "curriculum_options": {}}, "the run goes on with another curriculum, vary"),
        ({"context": {}, "env_kwargs": {"max_episode_steps": 9}}, "with another env_kwargs, context"),
    ],
)
def test_changed_worlds_begin_new_episodes(changes: dict[str, Any], reason: str, tmp_path: Path) -> None:
    config = under("success_gated", episodes=4)
    first, second = trainer(config, tmp_path / "a"), trainer(replace(config, **changes), tmp_path / "b")
    with closing(first.envs), closing(second.envs):
        first.begin()
        first.advance()
        first.save()
        assert reason in second.restore(*first.run.load("last"))
        for _ in range(3):
            second.advance()  # the curriculum expects nothing of the episodes that were given up
        assert second.updates == 4


def test_a_curriculum_may_come_later(tmp_path: Path) -> None:
    first, second = trainer(PEG, tmp_path / "a"), trainer(under("success_gated", episodes=4), tmp_path / "b")
    with closing(first.envs), closing(second.envs):
        first.begin()
        first.advance()
        first.save()
        assert "with another curriculum, vary" in second.restore(*first.run.load("last"))
        for _ in range(3):
            second.advance()
        assert second.metrics["curriculum/level"] >= 0


def test_what_could_not_be_written_is_not_the_best(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trainer(POLE, tmp_path)
    with closing(run.envs):
        run.begin()
        while not run.statistics.recent:
            run.advance()
        run.statistics.recent.extend(list(run.statistics.recent) * 60)
        run.metrics["mean_return"] = 10.0
        run.save()
        run.metrics["mean_return"] = 20.0

        def onto_a_full_disk(*arguments: Any, **options: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(run.run, "save", onto_a_full_disk)
            with pytest.raises(OSError, match="No space left"):
                run.save()
        run.metrics["mean_return"] = 15.0
        run.save()
        assert run.best_score == 15.0
        assert load_checkpoint(run.run.best_path)["best_score"] == 15.0


def test_a_curriculum_of_another_kind_is_refused(tmp_path: Path) -> None:
    first, second = trainer(under("uniform"), tmp_path / "a"), trainer(under("linear"), tmp_path / "b")
    with closing(first.envs), closing(second.envs):
        first.begin()
        first.advance()
        first.save()
        with pytest.raises(CheckpointError, match="saved curriculum has kind _UniformCurriculum, this one _Scheduled"):
            second.restore(*first.run.load("last"))


def test_the_best_under_a_curriculum_is_not_the_easiest(tmp_path: Path) -> None:
    run = trainer(under("uniform"), tmp_path)
    with closing(run.envs):
        run.begin()
        run.advance()
        run.statistics.recent.extend(list(run.statistics.recent) * 20)
        run.metrics |= {"success_rate": 1.0, "curriculum/mastered": 0.1}
        run.save()
        assert run.best_score == 0.1
        run.metrics |= {"success_rate": 0.7, "curriculum/mastered": 0.5}
        run.save()
        assert run.best_score == 0.5


def test_success_on_an_easy_level_ends_nothing(tmp_path: Path) -> None:
    config = replace(under("stepwise", levels=[0.0, 1.0], every_steps=240), stop_at_success=0.9)
    run = trainer(config, tmp_path)
    with closing(run.envs):
        run.begin()
        run.advance()
        run.statistics.recent.extend(list(run.statistics.recent) * 100)
        run.metrics["success_rate"] = 1.0
        assert run.reason_to_stop() is None
        run.curriculum.rule.set_step(240)  # type: ignore[union-attr]  # there is a curriculum
        assert run.reason_to_stop() == "success rate 100.0% reached 90.0%"


def test_seeds_do_not_depend_on_how_many_are_asked_for() -> None:
    from mmrl_agents.training.trainer import seeds

    assert seeds(7, 4)[:3] == seeds(7, 3)
    assert len(set(np.ravel([seeds([7, i], 3) for i in range(50)]))) == 150


def test_a_renderer_that_dies_is_replaced_and_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if gl.preferred() == "raycast":
        pytest.skip("no OpenGL platform to replace")
    seeing = replace(PEG, sensors=("camera", "proprioception"), context={"start_z_m": 0.02})

    def paint(*arguments: Any, **options: Any) -> None:
        raise OSError("the cable is cut")

    with closing(trainer(seeing, tmp_path / "run")) as run, closing(trainer(seeing, tmp_path / "other")) as again:
        run.begin()
        run.advance()
        assert run.metrics["renderer_failures"] == 0
        monkeypatch.setattr(rendering.OpenGLPainter, "paint", paint)
        run.advance()
        assert run.metrics["renderer_failures"] == 1
        run.advance()
        again.restore(tmp_path, state_of(run))
        monkeypatch.undo()
        again.advance()
        assert again.metrics["renderer_failures"] == 1
