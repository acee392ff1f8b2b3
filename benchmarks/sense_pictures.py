"""Pictures of real readings beside the scene, for the page on every sense (`benchmarks.every_sense`)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

import gymnasium as gym
import numpy as np
from PIL import Image

import mmrl_envs  # noqa: F401  # registers the environments
from benchmarks.scripts import Act, MakeAct
from mmrl_agents.watching.frames import enlarge
from mmrl_agents.watching.panels import HEIGHT, MARGIN, PAPER, WIDTH, Pixels, Trace, draw_panels
from mmrl_agents.watching.pictures import is_shown_as_picture, picture_of
from mmrl_agents.watching.traces import TraceRecorder
from mmrl_envs.tasks.experts.by_task import EXPERTS, step_m
from mmrl_envs.tasks.experts.grasp_expert import GraspExpert
from mmrl_envs.tasks.experts.lifting_experts import SlipServo
from mmrl_envs.tasks.experts.tapping_expert import tapping
from mmrl_envs.vector_env import RobotVectorEnv

SCENE, PANEL = 240, 220
"""Pixels of a scene, and the height of a row of curves."""
SPAN_S = 1.0


def picture(name: str, env_id: str, steps: int) -> Image.Image:
    """The scene of a task after so many control steps, and beside it what a sense reads."""
    with closing(_worlds(name, env_id)) as envs:
        observation, _ = envs.reset(seed=3)
        act, sense = _script(env_id)(envs), envs.modalities[name]
        hz = float(envs.metadata["render_fps"])
        recorder = None if is_shown_as_picture(sense) else TraceRecorder(sense, hz, True, SPAN_S)
        for step in range(steps):
            if recorder is not None:
                recorder.add(observation[name][0], step / hz)
            observation, *_ = envs.step(act(observation))
        frames = envs.render()
        assert frames is not None
        if recorder is None:
            return _beside(frames[0], picture_of(sense, observation[name][0], True).pixels)
        recorder.add(observation[name][0], steps / hz)
        return _curves(frames[0], recorder.traces())


def _worlds(name: str, env_id: str) -> RobotVectorEnv:
    """One world with the task's own senses, and this one."""
    made: Any = gym.make_vec(env_id, num_envs=1, num_threads=1, render_mode="rgb_array")
    if name not in made.modalities:
        senses = (*made.task.senses, name)
        made.close()
        made = gym.make_vec(env_id, num_envs=1, num_threads=1, render_mode="rgb_array", sensors=senses)
    assert isinstance(made, RobotVectorEnv)
    return made


def _script(env_id: str) -> MakeAct:
    if env_id in EXPERTS:
        return EXPERTS[env_id]
    return _OTHER_SCRIPTS.get(env_id, _at_random)


def _at_random(envs: RobotVectorEnv) -> Act:
    envs.action_space.seed(0)
    return lambda seen: envs.action_space.sample()


def _grasping(envs: RobotVectorEnv) -> Act:
    impedance = vars(envs.task)["impedance"]
    return GraspExpert(impedance.step_m, impedance.step_rad).act


def _lifting(envs: RobotVectorEnv) -> Act:
    return SlipServo(vars(envs.task.robot)["controller"]).act


def _tapping(envs: RobotVectorEnv) -> Act:
    step = step_m(envs)
    return lambda seen: np.clip(tapping(seen) / step, -1.0, 1.0).astype(np.float32)


_OTHER_SCRIPTS: Mapping[str, MakeAct] = {
    "mmrl/GraspedInsertion-v0": _grasping,
    "mmrl/FragileLift-v0": _lifting,
    "mmrl/TapToHear-v0": _tapping,
}


def _beside(scene: Pixels, pixels: Pixels | None) -> Image.Image:
    assert pixels is not None
    seen = Image.fromarray(enlarge(pixels, SCENE))
    canvas = Image.new("RGB", (SCENE + MARGIN + seen.width, SCENE), PAPER)
    canvas.paste(Image.fromarray(scene).resize((SCENE, SCENE), Image.Resampling.LANCZOS), (0, 0))
    canvas.paste(seen, (SCENE + MARGIN, (SCENE - seen.height) // 2))
    return canvas


def _curves(scene: Pixels, traces: list[Trace]) -> Image.Image:
    columns = 1 if len(traces) == 1 else 2
    height = max(SCENE, PANEL * -(-len(traces) // columns))
    canvas = Image.new("RGB", (WIDTH, HEIGHT), PAPER)
    draw_panels(canvas, traces, (SCENE + MARGIN, HEIGHT - height), columns=columns)
    canvas.paste(Image.fromarray(scene).resize((SCENE, SCENE), Image.Resampling.LANCZOS), (0, HEIGHT - height))
    return canvas.crop((0, HEIGHT - height, WIDTH, HEIGHT))
