"""The bench that tasks share.

A Panda on a table, a straight tool pointing down, a Cartesian controller, and the senses' anchors.

Frames: the base frame has its origin on the table under the arm; the workspace frame W is parallel to it, z
up, with its origin at `WORKSPACE`, the centre of the workspace at the height of the block's top face. The
tool's frame ("hand") has z out of the flange.

Geom groups: 0 the table, 1 what a policy camera should see, 2 the arm (left out of policy cameras), 5 nothing
to see.
"""

from __future__ import annotations

import mujoco
import numpy as np

from mmrl_envs.controllers.impedance import Impedance
from mmrl_envs.robots import panda
from mmrl_envs.scenes.groups import ARM_GROUP, TABLE_GROUP

WORKSPACE = np.array([0.50, 0.0, 0.04])
"""Origin of W in the base frame, metres."""
ADAPTER_LENGTH = 0.04
"""Length of the part between flange and peg, metres."""


# A wall gives way by 0.10 mm under 15 N, the most that the controller presses along an axis: a hole plays like one
# wider by 0.2 mm then. It stiffens within 0.7 mm, so that no action presses a peg a millimetre deep. Half critical
# damping: a critically damped contact of this stiffness is a brake of 1,100 N s/m, which lands with 1.3 x the force and
# whose corners take turns sliding, so the wrench chatters at any time step.
CONTACT = {"solref": (0.02, 0.5), "solimp": (0.5, 0.98, 0.0007, 0.5, 2.0)}


def make_bench(*, physics_hz: int, tool_length: float, impedance: Impedance) -> mujoco.MjSpec:
    """Arm, table, lights, tool body "hand" with sites "flange" and "tip", controller and task-level sensors.

    Args:
        physics_hz: physics steps per second.
        tool_length: distance from flange to tip in metres.
        impedance: the controller.

    Returns:
        A scene whose body "hand" still lacks the tool itself.
    """
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
    world.add_site(name="setpoint_frame", pos=WORKSPACE, quat=[0, 1, 0, 0], group=5)
    _add_scene_camera(world)
    hand = panda.add_panda(spec, geom_group=ARM_GROUP).add_body(name="hand", gravcomp=1)
    hand.add_site(name="flange", group=5)
    hand.add_site(name="tip", pos=[0, 0, tool_length], group=5)
    impedance.install(spec, tip_site="tip", reference_site="setpoint_frame")
    _add_task_sensors(spec)
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


def _add_task_sensors(spec: mujoco.MjSpec) -> None:
    """What reward, success and `info` are computed from, whatever senses the policy has."""
    site, kinds = mujoco.mjtObj.mjOBJ_SITE, mujoco.mjtSensor
    for name, kind, reference in (
        ("tip_position", kinds.mjSENS_FRAMEPOS, "workspace"),
        ("tip_xaxis", kinds.mjSENS_FRAMEXAXIS, "workspace"),
        ("tip_zaxis", kinds.mjSENS_FRAMEZAXIS, "workspace"),
        ("tip_velocity", kinds.mjSENS_FRAMELINVEL, "workspace"),
        ("tip_angular_velocity", kinds.mjSENS_FRAMEANGVEL, "workspace"),
    ):
        spec.add_sensor(name=name, type=kind, objtype=site, objname="tip", reftype=site, refname=reference)
    # Net force of all contacts of the tool (reduce = 3, net force; data = bit 1, force): what `info` reports.
    spec.add_sensor(
        name="contact_force",
        type=kinds.mjSENS_CONTACT,
        objtype=mujoco.mjtObj.mjOBJ_BODY,
        objname="hand",
        intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],
    )
