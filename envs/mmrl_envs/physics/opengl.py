"""Drawing posed scenes with MuJoCo's OpenGL renderer, on one thread and one context.

What MuJoCo spends on a small software-rendered image is mostly shadows, reflections, multisampling
and finely cut spheres. A `Detail` says which of that is kept.
"""

from __future__ import annotations

import copy
import hashlib
import weakref
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl_envs.physics import gl
from mmrl_envs.physics.flow import Surfaces

_EFFECTS = [
    int(mujoco.mjtRndFlag.__members__[f"mjRND_{name}"]) for name in ("SHADOW", "REFLECTION", "SKYBOX", "FOG", "HAZE")
]
_IDENTITY_COLOURS = [int(mujoco.mjtRndFlag.mjRND_SEGMENT), int(mujoco.mjtRndFlag.mjRND_IDCOLOR)]
_GEOM = int(mujoco.mjtObj.mjOBJ_GEOM)
_ORTHOGRAPHIC = int(mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC)


@dataclass(frozen=True)
class Detail:
    """How much work goes into an image."""

    samples: int
    """Antialiasing samples per pixel, 0 for none."""
    shadow_size: int
    """Shadow map width in pixels."""
    slices: int
    """Subdivisions of spheres and cylinders around the axis."""
    stacks: int
    """Subdivisions of spheres and cylinders along the axis."""
    quads: int
    """Subdivisions of a box face."""
    effects: bool
    """Whether shadows, reflections, sky, haze and tendons are drawn."""

    def applied_to(self, model: mujoco.MjModel) -> mujoco.MjModel:
        """A copy of `model` whose rendering context has this look; MuJoCo reads these fields when
        it makes one."""
        model = copy.copy(model)
        quality, size = model.vis.quality, model.vis.global_
        quality.offsamples, quality.shadowsize = self.samples, self.shadow_size
        quality.numslices, quality.numstacks, quality.numquads = (
            self.slices,
            self.stacks,
            self.quads,
        )
        size.offwidth, size.offheight = 64, 64
        return model

    def scene_option(self, geom_groups: Sequence[int]) -> mujoco.MjvOption:
        """The visible parts of a scene: the geom groups, and no sites, which may mark a goal."""
        option = mujoco.MjvOption()
        option.geomgroup[:] = 0
        option.geomgroup[list(geom_groups)] = 1
        option.sitegroup[:] = 0
        option.flags[mujoco.mjtVisFlag.mjVIS_RANGEFINDER] = 0
        option.flags[mujoco.mjtVisFlag.mjVIS_TENDON] = self.effects
        return option


LOOKS = {
    "policy": Detail(samples=0, shadow_size=0, slices=8, stacks=4, quads=1, effects=False),
    "video": Detail(samples=4, shadow_size=2048, slices=28, stacks=16, quads=4, effects=True),
}


