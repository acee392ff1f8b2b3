"""Checks of a task: its declarations before the worlds are made, and its answers while they run.

A task is anybody's code, and NumPy broadcasts most wrong shapes without a word. A message names the task, its method or
field, what it must give and what it gave.

Letters: N = worlds, n = a subset, P = size of the privileged state.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, get_args

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure, require_declarable
from mmrl.streams import Streams
from mmrl_envs.arguments import shown, whole
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot
from mmrl_envs.task import Outcome, Start, Task

_ROUNDING = 1e-4
"""Largest difference of the reward from the sum of its terms, as a share of their sizes."""


def checked_task(task: Task) -> Task:
    """The task itself. Raises ValueError where it declares something other than `Task` asks for."""
    if not isinstance(task, Task):
        raise ValueError(f"a task must be a mmrl_envs.task.Task, got {shown(task)}")
    name = type(task).__name__
    _require_robot(task)
    _require_all(f"{name}.figures", task.figures, Figure)
    require_declarable(task.figures)
    _require_all(f"{name}.parameters", task.parameters, Parameter | Choice)
    for field, names in (("reward_terms", task.reward_terms), ("fields", task.fields)):
        _require_all(f"{name}.{field}", names, str)
        if len(set(names)) < len(names):
            raise ValueError(f"{name}.{field} must be names that differ, got {list(names)}")
    whole(f"{name}.privileged_size", task.privileged_size, 0)
    return task


def checked_scenes(task: Task, physics_hz: int) -> list[mujoco.MjSpec]:
    """The scenes of a task. Raises ValueError where there are none, or where they step at another rate."""
    scenes, what = task.scenes(physics_hz), f"{type(task).__name__}.scenes"
    _require_all(what, scenes, mujoco.MjSpec)
    if not scenes:
        raise ValueError(f"{what} must give at least one mujoco.MjSpec, got none")
    for scene in scenes:
        if not np.isclose(scene.option.timestep * physics_hz, 1.0):
            raise ValueError(
                f"{what} must set option.timestep to 1 / physics_hz = {1 / physics_hz:g} s, "
                f"got {scene.option.timestep:g} s"
            )
    return scenes


def checked_controls(controls: FloatArray, world: World, *axes: int) -> FloatArray:
    """Inputs of the U actuators by a robot's controller, (*axes, U). Raises ValueError for another shape."""
    # Worlds of a task's own may have inputs that no actuator of the scene takes.
    expected = (*axes, world.template.nu or np.shape(controls)[-1])
    if np.shape(controls) != expected:
        names = "worlds x actuators" if len(axes) == 1 else "worlds x physics steps x actuators"
        raise ValueError(f"the controls of a robot need shape {expected}, {names}, got {np.shape(controls)}")
    return controls


