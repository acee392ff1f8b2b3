"""The ground under a walker: a ramp with bumps, a plane of its own under each foot.

The ground is a height over x and y: a ramp down along x, and waves from all sides. Each foot touches a plane of its own
that is tangent to the ground where the foot is over it and is laid anew at every control step. That is exact on a ramp;
on bumps it is right as long as they bend less than the sole of a foot and a foot moves a small part of their length
from step to step: their slopes are felt, not their edges.

Letters: N = worlds, n = a subset, F = feet, W = waves.
"""

from __future__ import annotations

from collections.abc import Mapping

import mujoco
import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.world import World
from mmrl_envs.scenes.empty import make_empty_scene
from mmrl_envs.scenes.groups import TABLE_GROUP

GRAVITY = 9.81
"""m/s^2."""
WAVELENGTHS = np.array([0.25, 0.35, 0.5, 0.7])
"""Of the bumps in metres, (W,)."""


def make_open_air(physics_hz: int) -> mujoco.MjSpec:
    """A lamp and a sky: a scene that still lacks ground and robot."""
    spec = make_empty_scene("mmrl_open_air", physics_hz, headlight=0.35)
    spec.option.gravity = [0, 0, -GRAVITY]
    lamp = {"type": mujoco.mjtLightType.mjLIGHT_DIRECTIONAL, "pos": [0, -1, 3], "dir": [0.1, 0.3, -1.0]}
    spec.worldbody.add_light(diffuse=[0.6, 0.6, 0.6], castshadow=True, **lamp)
    return spec


def add_ground(spec: mujoco.MjSpec, bits: Mapping[str, int], **contact: object) -> None:
    """Adds what is seen of the ground, and for each foot a plane that nobody sees.

    Args:
        spec: the scene.
        bits: of the foot that each plane is for, by the foot's name.
        contact: attributes of the planes.
    """
    spec.add_texture(
        name="tiles",
        type=mujoco.mjtTexture.mjTEXTURE_2D,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_CHECKER,
        rgb1=(0.42, 0.47, 0.52),
        rgb2=(0.36, 0.40, 0.45),
        width=128,
        height=128,
    )
    tiles = spec.add_material(name="tiles", texrepeat=[5, 5], texuniform=True)
    tiles.textures[mujoco.mjtTextureRole.mjTEXROLE_RGB] = "tiles"
    plane = {"type": mujoco.mjtGeom.mjGEOM_PLANE, "contype": 0}
    seen = spec.worldbody.add_body(name="ground", mocap=True)
    seen.add_geom(size=[10, 10, 0.1], material="tiles", conaffinity=0, group=TABLE_GROUP, **plane)
    for foot, bit in bits.items():
        under = spec.worldbody.add_body(name=f"{foot}_ground", mocap=True)
        under.add_geom(name=f"{foot}_ground", size=[1, 1, 0.1], conaffinity=bit, group=5, **plane, **contact)


class Ground:
    """The ground of N worlds.

    Args:
        world: the worlds, whose scene `add_ground` has made, with no other mocap bodies.
    """

    def __init__(self, world: World) -> None:
        self._world = world
        size = (world.num_worlds, len(WAVELENGTHS))
        self._fall, self._height = np.zeros(world.num_worlds), np.zeros(world.num_worlds)
        self._along, self._phase = np.zeros((*size, 2)), np.zeros(size)
        feet = world.mocap_pos.shape[1] - 1
        self.up: FloatArray = np.tile([0.0, 0.0, 1.0], (world.num_worlds, feet, 1))
        """Unit vector up from the plane of each foot, (N, F, 3)."""

    def shape(self, worlds: IntArray, slope: FloatArray, roughness: FloatArray, drawn: FloatArray) -> None:
        """Gives worlds another ground.

        Args:
            worlds: which, (n,).
            slope: of the ramp in radians, down along x, (n,).
            roughness: standard deviation of the height of the bumps in metres, (n,).
            drawn: numbers in [0, 1) for directions and phases of the waves, (n, W, 2).
        """
        self._fall[worlds] = np.tan(slope)
        self._height[worlds] = roughness * np.sqrt(2.0 / len(WAVELENGTHS))
        turn = 2 * np.pi * drawn[..., 0]
        self._along[worlds] = np.stack([np.cos(turn), np.sin(turn)], axis=-1) * (2 * np.pi / WAVELENGTHS)[:, None]
        self._phase[worlds] = 2 * np.pi * drawn[..., 1]

    def at(self, worlds: IntArray, places: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Height in metres (n, F) and unit normal (n, F, 3) of the ground at places x, y in metres, (n, F, 2)."""
        wave = np.einsum("nfd,nwd->nfw", places, self._along[worlds]) + self._phase[worlds, None]
        high = self._height[worlds, None]
        fall = self._fall[worlds, None]
        height = high * np.sin(wave).sum(axis=-1) - fall * places[..., 0]
        rise = high[..., None] * np.einsum("nfw,nwd->nfd", np.cos(wave), self._along[worlds])
        normal = np.stack([fall - rise[..., 0], -rise[..., 1], np.ones_like(height)], axis=-1)
        return height, normal / np.linalg.norm(normal, axis=-1, keepdims=True)

    def lay(self, worlds: IntArray, places: FloatArray) -> None:
        """Lays the planes of the feet of worlds (n,) where the feet are, x and y in metres, (n, F, 2)."""
        height, normal = self.at(worlds, places)
        self.up[worlds] = normal
        ramp = np.stack([self._fall[worlds], np.zeros(len(worlds)), np.ones(len(worlds))], axis=-1)
        ramp /= np.linalg.norm(ramp, axis=-1, keepdims=True)
        position = np.concatenate([np.zeros((len(worlds), 1, 3)), np.concatenate([places, height[..., None]], 2)], 1)
        self._world.write("mocap_pos", worlds, position)
        self._world.write("mocap_quat", worlds, upright_on(np.concatenate([ramp[:, None], normal], axis=1)))

    def arrays(self) -> dict[str, FloatArray]:
        """Its shape and the normals of the planes."""
        names = ("fall", "height", "along", "phase")
        return {f"ground_{name}": vars(self)[f"_{name}"] for name in names} | {"ground_up": self.up}


def upright_on(normal: FloatArray) -> FloatArray:
    """Quaternions w, x, y, z (..., 4) that turn the z axis to unit vectors (..., 3) the shortest way."""
    x, y, z = np.moveaxis(normal, -1, 0)
    quat = np.stack([1.0 + z, -y, x, np.zeros_like(z)], axis=-1)
    turned: FloatArray = quat / np.linalg.norm(quat, axis=-1, keepdims=True)
    return turned
