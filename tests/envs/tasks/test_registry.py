"""Tasks by id, from wherever they come."""

import sys
from collections.abc import Iterator
from pathlib import Path

import gymnasium as gym
import pytest

import mmrl_envs
from mmrl.settings.offers import PackageUnusable
from mmrl_envs.tasks import registry
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.tasks.registry import register_task, registrations, task_arguments

PEG = "mmrl_envs.tasks.peg.insertion:PegInsertion"


@pytest.fixture(autouse=True)
def _restored(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(registry, "_registered", dict(registry._registered))
    before = dict(gym.registry)
    yield
    gym.registry.clear()
    gym.registry.update(before)


def offer(monkeypatch: pytest.MonkeyPatch, folder: Path, source: str) -> None:
    """A package on the path, with an entry point, as an installation leaves it."""
    (folder / "somebodys_tasks.py").write_text(source)
    metadata = folder / "somebodys-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[mmrl.tasks]\ntheirs = somebodys_tasks\n")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delitem(sys.modules, "somebodys_tasks", raising=False)


def test_a_task_of_another_package_is_listed_and_made(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    source = f"""
from mmrl_envs import register_task
register_task("theirs/Peg-v0", "{PEG}", max_episode_steps=7, help="A peg of theirs.", recipes={{"": {{"seed": 3}}}},
              action="xyz_yaw", sensors=("proprioception",))
"""
    offer(monkeypatch, tmp_path, source)
    assert "theirs/Peg-v0" in mmrl_envs.task_ids()
    theirs = registrations()["theirs/Peg-v0"]
    assert (theirs.help, theirs.recipes) == ("A peg of theirs.", {"": {"seed": 3}})
    env = gym.make("theirs/Peg-v0", reward="sparse")
    assert env.action_space.shape == (4,)
    assert env.spec is not None
    assert env.spec.max_episode_steps == 7
    assert list(env.unwrapped.modalities) == ["proprioception"]  # type: ignore[attr-defined]  # ours


def test_a_package_that_cannot_be_imported_is_named_and_hides_no_other(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    offer(monkeypatch, tmp_path, "raise RuntimeError('no licence')")
    message = "'theirs' of .* mmrl.tasks cannot be imported from 'somebodys_tasks': RuntimeError: no licence"
    with pytest.warns(PackageUnusable, match=message):
        assert "mmrl/PegInsertion-v0" in mmrl_envs.task_ids()


def test_an_id_is_one_task_and_the_same_again_is_no_other() -> None:
    for _ in range(2):
        register_task("test-registry/Peg-v0", PEG, max_episode_steps=5)
    taken = "the id 'test-registry/Peg-v0' is taken by another registration: "
    with pytest.raises(ValueError, match=f"{taken}task '{PEG}' became '{PEG}Other'"):
        register_task("test-registry/Peg-v0", f"{PEG}Other", max_episode_steps=5)
    with pytest.raises(
        ValueError, match=f"{taken}max_episode_steps 5 became 6, kwargs {{}} became {{'control_hz': 10}}"
    ):
        register_task("test-registry/Peg-v0", PEG, max_episode_steps=6, control_hz=10)
    with pytest.raises(ValueError, match="the id 'CartPole-v1' is taken by an environment of Gymnasium"):
        register_task("CartPole-v1", PEG, max_episode_steps=5)
    with pytest.raises(ValueError, match="must be written \"module:name\", got 'PegInsertion'"):
        register_task("test-registry/Other-v0", "PegInsertion", max_episode_steps=5)


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (f"{PEG}Other", r"the task '.*:PegInsertionOther' must be a class or a function of .*insertion, got None"),
        ("mmrl_envs.task:Task", "the task 'mmrl_envs.task:Task' lacks the methods assess, begin, scenes"),
        ("mmrl_envs:task_ids", r"a task must be a mmrl_envs\.task\.Task, got .*'mmrl/PegInsertion-v0'"),
    ],
)
def test_what_makes_no_task_is_named(task: str, message: str) -> None:
    register_task("test-registry/Peg-v0", task, max_episode_steps=5)
    with pytest.raises(ValueError, match=message):
        gym.make_vec("test-registry/Peg-v0", num_envs=1)


def test_a_recipe_that_is_no_mapping_is_refused() -> None:
    with pytest.raises(
        ValueError, match=r"the recipe 'num_worlds' of 'test-registry/Peg-v0' must be a mapping .* got 3"
    ):
        register_task("test-registry/Peg-v0", PEG, max_episode_steps=5, recipes={"num_worlds": 3})  # type: ignore[dict-item]  # refused


def test_the_arguments_of_a_task_and_of_its_worlds_are_told_apart() -> None:
    names = list(task_arguments("mmrl/PegInsertion-v0"))
    assert names[:4] == ["action", "reward", "reward_weights", "impedance"]
    assert {"sensors", "control_hz", "engine"} <= set(names)
    assert task_arguments("CartPole-v1") == {}
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, reward="sparse", sensors=("proprioception",), control_hz=10)
    task = envs.unwrapped.task  # type: ignore[attr-defined]  # ours
    assert isinstance(task, PegInsertion)
    assert task.dense is None
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, colour="red")
