"""A plug with a ridge, and a socket in which a sprung bolt clicks behind the ridge.

The plug is a box, 16 mm along x and 24 mm along y, with a ridge across its face at +x. The socket has play on all
sides, a mouth with chamfers, and in its wall at +x a channel: there the ridge passes, and a bolt with a bevel stands in
its way. The ridge pushes the bolt back against its spring; once past the edge, the bolt draws the plug in and snaps to
its rest: the click. A floor lies below.

Frame: that of the socket, its origin at the centre of the mouth, in the face, z up. Metres, N.
"""

from __future__ import annotations

from dataclasses import dataclass

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.sound import MATERIALS, SOUNDING, plate_row
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.groups import ARM_GROUP, SCENE_GROUP
from mmrl_envs.scenes.workcell import CONTACT, WORKSPACE

PLUG_LENGTH = 0.06
"""Distance from the tool's face to the tip."""
PLUG_MASS = 0.10
HALF_X, HALF_Y = 0.008, 0.012
PLAY = 0.0006
"""Width of the socket minus that of the plug."""
CHAMFER = 0.002
"""Height and width of the chamfers of the mouth."""
RIDGE_ABOVE_TIP = 0.006
RIDGE_HEIGHT, RIDGE_HALF = 0.0018, 0.003
"""How far the ridge stands out of the plug, and half its length."""
EDGE_RADIUS = 0.0004
"""Radius of the edges of ridge and bolt."""
OVERLAP = 0.0012
"""How far the ridge of a plug in the middle pushes the bolt back."""
BEVEL_HEIGHT, BEVEL_SLOPE = 0.005, 0.5
"""Height of the bevel above the edge of the bolt, and how far it recedes per height."""
BOLT_MASS = 0.02
BOLT_STIFFNESS = 3000.0
"""N/m."""
BOLT_PRELOAD = 0.0008
"""Compression of the bolt's spring at rest."""
BOLT_DAMPING = 5.0
"""N s/m."""
CLICK_BELOW = 2 * EDGE_RADIUS
"""How far the ridge is below the edge of the bolt at most when the bolt lets go of it."""
FLOOR_BELOW = 0.012
"""Depth of the floor below the edge of the bolt."""
BOLT_POSITION = "bolt_position"
"""Name of the MuJoCo sensor of how far the bolt is pushed back, in metres."""
SHELL = plate_row(MATERIALS["plastic"], (0.06, 0.04, 0.002))
"""The wall of the socket that rings where the bolt snaps, as `mmrl_envs.physics.sound` describes plates."""

_SOCKET, _BOLT, _FLOOR = "socket", "bolt", "floor"
_HEIGHT, _THICKNESS, _CHANNEL_HALF, _TIP = 0.036, 0.012, 0.0065, 0.004
_BOX, _CAPSULE = mujoco.mjtGeom.mjGEOM_BOX, mujoco.mjtGeom.mjGEOM_CAPSULE
_PLUG = {"rgba": (0.90, 0.42, 0.10, 1.0), "group": SCENE_GROUP}
_BLOCK = {"rgba": (0.80, 0.78, 0.70, 1.0), "group": SCENE_GROUP, **CONTACT}
_HIDDEN = {"rgba": (0.20, 0.45, 0.70, 1.0), "group": ARM_GROUP}
"""Of what no policy's camera may see, the bolt and the floor."""
_NOTHING = {"contype": 0, "conaffinity": 0}
_MOUTH = {"contype": 4, "conaffinity": 4}
"""Mouth and tip meet each other alone: a plug that is in has only the walls beside it, which is faster."""
_FIRM = (0.95, 0.99, 0.0005, 0.5, 2.0)
"""Impedance of what a few grams press on: MuJoCo's constraints are as stiff as the masses behind them are large."""
_LATCH = {"contype": 2, "conaffinity": 2, "solref": (0.005, 1.0), "solimp": _FIRM}
"""Contacts of ridge and bolt, which touch each other and nothing else."""


def add_plug(hand: mujoco.MjsBody, root: float) -> None:
    """Adds the plug to a body whose z axis points out of the flange, from a distance to it on, metres."""
    half, end = PLUG_LENGTH / 2, root + PLUG_LENGTH
    shaft = {"type": _BOX, "pos": [0, 0, end - half], "size": [HALF_X, HALF_Y, half]}
    hand.add_geom(name="plug", mass=PLUG_MASS, **shaft, **_PLUG, **CONTACT)
    tip = {"type": _BOX, "pos": [0, 0, end - _TIP / 2], "size": [HALF_X, HALF_Y, _TIP / 2], "mass": 0}
    hand.add_geom(name="tip", **tip, **_PLUG, **_MOUTH, **CONTACT)
    edge, ridge = HALF_X + RIDGE_HEIGHT - EDGE_RADIUS, end - RIDGE_ABOVE_TIP
    ends = [edge, -RIDGE_HALF, ridge, edge, RIDGE_HALF, ridge]
    hand.add_geom(name="ridge", type=_CAPSULE, size=[EDGE_RADIUS, 0, 0], fromto=ends, mass=0, **_PLUG, **_LATCH)
    rib = {"type": _BOX, "pos": [edge / 2, 0, ridge], "size": [edge / 2, RIDGE_HALF, EDGE_RADIUS], "mass": 0}
    hand.add_geom(**rib, **_PLUG, **_NOTHING)