class OpenGLPainter:
    """Draws posed scenes in an OpenGL context that is current on the creating thread; to be used
    there only.

    Args:
        model: the scene whose meshes and textures are loaded first.
        look: how the images look.
        geom_groups: geom groups (0 to 5) that are drawn.

    Raises:
        Exception: whatever the driver or MuJoCo raises when no context can be had.
    """

    def __init__(self, model: mujoco.MjModel, look: Detail, geom_groups: Sequence[int]) -> None:
        self._look = look
        self._option = look.scene_option(geom_groups)
        self._scene = mujoco.MjvScene(model, maxgeom=2 * model.ngeom + 1000)  # tendons and skins add some
        if not look.effects:
            self._scene.flags[_EFFECTS] = 0
        self._camera = mujoco.MjvCamera()
        self._camera.type = mujoco.mjtCamera.mjCAMERA_FIXED
        self._assets: weakref.WeakKeyDictionary[Any, bytes] = weakref.WeakKeyDictionary()
        self._contexts: dict[bytes, mujoco.MjrContext] = {}
        self._bound: mujoco.MjrContext | None = None
        self._pixels: NDArray[Any] = np.empty(0, np.uint8)
        self._platform_context = gl.create_context()
        try:
            self._bind(model)
        except BaseException:
            self.close()
            raise

    def paint(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: int,
        image: NDArray[Any],
        *,
        depth: bool,
    ) -> None:
        """Fill `image` with what a camera sees.

        Args:
            model: the scene.
            data: its state, with positions of geoms, cameras and lights computed.
            camera: camera id.
            image: (H, W, 3) uint8, or with `depth` (H, W, 1) float32 metres along the optical axis.
            depth: whether distances are wanted.
        """
        if self._pixels.shape != image.shape or self._pixels.dtype != image.dtype:
            self._pixels = np.empty_like(image)
        pixels = self._pixels
        context, area = self._render(model, data, camera, *image.shape[:2], identity=depth)
        if depth:
            mujoco.mjr_readPixels(None, pixels, area, context)
            image[...] = _metres(pixels[::-1], model, camera)
        else:
            mujoco.mjr_readPixels(pixels, None, area, context)
            image[...] = pixels[::-1]  # OpenGL counts rows from the bottom

    def surfaces(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, height: int, width: int) -> Surfaces:
        """The geom that a camera sees in each pixel, -1 for anything else, and how far away it is."""
        context, area = self._render(model, data, camera, height, width, identity=True)
        colours, buffer = np.empty((height, width, 3), np.uint8), np.empty((height, width), np.float32)
        mujoco.mjr_readPixels(colours, buffer, area, context)
        identities = colours[::-1].astype(np.int32) @ np.array([1, 1 << 8, 1 << 16], np.int32)
        return Surfaces(self._geoms_by_identity()[identities], _metres(buffer[::-1], model, camera))

    def _render(
        self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, height: int, width: int, *, identity: bool
    ) -> tuple[mujoco.MjrContext, mujoco.MjrRect]:
        """Draws into the off-screen buffer; with `identity` every thing in a flat colour of its own.

        Those colours need no lighting and leave the depth of every geom in place.
        """
        context = self._bind(model)
        self._fit(context, height, width)
        self._scene.flags[_IDENTITY_COLOURS] = identity
        self._camera.fixedcamid = camera
        # Endless planes are cut around the camera, and `mjv_updateScene` still uses the last:
        # without this an image would depend on the row drawn before it.
        mujoco.mjv_updateCamera(model, data, self._camera, self._scene)
        everything = mujoco.mjtCatBit.mjCAT_ALL.value
        mujoco.mjv_updateScene(model, data, self._option, None, self._camera, everything, self._scene)
        area = mujoco.MjrRect(0, 0, width, height)
        mujoco.mjr_render(area, self._scene, context)
        return context, area

    def _geoms_by_identity(self) -> NDArray[np.int32]:
        """Geom ids by the identity colour, 0 for the background; -1 for what is no geom of the model."""
        drawn = self._scene.geoms[: self._scene.ngeom]
        geoms = np.full(2 + max((one.segid for one in drawn), default=-1), -1, np.int32)
        for one in drawn:
            if one.objtype == _GEOM:
                geoms[one.segid + 1] = one.objid
        return geoms

    def close(self) -> None:
        """Free the context with all that was loaded into it."""
        for context in self._contexts.values():
            context.free()
        self._contexts.clear()
        self._bound = None
        with gl.exclusive():
            self._platform_context.free()

    def _bind(self, model: mujoco.MjModel) -> mujoco.MjrContext:
        """The loaded assets of `model`; models that differ in mesh, height field or texture data
        have their own."""
        key = self._asset_key(model)
        context = self._contexts.get(key)
        if context is None:
            context = self._contexts[key] = _load(self._look.applied_to(model))
            context.readDepthMap = mujoco.mjtDepthMap.mjDEPTH_ZEROFAR
        if context is not self._bound:
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)
            self._bound = context
        return context

    def _asset_key(self, model: mujoco.MjModel) -> bytes:
        key = self._assets.get(model)
        if key is None:
            digest = hashlib.blake2b(digest_size=16)
            for values in (model.mesh_vert, model.mesh_face, model.hfield_data, model.tex_data):
                digest.update(np.ascontiguousarray(values).tobytes())
            key = self._assets[model] = digest.digest()
        return key

    def _fit(self, context: mujoco.MjrContext, height: int, width: int) -> None:
        """Grow the off-screen buffer; a larger one than needed costs nothing, so none shrinks."""
        if width > context.offWidth or height > context.offHeight:
            mujoco.mjr_resizeOffscreen(max(width, context.offWidth), max(height, context.offHeight), context)
            mujoco.mjr_setBuffer(mujoco.mjtFramebuffer.mjFB_OFFSCREEN.value, context)


_found: bool | None = None
"""Whether MuJoCo found an OpenGL library in this process; None before it looked."""


def _load(model: mujoco.MjModel) -> mujoco.MjrContext:
    """The assets of `model` in the current context.

    MuJoCo looks for OpenGL once in a process. Where it found none, it hangs or aborts when it is to look again.

    Raises:
        RuntimeError: MuJoCo found no OpenGL in this process before.
        mujoco.FatalError: it finds none now, or the driver refuses.
    """
    global _found
    if _found is False:
        raise RuntimeError("MuJoCo found no OpenGL in this process before and does not look again")
    scale = mujoco.mjtFontScale.mjFONTSCALE_50.value
    try:
        context = mujoco.MjrContext(model, scale)
    except mujoco.FatalError:
        _found = bool(_found)
        raise
    _found = True
    return context


def _metres(buffer: NDArray[np.float32], model: mujoco.MjModel, camera: int) -> NDArray[np.float64]:
    """Distance along the optical axis from a depth buffer b that is 1 at the near and 0 at the far
    plane.

    The perspective projection stores b = n (f - z) / (z (f - n)) for a point at distance z, so z =
    f n / (b (f - n) + n).
    """
    near = float(model.vis.map.znear * model.stat.extent)
    far = float(model.vis.map.zfar * model.stat.extent)
    b = buffer.astype(np.float64)
    if int(model.cam_projection[camera]) == _ORTHOGRAPHIC:
        return np.asarray(far - b * (far - near))
    return np.asarray(far * near / (b * (far - near) + near))