class Answers:
    """The answers of a task that runs on N worlds, checked.

    Every method raises ValueError where an answer has another type or shape than `Task` asks for, or is not finite in a
    world whose physics is sound.

    Args:
        task: attached to the worlds here.
        world: the worlds.
    """

    def __init__(self, task: Task, world: World) -> None:
        self._task, self._world, self._name = task, world, type(task).__name__
        self._figures, self._terms = [figure.name for figure in task.figures], list(task.reward_terms)
        self._at_start = [figure.name for figure in task.figures if figure.over_episode == "last"]
        task.attach(world)
        if vars(task).get("world") is not world:
            raise ValueError(f"{self._name}.attach must call super().attach(world)")

    def start(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """The start of worlds (n,) in a drawn context, (n,) each."""
        start, n = self._task.begin(worlds, context, streams), len(worlds)
        if not isinstance(start, Start):
            raise ValueError(f"{self._name}.begin must return a Start, got {start!r}")
        self._require_finite("begin", "qpos", start.qpos, (n, self._world.qpos.shape[1]))
        if start.qvel is not None:
            self._require_finite("begin", "qvel", start.qvel, (n, self._world.qvel.shape[1]))
        if unknown := sorted(start.figures.keys() - set(self._at_start)):
            raise ValueError(
                f"{self._name}.begin: figures may hold those over_episode 'last', {self._at_start}, got {unknown}"
            )
        for name, values in start.figures.items():
            self._numbers("begin", f"figures[{name!r}]", values, (n,))
        return start

    def outcome(self, failed: BoolArray) -> tuple[Outcome, BoolArray]:
        """The outcome of a step in which physics `failed` (N,), and where it is broken by that or by the task, (N,)."""
        outcome = self._task.assess()
        if not isinstance(outcome, Outcome):
            raise ValueError(f"{self._name}.assess must return an Outcome, got {outcome!r}")
        for field in ("success", "ended", "broken"):
            if field == "success" or vars(outcome)[field] is not None:
                self._require_truth(field, vars(outcome)[field], failed.shape)
        broken = failed if outcome.broken is None else failed | outcome.broken
        self._require_names("figures", outcome.figures, self._figures)
        self._require_names("reward_terms", outcome.reward_terms, self._terms)
        for name, values in outcome.figures.items():
            self._numbers("assess", f"figures[{name!r}]", values, failed.shape)
        reward = self._require_finite("assess", "reward", outcome.reward, failed.shape, ~broken)
        self._require_sum(reward, outcome.reward_terms, ~broken)
        return replace(outcome, reward=reward), broken

    def privileged(self, sound: BoolArray) -> NDArray[np.float32]:
        """The state that only a critic may see, (N, P), of worlds of which some are `sound`, (N,)."""
        shape = len(sound), self._task.privileged_size
        state = self._require_finite("privileged", "the state", self._task.privileged(), shape, sound)
        return state.astype(np.float32, copy=False)

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The arrays of the task itself, which a snapshot writes to, (N, ...) each."""
        arrays, again = self._task.arrays(), self._task.arrays()
        if not isinstance(arrays, Mapping):
            raise ValueError(f"{self._name}.arrays must give a mapping from names to arrays, got {arrays!r}")
        for name, array in arrays.items():
            rows = array.shape[:1] if isinstance(array, np.ndarray) else ()
            if rows != (self._world.num_worlds,):
                given = f"one of shape {array.shape}" if isinstance(array, np.ndarray) else repr(array)
                raise ValueError(
                    f"{self._name}.arrays: {name!r} must be an array with a row for each of {self._world.num_worlds} "
                    f"worlds, got {given}"
                )
            if array.size and not np.shares_memory(array, again[name]):
                raise ValueError(f"{self._name}.arrays: {name!r} must be the array of the task itself, got a copy")
        return arrays

    def _require_names(self, field: str, given: Mapping[str, Any], declared: Sequence[str]) -> None:
        if given.keys() != set(declared):
            raise ValueError(
                f"{self._name}.assess: {field} must be those that the task declares, {sorted(declared)}, "
                f"got {sorted(given)}"
            )

    def _require_truth(self, field: str, values: Any, shape: tuple[int, ...]) -> None:
        array = np.asarray(values)
        if array.dtype != np.bool_ or array.shape != shape:
            raise ValueError(
                f"{self._name}.assess: {field} must be bool of shape {shape}, one for each world, "
                f"got {array.dtype} of shape {array.shape}"
            )

    def _require_sum(self, reward: NDArray[Any], terms: Mapping[str, Any], sound: BoolArray) -> None:
        if not terms:
            return
        shares = [
            self._require_finite("assess", f"reward_terms[{name!r}]", values, reward.shape, sound)
            for name, values in terms.items()
        ]
        total, size = np.sum(shares, axis=0), np.sum(np.abs(shares), axis=0)
        if (wrong := sound & ~(np.abs(reward - total) <= _ROUNDING * (size + np.abs(reward)))).any():
            world = int(np.flatnonzero(wrong)[0])
            raise ValueError(
                f"{self._name}.assess: reward must be the sum of its reward_terms, got {reward[world]:g} and a sum of "
                f"{total[world]:g} in world {world}"
            )

    def _require_finite(
        self, method: str, field: str, values: Any, shape: tuple[int, ...], sound: BoolArray | None = None
    ) -> NDArray[Any]:
        """The numbers, finite in all of the worlds or in the sound ones."""
        array = self._numbers(method, field, values, shape)
        if np.isfinite(array).all():
            return array
        wrong = ~np.isfinite(array).reshape(len(array), -1).all(axis=1)
        if (wrong if sound is None else wrong & sound).any():
            raise ValueError(f"{self._name}.{method}: {field} must be finite, got {array[wrong][0]}")
        return array

    def _numbers(self, method: str, field: str, values: Any, shape: tuple[int, ...]) -> NDArray[Any]:
        """The numbers as an array; truth values are 0 and 1."""
        array = np.asarray(values)
        if array.dtype.kind not in "biuf" or array.shape != shape:
            raise ValueError(
                f"{self._name}.{method}: {field} must be numbers of shape {shape}, got {array.dtype} of shape "
                f"{array.shape}"
            )
        return array


def _require_robot(task: Task) -> None:
    try:
        robot = task.robot
    except AttributeError:
        robot = None
    if not isinstance(robot, Robot):
        raise ValueError(
            f"{type(task).__name__}.robot must be a mmrl_envs.robots.base.Robot, such as "
            f"mmrl_envs.robots.tool_arm.ToolArm(tool_length=0.2), got {shown(robot)}"
        )


def _require_all(what: str, entries: Any, kind: Any) -> None:
    plain = isinstance(entries, Sequence) and not isinstance(entries, str)
    wrong = next((entry for entry in entries if not isinstance(entry, kind)), None) if plain else entries
    if not plain or wrong is not None:
        name = " or ".join(entry.__name__ for entry in get_args(kind) or (kind,))
        raise ValueError(f"{what} must be a sequence of {name}, got {shown(wrong)}")
