"""Tasks by id: those of the suite and those of installed packages, registered with Gymnasium as data.

A package offers its tasks through the entry-point group `mmrl.tasks`, whose entries name modules that register tasks
when they are imported:

    [project.entry-points."mmrl.tasks"]
    reach = "my_package.reach"

`mmrl train my_package.reach:my/Reach-v0` imports the module itself. A task is imported when its worlds are made.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import gymnasium as gym

from mmrl.settings.offers import usable

if TYPE_CHECKING:
    from mmrl_envs.robot_env import RobotEnv
    from mmrl_envs.task import Task
    from mmrl_envs.vector_env import RobotVectorEnv

ENTRY_POINT_GROUP = "mmrl.tasks"


@dataclass(frozen=True)
class Registration:
    """A task under an id."""

    env_id: str
    """As Gymnasium knows it."""
    task: str
    """The class, or a function that makes one, as "module:name"."""
    help: str
    """One sentence for `mmrl list`."""
    recipes: Mapping[str, Mapping[str, Any]]
    """Training settings known to work, by name: fields of a training run as plain data, as `mmrl train --config` reads
    them. That of the name "" is the one that is used unasked."""
    max_episode_steps: int | None
    """Time limit in control steps, None for none."""
    kwargs: Mapping[str, Any]
    """Arguments of the task and of its worlds that differ from their defaults."""


_registered: dict[str, Registration] = {}


def register_task(
    env_id: str,
    task: str,
    *,
    max_episode_steps: int | None,
    help: str = "",
    recipes: Mapping[str, Mapping[str, Any]] = MappingProxyType({}),
    **kwargs: Any,
) -> None:
    """Make a task known to Gymnasium and to `mmrl`; the same registration again changes nothing.

    Args:
        env_id: such as "my/Reach-v0".
        task: a `mmrl_envs.task.Task` subclass or a function that makes one, as "module:name".
        max_episode_steps: time limit in control steps, None for none.
        help: one sentence for `mmrl list`.
        recipes: see `Registration`.
        kwargs: arguments of the task and of `mmrl_envs.vector_env.RobotVectorEnv` that differ from their defaults.

    Raises ValueError where the id is taken, where the task is not written "module:name", and where `recipes` holds no
    mappings.
    """
    new = Registration(env_id, task, help, recipes, max_episode_steps, kwargs)
    if task.count(":") != 1:
        raise ValueError(f'the task of {env_id!r} must be written "module:name", got {task!r}')
    for name, recipe in recipes.items():
        if not isinstance(recipe, Mapping):
            raise ValueError(
                f"the recipe {name!r} of {env_id!r} must be a mapping from settings to values, got {recipe!r}"
            )
    _require_free(new)
    _registered[env_id] = new
    gym.registry.pop(env_id, None)
    gym.register(
        id=env_id,
        entry_point=f"{__name__}:make_single",
        vector_entry_point=f"{__name__}:make_vector",
        max_episode_steps=max_episode_steps,
        kwargs={"task": task, **kwargs},
    )


def _require_free(new: Registration) -> None:
    known = _registered.get(new.env_id)
    if known is None and new.env_id in gym.registry:
        raise ValueError(f"the id {new.env_id!r} is taken by an environment of Gymnasium")
    if known is not None and known != new:
        other = [
            f"{name} {value!r} became {vars(new)[name]!r}"
            for name, value in vars(known).items()
            if value != vars(new)[name]
        ]
        raise ValueError(f"the id {new.env_id!r} is taken by another registration: {', '.join(other)}")


def registrations() -> dict[str, Registration]:
    """Every task by its id, sorted, those of installed packages included; warns of packages that cannot be imported."""
    for _ in usable(entry_points(group=ENTRY_POINT_GROUP)):
        pass  # importing them registers them
    return dict(sorted(_registered.items()))


def make_vector(num_envs: int = 1, *, task: str, **kwargs: Any) -> RobotVectorEnv:
    """`gym.make_vec(ID, num_envs=...)`; keyword arguments are those of the task and of `RobotVectorEnv`."""
    from mmrl_envs.vector_env import RobotVectorEnv

    made, others = _made(task, kwargs)
    return RobotVectorEnv(made, num_envs, **others)


def make_single(*, task: str, **kwargs: Any) -> RobotEnv:
    """`gym.make(ID)`; keyword arguments are those of the task and of `RobotEnv`."""
    from mmrl_envs.robot_env import RobotEnv

    made, others = _made(task, kwargs)
    return RobotEnv(made, **others)


def task_arguments(env_id: str) -> dict[str, inspect.Parameter]:
    """The keyword arguments with which the worlds of a registered task are made, by name; none of another id."""
    from mmrl_envs.vector_env import RobotVectorEnv

    return {**_options(_loaded(_registered[env_id].task)), **_options(RobotVectorEnv)} if env_id in _registered else {}


def _made(task: str, kwargs: Mapping[str, Any]) -> tuple[Task, dict[str, Any]]:
    """The task with those arguments that are its own, and the other arguments."""
    maker = _loaded(task)
    own = _options(maker)
    made: Task = maker(**{name: value for name, value in kwargs.items() if name in own})
    return made, {name: value for name, value in kwargs.items() if name not in own}


def _loaded(task: str) -> Any:
    """The maker of a task. Raises ValueError where there is none, and for a class that lacks methods."""
    module, _, name = task.partition(":")
    maker = vars(import_module(module)).get(name)
    if not callable(maker):
        raise ValueError(f"the task {task!r} must be a class or a function of {module}, got {maker!r}")
    if inspect.isabstract(maker):
        raise ValueError(f"the task {task!r} lacks the methods {', '.join(sorted(maker.__abstractmethods__))}")
    return maker


def _options(maker: Any) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(maker).parameters
