"""The bench that tasks share: a table under a lamp, and a frame to work in.

Frames: the base frame has its origin on the table under the arm; the workspace frame W is parallel to it, z
up, with its origin at `WORKSPACE`, the centre of the workspace at the height of the block's top face.

Geom groups: 0 the table, 1 what a policy camera should see, 2 the arm (left out of policy cameras), 5 nothing
to see.
"""

from __future__ import annotations

import mujoco
import numpy as np

from mmrl_envs.scenes.empty import make_empty_scene
from mmrl_envs.scenes.groups import TABLE_GROUP

WORKSPACE = np.array([0.50, 0.0, 0.04])
"""Origin of W in the base frame, metres."""


# A wall gives way by 0.10 mm under 15 N, the most that the controller presses along an axis: a hole plays like one
# wider by 0.2 mm then. It stiffens within 0.7 mm, so that no action presses a peg a millimetre deep. Half critical
# damping: a critically damped contact of this stiffness is a brake of 1,100 N s/m, which lands with 1.3 x the force and
# whose corners take turns sliding, so the wrench chatters at any time step.
CONTACT = {"solref": (0.02, 0.5), "solimp": (0.5, 0.98, 0.0007, 0.5, 2.0)}


def make_bench(physics_hz: int) -> mujoco.MjSpec:
    """A table, a lamp, the spectator's camera and the site "workspace": a scene that still lacks robot and task."""
    spec = make_empty_scene("mmrl_workcell", physics_hz, headlight=0.25)
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.stat.center = WORKSPACE
    world = spec.worldbody
    world.add_light(
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        pos=[0.3, -0.6, 1.5],
        dir=[0.25, 0.5, -1.0],
        diffuse=[0.6, 0.6, 0.6],
        specular=[0.1, 0.1, 0.1],
        castshadow=True,
    )
    world.add_geom(
        name="table",
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.45, 0.45, 0.02],
        pos=[0.40, 0, -0.02],
        rgba=(0.42, 0.47, 0.52, 1),
        group=TABLE_GROUP,
        **CONTACT,
    )
    world.add_site(name="workspace", pos=WORKSPACE, group=5)
    _add_scene_camera(world)
    return spec


def _add_scene_camera(world: mujoco.MjsBody) -> None:
    """The spectator's camera, for videos."""
    eye, target = np.array([1.30, -0.80, 0.66]), np.array([0.36, 0.0, 0.30])
    back = (eye - target) / np.linalg.norm(eye - target)
    right = np.cross([0.0, 0.0, 1.0], back)
    right /= np.linalg.norm(right)
    quat = np.zeros(4)
    mujoco.mju_mat2Quat(quat, np.stack([right, np.cross(back, right), back], axis=1).ravel())
    world.add_camera(name="scene_camera", pos=eye, quat=quat, fovy=44)
