"""The bench that tasks share: a table under a lamp, and a frame to work in.

Frames: the base frame has its origin on the table under the arm; the workspace frame W is parallel to it, z
up, with its origin at `WORKSPACE`, the centre of the workspace at the height of the block's top face.

Geom groups: 0 the table, 1 what a policy camera should see, 2 the arm (left out of policy cameras), 5 nothing
to see.
"""

from __future__ import annotations

import mujoco
import numpy as np

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
    spec = mujoco.MjSpec()
    spec.modelname = "mmrl_workcell"
    spec.compiler.degree = False
    spec.option.timestep = 1.0 / physics_hz
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.option.solver = mujoco.mjtSolver.mjSOL_NEWTON
    spec.stat.extent = 1.0
    spec.stat.center = WORKSPACE
    spec.visual.map.znear = 0.01
    spec.visual.headlight.ambient = (0.25, 0.25, 0.25)
    spec.visual.headlight.diffuse = (0.25, 0.25, 0.25)
    spec.visual.headlight.specular = (0.0, 0.0, 0.0)
    spec.add_texture(
        name="backdrop",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.93, 0.95, 0.97),
        rgb2=(0.70, 0.76, 0.82),
        width=64,
        height=64 * 6,
    )
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
