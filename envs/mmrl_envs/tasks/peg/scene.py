"""The scenes of peg insertion: an arm that holds a peg of one shape, and a block with a hole for it on the bench.

Letters: n = worlds that are given a shape.
"""

from __future__ import annotations

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.world import World
from mmrl_envs.robots.tool_arm import ADAPTER_LENGTH, HAND, ToolArm
from mmrl_envs.scenes.groups import SCENE_GROUP
from mmrl_envs.scenes.workcell import CONTACT, WORKSPACE, make_bench
from mmrl_envs.tasks.peg import pegs
from mmrl_envs.tasks.peg.context import SHAPE_NAMES

HOLE_FLOOR = 0.01
PEG_MASS = 0.15

_BLOCK = {"rgba": (0.80, 0.78, 0.70, 1.0), "group": SCENE_GROUP, **CONTACT}
PEG = {"rgba": (0.90, 0.42, 0.10, 1.0), "group": SCENE_GROUP, "mass": PEG_MASS, **CONTACT}
"""Attributes of the geom of a peg."""


def make_scene(robot: ToolArm, shape: pegs.PegShape, physics_hz: int) -> mujoco.MjSpec:
    """The bench with the arm, its peg, and the block as a mocap body "hole"."""
    spec = make_bench(physics_hz)
    robot.install(spec)
    pegs.add_peg_meshes(spec)
    pegs.add_peg(spec.body(HAND), shape, ADAPTER_LENGTH, **PEG)
    add_block(spec, shape)
    return spec


def add_block(spec: mujoco.MjSpec, shape: pegs.PegShape) -> None:
    """Adds the block with the hole of a shape as a mocap body "hole"."""
    hole = spec.worldbody.add_body(name="hole", mocap=True, pos=WORKSPACE)
    pegs.add_hole(hole, shape, floor=HOLE_FLOOR, **_BLOCK)


def choose_shapes(world: World, worlds: IntArray, chosen: IntArray, clearance: FloatArray) -> None:
    """Gives worlds (n,) the scene of a shape (n,), and walls that leave it a clearance in metres, (n,)."""
    world.choose(worlds, chosen)
    for number in np.unique(chosen):
        of_it, model = chosen == number, world.variants[number]
        places = pegs.walls_at(model, pegs.PEG_SHAPES[SHAPE_NAMES[number]], clearance[of_it])
        walls = model.geom("wall0").id + np.arange(places.shape[1])
        world.write("geom_pos", worlds[of_it], places, walls)