def add_socket(spec: mujoco.MjSpec) -> None:
    """Adds the socket as a mocap body, its bolt, its floor, and the sensor of the bolt."""
    socket = spec.worldbody.add_body(name=_SOCKET, mocap=True, pos=WORKSPACE)
    x, y = HALF_X + PLAY / 2, HALF_Y + PLAY / 2
    sides = (_Side((-1, 0), x, -y, y), *(_Side((0, sign), y, -x - _THICKNESS, x + _THICKNESS) for sign in (-1, 1)))
    for side in (*sides, _Side((1, 0), x, -y, -_CHANNEL_HALF), _Side((1, 0), x, _CHANNEL_HALF, y)):
        side.install(socket)
    _add_bolt(socket)
    floor = socket.add_body(name=_FLOOR, pos=[0, 0, -0.01 - FLOOR_BELOW])
    floor.add_geom(type=_BOX, size=[x, y, 0.004], pos=[0, 0, -0.004], **_HIDDEN, **CONTACT)
    kind, joint = mujoco.mjtSensor.mjSENS_JOINTPOS, mujoco.mjtObj.mjOBJ_JOINT
    spec.add_sensor(name=BOLT_POSITION, type=kind, objtype=joint, objname=SOUNDING)


def place_bolts(world: World, worlds: IntArray, depth: FloatArray, stiffness: FloatArray) -> None:
    """Gives sockets of worlds (n,) a depth of the bolt, (n,) metres, a floor so far below, and a spring, (n,) N/m."""
    model = world.template
    bodies = np.array([model.body(_BOLT).id, model.body(_FLOOR).id])
    places = np.tile(model.body_pos[bodies], (len(worlds), 1, 1))
    places[:, 0, 2], places[:, 1, 2] = -depth, -depth - FLOOR_BELOW
    world.write("body_pos", worlds, places, bodies)
    world.write("jnt_stiffness", worlds, stiffness[:, None], np.array([model.joint(SOUNDING).id]))


def _add_bolt(socket: mujoco.MjsBody) -> None:
    bolt = socket.add_body(name=_BOLT, pos=[0, 0, -0.01])
    bolt.add_joint(
        name=SOUNDING,
        type=mujoco.mjtJoint.mjJNT_SLIDE,
        axis=[1, 0, 0],
        limited=True,
        range=[0, 0.004],
        stiffness=BOLT_STIFFNESS,
        springref=-BOLT_PRELOAD,
        damping=BOLT_DAMPING,
        solref_limit=_LATCH["solref"],
        solimp_limit=_FIRM,
    )
    edge = HALF_X + RIDGE_HEIGHT - OVERLAP + EDGE_RADIUS
    back = edge + BEVEL_SLOPE * BEVEL_HEIGHT
    bevel = {"fromto": [edge, 0, 0, back, 0, BEVEL_HEIGHT], "size": [EDGE_RADIUS, 0, 0], "mass": BOLT_MASS}
    bolt.add_geom(type=_CAPSULE, **bevel, **_HIDDEN, **_LATCH)
    shank = {"pos": [back + 0.003, 0, BEVEL_HEIGHT / 2], "size": [0.003, 0.003, BEVEL_HEIGHT / 2], "mass": 0}
    bolt.add_geom(type=_BOX, **shank, **_HIDDEN, **_NOTHING)


@dataclass(frozen=True)
class _Side:
    """A wall of the socket and its part of the mouth, three boxes."""

    outward: tuple[int, int]
    """Direction in the plane, along x or y."""
    inset: float
    """Distance of the wall's face from the middle along `outward`."""
    first: float
    """Where it begins along the other axis."""
    last: float
    """Where it ends there."""

    def install(self, socket: mujoco.MjsBody) -> None:
        """Adds the wall below the mouth, the chamfer, and the face around it."""
        low = (_HEIGHT - CHAMFER) / 2
        self._add_box(socket, self.inset, -CHAMFER - 2 * low, 2 * low, _THICKNESS, _BLOCK)
        around = self.inset + CHAMFER
        self._add_box(socket, around, -CHAMFER, CHAMFER, _THICKNESS - CHAMFER, {**_BLOCK, **_MOUTH})
        across = np.array([abs(self.outward[1]), abs(self.outward[0]), 0.0])
        slope = np.array([-self.outward[0], -self.outward[1], 1.0]) / np.sqrt(2)  # out of the face of the chamfer
        quat = np.zeros(4)
        mujoco.mju_mat2Quat(quat, np.stack([np.cross(across, slope), across, slope], axis=1).ravel())
        depth = CHAMFER / 4
        middle = self._at(self.inset + CHAMFER / 2, -CHAMFER / 2) - depth * slope
        size = [CHAMFER / np.sqrt(2), (self.last - self.first) / 2, depth]
        socket.add_geom(type=_BOX, size=size, pos=middle, quat=quat, **_BLOCK, **_MOUTH)

    def _add_box(
        self,
        socket: mujoco.MjsBody,
        start: float,
        bottom: float,
        height: float,
        thickness: float,
        look: dict[str, object],
    ) -> None:
        size = np.abs([*self.outward, 0]) * thickness / 2 + np.array([0, 0, height / 2])
        size += np.abs([self.outward[1], self.outward[0], 0]) * (self.last - self.first) / 2
        socket.add_geom(type=_BOX, size=size, pos=self._at(start + thickness / 2, bottom + height / 2), **look)

    def _at(self, out: float, z: float) -> FloatArray:
        """A place in the middle of the side."""
        along, across = np.array([*self.outward, 0.0]), np.abs([self.outward[1], self.outward[0], 0.0])
        place: FloatArray = out * along + (self.first + self.last) / 2 * across + np.array([0.0, 0.0, z])
        return place
