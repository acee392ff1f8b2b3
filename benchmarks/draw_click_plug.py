"""The picture for the page on the plug that clicks: `python -m benchmarks.draw_click_plug --output docs/images`.

A frame of a film, the socket cut open at three instants, and the wrench of one insertion by the scripted expert.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import mujoco
import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

import mmrl_envs  # noqa: F401  (registers the ids; chooses OpenGL before mujoco is imported)
from mmrl.arrays import FloatArray
from mmrl_envs.scenes.workcell import WORKSPACE
from mmrl_envs.tasks.experts.click_experts import ClickFeeler

CONTEXT = {
    **dict.fromkeys(("socket_x_m", "socket_y_m", "start_y_m", "hole_estimate_error_m"), 0.0),
    "start_x_m": 0.001,
    "start_z_m": 0.004,
    "detent_depth_m": 0.01,
    "bolt_stiffness_n_m": 3000.0,
    "friction": 0.25,
}
SIDE, CUT_AT_Y = 320, -0.009
"""Pixels of a picture; the plane at which the socket is cut open, metres."""
BEYOND_M = 0.003
"""How far past the click it goes on, metres."""


class FilmedInsertion:
    """An insertion by the expert: the axial force at every reading, and where everything was after each step."""

    def __init__(self) -> None:
        envs: Any = gym.make_vec(
            "mmrl/ClickPlug-v0", num_envs=1, context=CONTEXT, render_mode="rgb_array", width=SIDE, height=SIDE
        )
        self.world = envs.world
        observation, _ = envs.reset(seed=0)
        expert = ClickFeeler(1, step_m=envs.task.impedance.step_m)
        push, depth = [], []
        self.states: list[FloatArray] = []
        self.frames: list[NDArray[np.uint8]] = []
        while envs.task.past_click()[0] < BEYOND_M:
            action = expert.act(observation)
            action[:, 3] = -1.0  # the picture shows what would come next
            observation, *_ = envs.step(action)
            push.append(-observation["force_torque"][0, :, 2])
            depth.append(-self.world.recorded("tip_position")[0, :, 2])
            self.states.append(self.world.qpos[0].copy())
            self.frames.append(envs.render()[0])
        self.push, self.depth = np.concatenate(push), np.concatenate(depth)
        self.click_at: float = envs.task.arrays()["click_at"][0]

    def step_at(self, depth: float) -> int:
        """The first step at whose end the tip is so deep, metres."""
        substeps: int = self.world.substeps
        return int(np.argmax(self.depth >= depth)) // substeps


def cut_open(insertion: FilmedInsertion, step: int) -> NDArray[np.uint8]:
    """The socket from the side, without what is in front of `CUT_AT_Y`."""
    model = insertion.world.model_of(0)
    data = mujoco.MjData(model)
    data.qpos[:], data.mocap_pos[:] = insertion.states[step], insertion.world.mocap_pos[0]
    mujoco.mj_forward(model, data)
    hidden = [geom for geom in range(model.ngeom) if data.geom_xpos[geom, 1] < CUT_AT_Y]
    camera, option = mujoco.MjvCamera(), mujoco.MjvOption()
    camera.lookat[:] = np.add(WORKSPACE, (0.005, 0.0, -0.01))
    camera.distance, camera.azimuth, camera.elevation = 0.065, 90, 0
    with mujoco.Renderer(model, SIDE, SIDE) as renderer:
        renderer.update_scene(data, camera, option)
        for geom in renderer.scene.geoms[: renderer.scene.ngeom]:
            if geom.objtype == mujoco.mjtObj.mjOBJ_GEOM and geom.objid in hidden:
                geom.rgba[3] = 0.0
        picture: NDArray[np.uint8] = renderer.render()
    return picture


def draw_wrench(axes: Axes, insertion: FilmedInsertion, marked: FloatArray) -> None:
    """Resistance over depth, with the depths that are shown, metres."""
    axes.plot(insertion.depth * 1e3, insertion.push, color="#0072b2", linewidth=1)
    axes.axvspan(insertion.click_at * 1e3, insertion.click_at * 1e3 + 2, color="#e69f00", alpha=0.3, label="say done")
    for letter, depth in zip("abc", marked, strict=True):
        axes.axvline(depth * 1e3, color="0.6", linewidth=0.7)
        axes.text(depth * 1e3, axes.get_ylim()[1], letter, ha="center", va="bottom", fontsize=9)
    axes.set(xlabel="depth of the tip, mm", ylabel="resistance, N")
    axes.legend(loc="lower left", fontsize=8, frameon=False)


def draw(path: Path) -> None:
    """All of it."""
    insertion = FilmedInsertion()
    marked = insertion.click_at + np.array([-0.004, -0.0012, 0.0008])
    figure, grid = plt.subplots(1, 5, figsize=(13, 2.9), dpi=100, width_ratios=(1, 1, 1, 1, 1.6))
    pictures = [
        insertion.frames[insertion.step_at(0.004)],
        *(cut_open(insertion, insertion.step_at(d)) for d in marked),
    ]
    titles = ("a film", "a: the ridge meets the bolt", "b: pushes it back", "c: it has clicked")
    for axes, picture, title in zip(grid[:4], pictures, titles, strict=True):
        axes.imshow(picture)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    draw_wrench(grid[4], insertion, marked)
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, required=True, help="folder of the picture")
    draw(parser.parse_args().output / "click_plug.png")
