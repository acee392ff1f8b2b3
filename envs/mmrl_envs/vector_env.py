"""N robots in N worlds behind Gymnasium's vector interface.

A control step is: move the setpoints, simulate S physics steps of all worlds in one native call, take the readings that fell due, judge,
and start finished worlds anew (same-step autoreset). A world whose physics breaks ends its episode as a failure and touches no other.

Letters: N = worlds, n = a subset, k = readings per control step, S = physics steps per control step, A = size of an action.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import gymnasium as gym
import mujoco
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from mmrl.modality import Modality
from mmrl.streams import Streams
from numpy.typing import NDArray

from mmrl_envs.context import Context, Parameter
from mmrl_envs.physics.impedance import SetpointController
from mmrl_envs.physics.rendering import Renderer, make_renderer
from mmrl_envs.physics.world import World
from mmrl_envs.sensing import ModalityBuffer
from mmrl_envs.sensors import Sensor, make_sensor
from mmrl_envs.tasks.base import Task
from mmrl_envs.tasks.workcell import POLICY_GROUPS, VIDEO_GROUPS

BoolArray = NDArray[np.bool_]
FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Observation = dict[str, NDArray[Any]]

DEFAULT_SENSORS = ("camera", "force_torque", "proprioception")
RENDER_MODES = (None, "rgb_array", "human")
MAX_NOISE = 100.0


class RobotVectorEnv(VectorEnv[Observation, NDArray[np.float32], NDArray[Any]]):
    """A task on N worlds with chosen senses.

    Observations are a dict: sense name -> (N, *space.shape), images uint8 HWC, everything else float32. Actions are (N, A) in [-1, 1].
    `info` carries `is_success`, `success_once`, `physics_error` (N,) bool, `peak_force_n`, `mean_force_n` (N,) of the contacts so far in the
    episode, `privileged` (N, P) float32 for a critic, and the task's own figures.

    `reset(options=...)` takes `context` (see `mmrl_envs.context`; it holds for all later episodes too), `elapsed_steps` (N,) to start with
    part of the time limit used up, and `reset_mask` (N,) to reset some worlds only.

    Args:
        task: what is to be done.
        num_envs: N.
        sensors: senses by name, or ready `Sensor` objects.
        context: overrides of the task's context parameters.
        control_hz: actions per second.
        physics_hz: physics steps per second.
        max_episode_steps: time limit in control steps, None for none.
        render_mode: None, "rgb_array" (frames of a spectator's camera) or "human" (a window on world 0).
        width: of frames in pixels.
        height: of frames in pixels.
        num_threads: threads for physics and rendering, 0 for one per core.
        autoreset: restart finished worlds within the step that finishes them.

    Raises:
        ValueError: on an unknown sensor, context or render mode, or rates that do not divide.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": ["rgb_array", "human"],
        "render_fps": 20,
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "mmrl": True,
    }

    def __init__(
        self,
        task: Task,
        num_envs: int = 1,
        *,
        sensors: Sequence[str | Sensor] = DEFAULT_SENSORS,
        context: Mapping[str, Any] | None = None,
        control_hz: int = 20,
        physics_hz: int = 1000,
        max_episode_steps: int | None = 100,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        num_threads: int = 0,
        autoreset: bool = True,
    ) -> None:
        _check_arguments(num_envs, control_hz, physics_hz, max_episode_steps, render_mode)
        self.task, self.num_envs, self.render_mode = task, num_envs, render_mode
        self.max_episode_steps = max_episode_steps
        self._frame_size = (height, width)
        self._num_threads = num_threads
        self._autoreset = autoreset
        if not autoreset:
            self.metadata = {**type(self).metadata, "autoreset_mode": AutoresetMode.DISABLED}  # type: ignore[misc]
        self.sensors = _make_sensors(sensors)
        self.modalities: dict[str, Modality] = {s.modality.name: s.modality for s in self.sensors}
        self.world = World(
            _compile(task, self.sensors, physics_hz),
            num_envs,
            substeps=physics_hz // control_hz,
            num_threads=num_threads,
        )
        task.attach(self.world)
        noises = [
            Parameter(
                f"{name}_noise",
                0.0,
                0.0,
                MAX_NOISE,
                f"standard deviation added to {name}, in its noise units",
                group=f"sense/{name}",
            )
            for name in self.modalities
        ]
        self.context = Context([*task.parameters, *noises], num_envs, context)
        self._controller = SetpointController(task.impedance, num_envs, self.world.substeps, task.action_size)
        self.single_observation_space = spaces.Dict({n: m.space for n, m in self.modalities.items()})
        self.single_action_space = spaces.Box(-1.0, 1.0, (task.action_size,), np.float32)
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self._every = np.arange(num_envs)
        self._elapsed: IntArray = np.zeros(num_envs, np.intp)
        self._forces = _ContactForces(num_envs)
        self._success_once: BoolArray = np.zeros(num_envs, np.bool_)
        self._buffers: dict[str, ModalityBuffer] = {}
        self._policy_renderer: Renderer | None = None
        self._video_renderer: Renderer | None = None
        self._viewer: Any = None
        self._control_hz, self._physics_hz = control_hz, physics_hz
        self._seed_streams(int(np.random.SeedSequence().generate_state(1)[0]))

    @property
    def privileged_size(self) -> int:
        """Size P of `info["privileged"]`."""
        return self.task.privileged_size

    @property
    def setpoint(self) -> FloatArray:
        """Tip poses that the controllers hold at present: x, y, z in metres, yaw in radians, in W, (N, 4)."""
        return self._controller.setpoint

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts new episodes; with a seed, world i starts the same whatever N is. See the class for `options`."""
        super().reset(seed=seed)
        options = dict(options or {})
        if seed is not None:
            self._seed_streams(seed)
        self.context.update(options.pop("context", None) or {})
        elapsed = np.asarray(options.pop("elapsed_steps", np.zeros(self.num_envs)), np.intp)
        mask = np.asarray(options.pop("reset_mask", np.ones(self.num_envs, np.bool_)), np.bool_)
        if options:
            raise ValueError(
                f"unknown reset options {sorted(options)}; known are ['context', 'elapsed_steps', 'reset_mask']"
            )
        for name, array in (("elapsed_steps", elapsed), ("reset_mask", mask)):
            if array.shape != (self.num_envs,):
                raise ValueError(f"option {name!r} needs shape ({self.num_envs},), got {array.shape}")
        worlds = np.flatnonzero(mask)
        self._begin(worlds)
        self._elapsed[worlds] = elapsed[worlds]
        return self._observe(), self._info(self._no_figures())

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observation, NDArray[Any], BoolArray, BoolArray, dict[str, Any]]:
        """One control step of all worlds; finished worlds are restarted and their last step is in `final_obs`, `final_info`.

        Raises:
            ValueError: if the actions have the wrong shape or are not finite.
        """
        actions = np.asarray(actions, np.float64)
        if actions.shape != (self.num_envs, self.task.action_size):
            raise ValueError(
                f"actions need shape ({self.num_envs}, {self.task.action_size}), got {actions.shape}"
            )
        if not np.isfinite(actions).all():
            bad = np.flatnonzero(~np.isfinite(actions).all(axis=1))
            raise ValueError(f"actions must be finite; those of worlds {bad.tolist()} are not")
        failed = self.world.step(self._controller.command(actions, self.task.tip_pose()))
        self._elapsed += 1
        alive = self._every if not failed.any() else np.flatnonzero(~failed)
        self._sense(alive)
        outcome = self.task.assess()
        self._forces.add(self.world.recorded("contact_force"), ~failed)
        success = outcome.success & ~failed
        self._success_once |= success
        reward = np.where(failed, 0.0, outcome.reward)
        limit = self.max_episode_steps
        truncated = (self._elapsed >= limit) & ~failed if limit else np.zeros(self.num_envs, np.bool_)
        figures = {"is_success": success, "physics_error": failed, **outcome.info}
        info = self._info({k: np.where(failed, 0, v).astype(v.dtype) if k != "physics_error" else v for k, v in figures.items()})
        observation = self._observe()
        done = failed | truncated
        if done.any() and self._autoreset:
            observation, info = self._restart(np.flatnonzero(done), done, observation, info)
        if self.render_mode == "human":
            self.render()
        return observation, reward, failed, truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames (height, width, 3) of every world in mode "rgb_array"; updates the window in mode "human"."""
        if self.render_mode == "human":
            return self._show()
        if self.render_mode is None:
            raise gym.error.Error('render() needs render_mode="rgb_array" or "human" at construction')
        if self._video_renderer is None:
            self._video_renderer = make_renderer(
                self.world.template, num_threads=1, quality="video", geom_groups=VIDEO_GROUPS
            )
        frames = self._render(self._video_renderer, self._every, "scene_camera", *self._frame_size, depth=False)
        return tuple(frames)

    def close_extras(self, **kwargs: Any) -> None:
        """Closes renderers and window."""
        for renderer in (self._policy_renderer, self._video_renderer):
            if renderer is not None:
                renderer.close()
        self._policy_renderer = self._video_renderer = None
        if self._viewer is not None:
            self._viewer.close()
            self._viewer = None

    def _seed_streams(self, seed: int) -> None:
        """New streams for context and task, and fresh buffers whose noise starts from the seed."""
        n = self.num_envs
        self._task_streams = Streams(seed, "task", n)
        self._context_streams = {group: Streams(seed, f"context/{group}", n) for group in self.context.groups}
        self._buffers = {
            s.modality.name: ModalityBuffer(
                s.modality,
                n,
                self._physics_hz,
                self._control_hz,
                Streams(seed, f"sense/{s.modality.name}", n),
                s.noise_unit,
            )
            for s in self.sensors
        }

    def _begin(self, worlds: IntArray) -> None:
        values = self.context.draw(worlds, self._context_streams)
        start = self.task.begin(worlds, values, self._task_streams)
        self.world.reset(worlds, start.qpos)
        self.world.set_control(worlds, self._controller.reset(worlds, start.setpoint))
        self._elapsed[worlds] = 0
        self._success_once[worlds] = False
        self._forces.reset(worlds)
        view = _View(self, worlds, None)
        for sensor in self.sensors:
            buffer = self._buffers[sensor.modality.name]
            buffer.context_std[worlds] = values[f"{sensor.modality.name}_noise"]
            buffer.reset(worlds, sensor.read(view)[:, -1])

    def _sense(self, alive: IntArray) -> None:
        for sensor in self.sensors:
            buffer = self._buffers[sensor.modality.name]
            buffer.tick(self._every)
            due = buffer.due_worlds(alive)
            if len(due):
                buffer.push(due, sensor.read(_View(self, due, buffer.substeps)))

    def _observe(self) -> Observation:
        return {name: buffer.observe() for name, buffer in self._buffers.items()}

    def _restart(
        self, worlds: IntArray, done: BoolArray, observation: Observation, info: dict[str, Any]
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins new episodes in finished worlds; the last step of the old ones goes to `final_obs` and `final_info`."""
        final_obs = np.full(self.num_envs, None, object)
        for world in worlds:
            final_obs[world] = {name: array[world].copy() for name, array in observation.items()}
        final_info = {name: array.copy() for name, array in info.items()}
        self._begin(worlds)
        for name, buffer in self._buffers.items():
            observation[name][worlds] = buffer.observe(worlds)
        figures = {key: info[key] for key in info if not key.startswith("_")}
        for key, value in self._no_figures().items():
            figures[key] = np.where(done, value, figures[key]).astype(figures[key].dtype)
        info = self._info(figures)
        info["final_obs"], info["_final_obs"] = final_obs, done.copy()
        info["final_info"], info["_final_info"] = final_info, done.copy()
        return observation, info

    def _no_figures(self) -> dict[str, NDArray[Any]]:
        """Figures of an episode that has not begun."""
        nothing = np.zeros(self.num_envs, np.bool_)
        return {"is_success": nothing, "physics_error": nothing, **self.task.figures_at_start()}

    def _info(self, figures: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
        values = {
            **figures,
            "success_once": self._success_once.copy(),
            "peak_force_n": self._forces.peak.copy(),
            "mean_force_n": self._forces.mean,
            "privileged": self.task.privileged(),
        }
        present = np.ones(self.num_envs, np.bool_)
        return {**values, **{f"_{name}": present.copy() for name in values}}

    def _render(
        self, renderer: Renderer, worlds: IntArray, camera: str, height: int, width: int, *, depth: bool
    ) -> NDArray[Any]:
        return renderer.render(
            [self.world.models[w] for w in worlds],
            self.world.qpos[worlds],
            self.world.mocap_pos[worlds],
            self.world.mocap_quat[worlds],
            camera,
            height,
            width,
            depth=depth,
        )

    def render_sensor(self, worlds: IntArray, camera: str, height: int, width: int, *, depth: bool) -> NDArray[Any]:
        """Images of a camera of the scene as sensors see it: without arm, shadows or backdrop, (n, height, width, 3 or 1)."""
        if self._policy_renderer is None:
            self._policy_renderer = make_renderer(
                self.world.template,
                num_threads=self._num_threads or None,
                quality="policy",
                geom_groups=POLICY_GROUPS,
            )
        return self._render(self._policy_renderer, worlds, camera, height, width, depth=depth)

    def _show(self) -> None:
        """MuJoCo's passive viewer on world 0."""
        if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
            # MuJoCo's viewer would end the process
            raise gym.error.Error('render_mode="human" needs a display; on a machine without one use "rgb_array"')
        import mujoco.viewer  # opens a window system, so never at import

        if self._viewer is None:
            self._shown = mujoco.MjData(self.world.models[0])
            self._viewer = mujoco.viewer.launch_passive(self.world.models[0], self._shown)
        self._shown.qpos[:] = self.world.qpos[0]
        self._shown.mocap_pos[:], self._shown.mocap_quat[:] = self.world.mocap_pos[0], self.world.mocap_quat[0]
        mujoco.mj_forward(self.world.models[0], self._shown)
        self._viewer.sync()


class _ContactForces:
    """Peak and mean of the contact force over an episode, in newtons."""

    def __init__(self, num_worlds: int) -> None:
        self.peak: FloatArray = np.zeros(num_worlds)
        self._sum: FloatArray = np.zeros(num_worlds)
        self._count: IntArray = np.zeros(num_worlds, np.intp)

    @property
    def mean(self) -> FloatArray:
        return self._sum / np.maximum(self._count, 1)

    def reset(self, worlds: IntArray) -> None:
        self.peak[worlds] = self._sum[worlds] = 0.0
        self._count[worlds] = 0

    def add(self, force: FloatArray, valid: BoolArray) -> None:
        """Takes in contact forces at every physics step, (N, S, 3), of the worlds where they are valid, (N,)."""
        magnitude = np.sqrt(np.einsum("nsd,nsd->ns", force, force))
        self.peak = np.where(valid, np.maximum(self.peak, magnitude.max(axis=1)), self.peak)
        self._sum += np.where(valid, magnitude.mean(axis=1), 0.0)
        self._count += valid


class _View:
    """What sensors may read of some worlds: at a reset (no substeps) or at given physics steps of the last control step."""

    def __init__(self, env: RobotVectorEnv, worlds: IntArray, substeps: IntArray | None) -> None:
        self._env, self.worlds, self._substeps = env, worlds, substeps
        self._all = len(worlds) == env.num_envs

    def __getitem__(self, name: str) -> FloatArray:
        world = self._env.world
        if self._substeps is None:
            return world.current(name)[self.worlds, None]
        recorded = world.recorded(name)
        if not self._all:
            recorded = recorded[self.worlds]
        k = len(self._substeps)
        # the usual case, every physics step, needs no copy
        return recorded if k == recorded.shape[1] else recorded[:, self._substeps]

    def render(
        self, camera: str, height: int, width: int, *, depth: bool = False
    ) -> NDArray[np.uint8] | NDArray[np.float32]:
        return self._env.render_sensor(self.worlds, camera, height, width, depth=depth)

    def field(self, name: str) -> FloatArray:
        return self._env.task.field(name)[self.worlds]


def _make_sensors(sensors: Sequence[str | Sensor]) -> list[Sensor]:
    if isinstance(sensors, str) or not len(sensors):
        raise ValueError(f"sensors must be a non-empty sequence of names or Sensor objects, got {sensors!r}")
    made = [make_sensor(sensor) for sensor in sensors]
    names = [sensor.modality.name for sensor in made]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"senses need distinct names; {twice} occur more than once in {names}")
    return made


def _compile(task: Task, sensors: Sequence[Sensor], physics_hz: int) -> list[mujoco.MjModel]:
    specs = task.scenes(physics_hz)
    for spec in specs:
        for sensor in sensors:
            sensor.install(spec)
    return [spec.compile() for spec in specs]


def _check_arguments(
    num_envs: int, control_hz: int, physics_hz: int, max_episode_steps: int | None, render_mode: str | None
) -> None:
    if num_envs < 1:
        raise ValueError(f"num_envs must be at least 1, got {num_envs}")
    if control_hz < 1 or physics_hz < control_hz or physics_hz % control_hz:
        raise ValueError(f"control_hz must divide physics_hz, got control_hz={control_hz}, physics_hz={physics_hz}")
    if max_episode_steps is not None and max_episode_steps < 1:
        raise ValueError(f"max_episode_steps must be at least 1 or None, got {max_episode_steps}")
    if render_mode not in RENDER_MODES:
        raise ValueError(f"unknown render_mode {render_mode!r}; modes are {list(RENDER_MODES)}")
