"""N robots in N worlds behind Gymnasium's vector interface.

A control step: turn actions into controls, simulate S physics steps of all worlds in one native call, judge, take the
readings that fell due, and start finished worlds anew. A world whose physics breaks fails and touches no other.

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
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, IntArray, Observation
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs import snapshot
from mmrl_envs.arguments import checked_actions, checked_num_envs, checked_rates, checked_reset, checked_seed, whole
from mmrl_envs.context import Choice, Parameter, WorldContexts, with_defaults
from mmrl_envs.controllers.delay import ADDED, DELAY_LINE, DelayLine, delay_parameter
from mmrl_envs.episodes import RunningEpisodes, handed_over, masked
from mmrl_envs.multimodal import MultimodalVectorEnv, StepResult
from mmrl_envs.physics.engines import DEFAULT_ENGINE
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.seeing.cameras import SceneCameras
from mmrl_envs.seeing.conditions import VIEWING, Viewing
from mmrl_envs.seeing.spectator import Spectator
from mmrl_envs.sensors import Sensor, make_critic_sensors, make_sensors
from mmrl_envs.sensors.sensing.installation import bytes_of_a_world, compile_scenes
from mmrl_envs.sensors.sensing.senses import Senses, critic_senses, noise_parameter, without_absent
from mmrl_envs.sensors.sensing.world_view import WorldView
from mmrl_envs.task import Task
from mmrl_envs.task.answers import Answers, checked_controls, checked_task


class RobotVectorEnv(MultimodalVectorEnv):
    """A task on N worlds with chosen senses.

    Observations are a dict: sense name -> (N, *space.shape), images uint8 HWC, everything else float32. Actions are
    those of the robot's controller. `info` carries `is_success`, `success_once`, `physics_error` (N,) bool, the task's
    figures of the episode so far, (N,) each, `privileged` (N, P) float32 for a critic, and two dicts name -> (N,): in
    `context` the draws for the present episodes, in `reward_terms` the part of each term in the return so far.

    Args:
        task: what is to be done, and by which robot.
        num_envs: N.
        sensors: senses by name, or ready `Sensor` objects; unset are those of the task.
        critic_sensors: likewise, for critics and objectives alone; the readings stand in `info`, (N, *window_shape).
        context: overrides of the context parameters: those of the task, of `seeing.conditions`, `controllers.delay`.
        defaults: what the context is where nothing overrides it, for variants of a task.
        control_hz: actions per second.
        physics_hz: physics steps per second.
        max_episode_steps: time limit in control steps, None for none.
        render_mode: None, "rgb_array" (frames, of width and height in pixels) or "human" (a window on world 0).
        num_threads: threads for physics and rendering, 0 for one per core.
        autoreset: restart finished worlds within the step that finishes them.
        engine: what simulates the scene, "mujoco", "pybullet" or "warp"; images are MuJoCo's with all.

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
        critic_sensors: Sequence[str | Sensor] = (),
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
        self.task, self.render_mode, self._autoreset = checked_task(task), render_mode, autoreset
        self.max_episode_steps = None if max_episode_steps is None else whole("max_episode_steps", max_episode_steps, 1)
        self._spectator, num_threads = Spectator(render_mode, height, width), whole("num_threads", num_threads, 0)
        mode = AutoresetMode.SAME_STEP if autoreset else AutoresetMode.DISABLED
        self.metadata = {**self.metadata, "autoreset_mode": mode, "render_fps": control_hz}  # type: ignore[misc]  # above
        self.sensors = make_sensors(task.senses if sensors is None else sensors, control_hz, physics_hz, task.senses)
        self.modalities = {s.modality.name: s.modality for s in self.sensors}
        hidden = make_critic_sensors(critic_sensors, control_hz, physics_hz, task, self.modalities)
        self.critic_modalities = critic_senses(task.privileged_size, control_hz, hidden)
        models, substeps = compile_scenes(task, every := [*self.sensors, *hidden], physics_hz), physics_hz // control_hz
        num_envs = self.num_envs = checked_num_envs(num_envs, bytes_of_a_world(models[0], every, substeps))
        self.world = task.make_world(models, num_envs, substeps=substeps, num_threads=num_threads, engine=engine)
        self._answers, self._cameras = Answers(task, self.world), SceneCameras(self.world, num_threads)
        self._spectator.attach(self.world, self._cameras)
        self._senses = Senses(self.sensors, self.world, partial(WorldView, self.world, task, self._cameras), hidden)
        parameters = [*task.parameters, *VIEWING, delay_parameter(control_hz), *map(noise_parameter, self.modalities)]
        usual = without_absent(defaults or {}, task.senses, self.modalities)
        self.context = WorldContexts(with_defaults(parameters, usual), num_envs, context)
        self._given_context, self._viewing = dict(context or {}), Viewing(self.world)
        self.controller = task.robot.controller.start(self.world, control_hz)
        self._delay_line = DelayLine(num_envs, substeps, physics_hz)
        self.single_observation_space = spaces.Dict({n: m.space for n, m in self.modalities.items()})
        self.single_action_space: spaces.Box | spaces.Discrete = task.robot.controller.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._episodes = RunningEpisodes(num_envs, task.figures, task.reward_terms)
        self._begun = np.zeros(num_envs, np.bool_)  # worlds that have an episode
        self._control_hz, self._physics_hz, self._engine = control_hz, physics_hz, engine
        self._seed_streams(int(np.random.SeedSequence().generate_state(1)[0]))

    @property
    def figures(self) -> tuple[Figure, ...]:
        return tuple(self.task.figures)

    @property
    def settings(self) -> dict[str, Any]:
        return {
            "task": type(self.task).__name__,
            "engine": self._engine,
            "engine_versions": dict(self.world.versions),
            "control_hz": self._control_hz,
            "physics_hz": self._physics_hz,
            "max_episode_steps": self.max_episode_steps,
            "context": {**self.context.defaults, **self._given_context},
        }

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Observation, dict[str, Any]]:
        """Starts new episodes; with a seed, world i starts the same whatever N is.

        Args:
            seed: of all randomness from here on; without one the streams go on.
            options: `context` (see `mmrl_envs.context`; it holds for all later episodes too), `elapsed_steps` (N,) to
                start with part of the time limit used up, and `reset_mask` (N,) to reset some worlds only.

        Raises:
            ValueError: on a bad seed, an unknown option or a bad value of one, a bad context, and on a mask that leaves
                out worlds that never began or that a seed would begin anew. Nothing has changed then.
        """
        seed = checked_seed(seed)
        given = checked_reset(seed, options, self._begun, self.max_episode_steps)
        self.context.update(given.context)
        super().reset(seed=seed)
        if seed is not None:
            self._seed_streams(seed)
        worlds = np.flatnonzero(given.mask)
        self._begin(worlds)
        self._episodes.elapsed[worlds] = given.elapsed[worlds]
        nothing = np.zeros((2, self.num_envs), np.bool_)
        return self._senses.observe(), self._info(nothing[0], nothing[1], known=given.mask)

    def step(self, actions: NDArray[np.float32]) -> StepResult:
        """One control step of all worlds; finished ones restart, their last step is in `final_obs`, `final_info`.

        Raises:
            ValueError: if the actions have the wrong shape or are not finite.
            gymnasium.error.ResetNeeded: before the first reset.
        """
        if not self._begun.all():
            raise gym.error.ResetNeeded("the worlds have not begun: call reset() before step()")
        command = self.controller.command(checked_actions(actions, self.num_envs, self.single_action_space))
        controls = checked_controls(command, self.world, self.num_envs, self.world.substeps)
        failed = self.world.step(self._delay_line.pass_on(controls))
        self._episodes.elapsed += 1
        outcome, failed = self._answers.outcome(failed)  # first: what is sensed is of one instant, no broken step is
        self._senses.read(np.flatnonzero(~failed))
        self._episodes.add(outcome, ~failed)
        reward = np.where(failed, 0.0, outcome.reward)
        terminated = failed if outcome.ended is None else failed | outcome.ended
        truncated = (self._episodes.elapsed >= (self.max_episode_steps or np.inf)) & ~terminated
        info, observation = self._info(outcome.success & ~failed, failed), self._senses.observe()
        done = terminated | truncated
        if done.any() and self._autoreset:
            observation, info = self._restart(done, observation, info)
        if self.render_mode == "human":
            self.render()
        return observation, reward, terminated, truncated, info

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Frames (height, width, 3) of every world in mode "rgb_array"; updates the window in "human"."""
        return self._spectator.show()

    def get_state(self) -> dict[str, Any]:
        """All that the coming steps depend on, as arrays and plain Python; no `context_source` and no observations."""
        return snapshot.take(self._identity(), self._parts())

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Continues bit for bit where `get_state` was called, on an environment of the same arguments.

        Raises:
            OtherWorlds: a ValueError, if the state is of another task, other senses or another number of worlds.
        """
        snapshot.restore(state, self._identity(), self._parts(), ADDED)
        self._episodes.describe_contexts(self.context.spelled)
        self._begun[:] = True

    def _identity(self) -> dict[str, Any]:
        """The values that must be equal for a state to fit."""
        return {
            "task": type(self.task).__name__,
            **self.world.versions,
            "num_envs": self.num_envs,
            **self._senses.identity,
            "rates_hz": [self._control_hz, self._physics_hz],
            "max_episode_steps": self.max_episode_steps,
        }

    def _parts(self) -> dict[str, snapshot.Stateful]:
        return {
            "context": self.context,
            "world": self.world,
            "task": snapshot.Arrays(self._answers.arrays()),
            "controller": snapshot.Arrays(self.controller.arrays()),
            DELAY_LINE: self._delay_line,
            "episodes": self._episodes,
            "task_streams": self._task_streams,
            **{f"context_streams/{group}": streams for group, streams in self._context_streams.items()},
            **self._senses.parts(),
        }

    @property
    def context_parameters(self) -> Mapping[str, Parameter | Choice]:
        return self.context.parameters

    def require_context(self, setting: Mapping[str, Any]) -> None:
        self.context.require(setting)

    @property
    def incidents(self) -> dict[str, int]:
        return {"renderer_failures": self._cameras.failures, "clipped_readings": sum(self.clipped_readings.values())}

    @property
    def clipped_readings(self) -> dict[str, int]:
        return self._senses.clipped

    @property
    def sound(self) -> Sound | None:
        return self._senses.sound

    def close_extras(self, **kwargs: Any) -> None:
        self._cameras.close()
        self._spectator.close()
        self.world.close()

    def _seed_streams(self, seed: int) -> None:
        """New streams for context and task, and fresh buffers whose noise starts from the seed."""
        new = partial(Streams, seed, num_worlds=self.num_envs, first=self.first_world)
        self._task_streams, self._context_streams = new("task"), {g: new(f"context/{g}") for g in self.context.groups}
        self._senses.seed(seed, self.first_world)

    def _begin(self, worlds: IntArray) -> None:
        if self.context_source is not None:
            self.context.assign(worlds, self.context_source(worlds))
        values = self.context.draw(worlds, self._context_streams)
        start = self._answers.start(worlds, values, self._task_streams)
        self._viewing.begin(worlds, values, self._context_streams[Viewing.group])
        self.world.reset(worlds, start.qpos, start.qvel)
        held = checked_controls(self.controller.begin(worlds, start.setpoint), self.world, len(worlds))
        self.world.set_control(worlds, self._delay_line.begin(worlds, values, held))
        self._episodes.begin(worlds, values, start.figures)
        self._begun[worlds] = True
        self._episodes.describe_contexts(self.context.spelled)
        self._senses.begin(worlds, values)

    def _restart(self, done: BoolArray, seen: Observation, info: dict[str, Any]) -> tuple[Observation, dict[str, Any]]:
        """Begins new episodes in finished worlds, (N,), and hands over the last step of the old ones."""
        final, worlds = handed_over(done, seen, info), np.flatnonzero(done)
        self._begin(worlds)
        for name, first in self._senses.observe(worlds).items():
            seen[name][worlds] = first
        return seen, self._info(info["is_success"] & ~done, info["physics_error"] & ~done) | final

    def _info(self, success: BoolArray, failed: BoolArray, known: BoolArray | None = None) -> dict[str, Any]:
        """The info of a step or a reset; success and failure of the step are masked where not `known`, (N,)."""
        info = self._episodes.info({"is_success": success, "physics_error": failed}, known)
        state = self._answers.privileged(~failed if known is None else known & ~failed)
        return info | masked({"privileged": state, **self._senses.observed_by_critic()}, np.ones(self.num_envs, bool))
