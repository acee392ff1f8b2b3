"""N robots in N worlds behind Gymnasium's vector interface.

A control step is: turn actions into controls, simulate S physics steps of all worlds in one native call, judge, take
the readings that fell due, and start finished worlds anew (same-step autoreset). A world whose physics breaks, as the
engine or the task finds, ends its episode as a failure and touches no other; a task may end episodes by a rule of its
own.

Letters: N = worlds, n = a subset, S = physics steps per control step, P = size of the privileged vector.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

import gymnasium as gym
import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode
from numpy.typing import NDArray

from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs import snapshot
from mmrl_envs.arguments import (
    MAX_SIDE,
    check_render_mode,
    checked_actions,
    checked_elapsed,
    checked_mask,
    checked_num_envs,
    checked_options,
    checked_rates,
    checked_seed,
    whole,
)
from mmrl_envs.context import Choice, Context, Parameter, with_defaults
from mmrl_envs.episodes import RunningEpisodes, masked, masks, only_of
from mmrl_envs.multimodal import MultimodalVectorEnv, Observation
from mmrl_envs.physics.engines import DEFAULT_ENGINE
from mmrl_envs.seeing.cameras import SceneCameras
from mmrl_envs.seeing.conditions import VIEWING, Viewing
from mmrl_envs.seeing.window import Viewer
from mmrl_envs.sensors import Sensor, make_sensors
from mmrl_envs.sensors.installation import bytes_of_a_world, compile_scenes
from mmrl_envs.sensors.senses import Senses, critic_senses, noise_parameter
from mmrl_envs.sensors.world_view import WorldView
from mmrl_envs.task import Task

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


class RobotVectorEnv(MultimodalVectorEnv):
    """A task on N worlds with chosen senses.

    Observations are a dict: sense name -> (N, *space.shape), images uint8 HWC, everything else float32. Actions are
    those of the robot's controller. `info` carries `is_success`, `success_once`, `physics_error` (N,) bool, the task's
    figures of the episode so far, (N,) each, `privileged` (N, P) float32 for a critic, `context`, a dict of what
    was drawn for the present episodes, name -> (N,), and `reward_terms`, a dict of what each term of the task's reward
    has added so far, name -> (N,).

    `reset(options=...)` takes `context` (see `mmrl_envs.context`; it holds for all later episodes too),
    `elapsed_steps` (N,) to start with part of the time limit used up, and `reset_mask` (N,) to reset some
    worlds only. A `context_source` is asked besides whenever worlds begin an episode, also by themselves.

    Args:
        task: what is to be done, and by which robot.
        num_envs: N.
        sensors: senses by name, or ready `Sensor` objects; unset are those of the task.
        context: overrides of the context parameters, those of the task and those of `mmrl_envs.seeing.conditions`.
        defaults: what the context is where nothing overrides it, for variants of a task.
        control_hz: actions per second.
        physics_hz: physics steps per second.
        max_episode_steps: time limit in control steps, None for none.
        render_mode: None, "rgb_array" (frames of a spectator's camera) or "human" (a window on world 0).
        width: of frames in pixels.
        height: of frames in pixels.
        num_threads: threads for physics and rendering, 0 for one per core.
        autoreset: restart finished worlds within the step that finishes them.
        engine: what simulates the scene, "mujoco" or "pybullet"; images are MuJoCo's with both.

    Raises:
        ValueError: on an unknown sensor, context, engine or render mode, or rates that do not divide.
        gymnasium.error.DependencyNotInstalled: where the engine is not installed.
    """

    metadata: ClassVar[dict[str, Any]] = {  # type: ignore[misc]  # Gymnasium leaves it an instance variable
        "render_modes": ["rgb_array", "human"],
        "render_fps": 20,
        "autoreset_mode": AutoresetMode.SAME_STEP,
        "mmrl": True,
    }

    senses_chosen_by = "sensors"
    takes_context = True
    begins_in_mid_episode = True

    def __init__(  # noqa: PLR0913 - Gymnasium hands over keyword arguments one by one
        self,
        task: Task,
        num_envs: int = 1,
        *,
        sensors: Sequence[str | Sensor] | None = None,
        context: Mapping[str, Any] | None = None,
        defaults: Mapping[str, Any] | None = None,
        control_hz: int = 20,
        physics_hz: int = 1000,
        max_episode_steps: int | None = 100,
        render_mode: str | None = None,
        width: int = 480,
        height: int = 480,
        num_threads: int = 0,
        autoreset: bool = True,
        engine: str = DEFAULT_ENGINE,
    ) -> None:
        control_hz, physics_hz = checked_rates(control_hz, physics_hz)
        check_render_mode(render_mode)
        self.task, self.render_mode = task, render_mode
        limit = None if max_episode_steps is None else whole("max_episode_steps", max_episode_steps, 1)
        self.max_episode_steps = limit
        self._frame_size = whole("height", height, 1, MAX_SIDE), whole("width", width, 1, MAX_SIDE)
        num_threads = whole("num_threads", num_threads, 0)
        self._autoreset = autoreset
        mode = AutoresetMode.SAME_STEP if autoreset else AutoresetMode.DISABLED
        present = {"autoreset_mode": mode, "render_fps": control_hz}
        self.metadata = {**self.metadata, **present}  # type: ignore[misc]  # see the class attribute
        self.sensors = make_sensors(task.senses if sensors is None else sensors, control_hz, physics_hz)
        self.modalities = {s.modality.name: s.modality for s in self.sensors}
        self.critic_modalities = critic_senses(task.privileged_size, control_hz)
        models = compile_scenes(lambda: task.scenes(physics_hz), self.sensors, task.robot, task.fields)
        substeps = physics_hz // control_hz
        num_envs = self.num_envs = checked_num_envs(num_envs, bytes_of_a_world(models[0], self.modalities, substeps))
        self.world = task.make_world(models, num_envs, substeps=substeps, num_threads=num_threads, engine=engine)
        task.attach(self.world)
        self._cameras = SceneCameras(self.world, num_threads)
        self._senses = Senses(self.sensors, self.world, partial(WorldView, self.world, task, self._cameras))
        noises = [noise_parameter(name) for name in self.modalities]
        parameters = with_defaults([*task.parameters, *VIEWING, *noises], defaults or {})
        self.context = Context(parameters, num_envs, context)
        self._given_context = dict(context or {})
        self._viewing = Viewing(self.world)
        self.controller = task.robot.controller.start(self.world, control_hz)
        self.single_observation_space = spaces.Dict({n: m.space for n, m in self.modalities.items()})
        self.single_action_space: spaces.Box | spaces.Discrete = task.robot.controller.action_space
        self.observation_space = gym.vector.utils.batch_space(self.single_observation_space, num_envs)
        self.action_space = gym.vector.utils.batch_space(self.single_action_space, num_envs)
        self._every = np.arange(num_envs)
        self._episodes = RunningEpisodes(num_envs, task.figures, task.reward_terms)
        self._begun = np.zeros(num_envs, np.bool_)  # worlds that have an episode
        self._nothing = np.zeros(num_envs, np.bool_)
        self._context_info: dict[str, NDArray[Any]] = {}  # made anew with every episode that begins
        self._viewer = Viewer(self.world)
        self._control_hz, self._physics_hz, self._engine = control_hz, physics_hz, engine
        self._seed_streams(int(np.random.SeedSequence().generate_state(1)[0]))

    @property
    def figures(self) -> tuple[Figure, ...]:
        """The figures that the task declares."""
        return tuple(self.task.figures)

    @property
    def settings(self) -> dict[str, Any]:
        """What the worlds are built with, defaults resolved, as plain values; None is left to the task."""
        defaults = {name: parameter.default for name, parameter in self.context.parameters.items()}
        return {
            "task": type(self.task).__name__,
            "engine": self._engine,
            "engine_versions": dict(self.world.versions),
            "control_hz": self._control_hz,
            "physics_hz": self._physics_hz,
            "max_episode_steps": self.max_episode_steps,
            "context": {**defaults, **self._given_context},
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts new episodes; with a seed, world i starts the same whatever N is.

        Args:
            seed: of all randomness from here on; without one the streams go on.
            options: see the class.

        Raises:
            ValueError: on a bad seed, an unknown option or a bad value of one, a bad context, and on a mask that leaves
                out worlds that never began or that a seed would begin anew. Nothing has changed then.
        """
        seed = checked_seed(seed)
        defaults = {"context": None, "elapsed_steps": np.zeros(self.num_envs), "reset_mask": np.ones(self.num_envs)}
        given = checked_options(options, defaults)
        elapsed = checked_elapsed(given["elapsed_steps"], self.num_envs, self.max_episode_steps)
        mask = checked_mask(given["reset_mask"], self.num_envs)
        if seed is not None and not mask.all():
            raise ValueError("a seed begins the random streams of all worlds anew: give it without a reset_mask")
        if not (mask | self._begun).all():
            raise ValueError("the first reset is one of all worlds, but reset_mask leaves some out")
        self.context.update(given["context"] or {})
        super().reset(seed=seed)
        if seed is not None:
            self._seed_streams(seed)
        worlds = np.flatnonzero(mask)
        self._begin(worlds)
        self._episodes.elapsed[worlds] = elapsed[worlds]
        return self._senses.observe(), self._info(self._nothing, self._nothing, known=mask)

    def step(
        self, actions: NDArray[np.float32]
    ) -> tuple[Observation, NDArray[Any], BoolArray, BoolArray, dict[str, Any]]:
        """One control step of all worlds.

        Finished worlds are restarted; their last step is in `final_obs`, `final_info`.

        Raises:
            ValueError: if the actions have the wrong shape or are not finite.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._begun.all():
            raise gym.error.ResetNeeded("the worlds have not begun: call reset() before step()")
        checked = checked_actions(actions, self.num_envs, self.single_action_space)
        failed = self.world.step(self.controller.command(checked))
        self._episodes.elapsed += 1
        outcome = self.task.assess()  # first, so that all that is sensed is of one instant and no broken step is
        if outcome.broken is not None:
            failed = failed | outcome.broken
        self._senses.read(self._every if not failed.any() else np.flatnonzero(~failed))
        success = outcome.success & ~failed
        self._episodes.add(outcome, ~failed)
        reward = np.where(failed, 0.0, outcome.reward)
        terminated = failed if outcome.ended is None else failed | outcome.ended
        limit = self.max_episode_steps
        truncated = (self._episodes.elapsed >= limit) & ~terminated if limit else self._nothing.copy()
        info, observation = self._info(success, failed), self._senses.observe()
        done = terminated | truncated
        if done.any() and self._autoreset:
            observation, info = self._restart(np.flatnonzero(done), done, observation, info)
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames (height, width, 3) of every world in mode "rgb_array"; updates the window in "human"."""
        if self.render_mode == "human":
            self._viewer.show()
            return None
        if self.render_mode is None:
            raise gym.error.Error('render() needs render_mode="rgb_array" or "human" at construction')
        return tuple(self._cameras.film(*self._frame_size))

    def get_state(self) -> dict[str, Any]:
        """All that the coming steps depend on, as arrays and plain Python: physics, senses, streams, contexts.

        A `context_source` is not part of it. Neither are observations: the last one that was given is still the
        present one.
        """
        return snapshot.take(self._identity(), self._parts())

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues bit for bit where `get_state` was called, on an environment of the same arguments.

        Raises:
            OtherWorlds: a ValueError, if the state is of another task, other senses or another number of worlds.
        """
        snapshot.restore(state, self._identity(), self._parts())
        self._context_info = self._describe_contexts()
        self._begun[:] = True

    def _identity(self) -> dict[str, Any]:
        """What must be equal for a state to fit."""
        return {
            "task": type(self.task).__name__,
            **self.world.versions,
            "num_envs": self.num_envs,
            "senses": {name: list(modality.window_shape) for name, modality in self.modalities.items()},
            "rates_hz": [self._control_hz, self._physics_hz],
            "max_episode_steps": self.max_episode_steps,
            **({"remembering": self._senses.remembering} if self._senses.remembering else {}),
        }

    def _parts(self) -> dict[str, snapshot.Stateful]:
        return {
            "context": self.context,
            "world": self.world,
            "task": snapshot.Arrays(self.task.arrays()),
            "controller": snapshot.Arrays(self.controller.arrays()),
            "episodes": self._episodes,
            "task_streams": self._task_streams,
            **{f"context_streams/{group}": streams for group, streams in self._context_streams.items()},
            **self._senses.parts(),
        }

    @property
    def context_parameters(self) -> Mapping[str, Parameter | Choice]:
        """What may differ from episode to episode: parameters of the task, of light and camera, of noise."""
        return self.context.parameters

    def require_context(self, setting: Mapping[str, Any]) -> None:
        """Raises ValueError unless a world may be given this context."""
        self.context.require(setting)

    @property
    def incidents(self) -> dict[str, int]:
        """How often OpenGL failed, so that something else had to draw, and how many readings were clipped."""
        return {"renderer_failures": self._cameras.failures, "clipped_readings": sum(self.clipped_readings.values())}

    @property
    def clipped_readings(self) -> dict[str, int]:
        """How many readings of each sense were beyond its declared bounds since the worlds were made."""
        return self._senses.clipped

    def close_extras(self, **kwargs: Any) -> None:
        """Closes renderers, window and worlds."""
        self._cameras.close()
        self._viewer.close()
        self.world.close()

    def _seed_streams(self, seed: int) -> None:
        """New streams for context and task, and fresh buffers whose noise starts from the seed."""
        n = self.num_envs
        self._task_streams = Streams(seed, "task", n)
        self._context_streams = {group: Streams(seed, f"context/{group}", n) for group in self.context.groups}
        self._senses.seed(seed)

    def _begin(self, worlds: IntArray) -> None:
        if self.context_source is not None:
            self.context.assign(worlds, self.context_source(worlds))
        values = self.context.draw(worlds, self._context_streams)
        start = self.task.begin(worlds, values, self._task_streams)
        self._viewing.begin(worlds, values, self._context_streams[Viewing.group])
        self.world.reset(worlds, start.qpos, start.qvel)
        self.world.set_control(worlds, self.controller.begin(worlds, start.setpoint))
        self._episodes.begin(worlds, values, start.figures)
        self._begun[worlds] = True
        self._context_info = self._describe_contexts()
        self._senses.begin(worlds, values)

    def _restart(
        self, worlds: IntArray, done: BoolArray, observation: Observation, info: dict[str, Any]
    ) -> tuple[Observation, dict[str, Any]]:
        """Begins new episodes in finished worlds.

        The last step of the old ones goes to `final_obs` and `final_info`.
        """
        final_obs = np.full(self.num_envs, None, object)
        for world in worlds:
            final_obs[world] = {name: array[world].copy() for name, array in observation.items()}
        final_info = only_of(done, info)
        self._begin(worlds)
        for name, seen in self._senses.observe(worlds).items():
            observation[name][worlds] = seen
        info = self._info(info["is_success"] & ~done, info["physics_error"] & ~done)
        info["final_obs"], info["_final_obs"] = final_obs, done.copy()
        info["final_info"], info["_final_info"] = final_info, done.copy()
        return observation, info

    def _describe_contexts(self) -> dict[str, NDArray[Any]]:
        """The present contexts in the form of vector infos, with a mask beside each entry."""
        told = {name: self.context.spelled(name, values) for name, values in self._episodes.context.items()}
        return masked(told, np.ones(self.num_envs, np.bool_))

    def _info(self, success: BoolArray, failed: BoolArray, known: BoolArray | None = None) -> dict[str, Any]:
        """The info of a step or a reset; success and failure of the step are masked where not `known`, (N,)."""
        of_step = {"is_success": success, "physics_error": failed}
        values = {
            **of_step,
            "privileged": self.task.privileged(),
            "context": self._context_info,
        }
        present = np.ones(self.num_envs, np.bool_)
        of_episode = self._episodes.info()
        return masked(values, present) | of_episode | masks(of_step, present if known is None else known)
