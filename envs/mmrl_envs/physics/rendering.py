"""Camera images of many worlds: a pool of render threads, each with an OpenGL context of its own.

`make_renderer` gives a `Renderer`. Its threads start at the first image and live until `close`:
contexts are never re-created, because that is slow and corrupts drivers. Rows are handed to
whichever thread is free; an image depends on its own row alone. Where OpenGL is missing or fails,
the same pool casts rays instead.

N = rows, H x W = image size in pixels.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.arguments import available_cores
from mmrl_envs.physics import gl
from mmrl_envs.physics.flow import CHANNELS
from mmrl_envs.physics.opengl import LOOKS, OpenGLPainter
from mmrl_envs.physics.painter_pool import FlowJob, Job, Painter, PainterPool, PaintingError, PictureJob, Poses
from mmrl_envs.physics.raycast import RaycastPainter

Images = NDArray[Any]
Quality = Literal["policy", "video"]

_ORTHOGRAPHIC = int(mujoco.mjtProjection.mjPROJ_ORTHOGRAPHIC)
_COUNTS = (
    *("nq", "nv", "nbody", "njnt", "ngeom", "nsite", "ncam", "nlight", "nmocap", "nmesh"),
    *("nhfield", "ntex", "nmat", "ntendon", "nwrap", "nflex", "nskin"),
)
"""Counts that `MjData` and rendering contexts are sized by: others would be read out of bounds."""


class Renderer(Protocol):
    """Draws the worlds of one compiled scene."""

    failures: int
    """How often OpenGL failed and something else went on in its place."""

    @property
    def backend(self) -> str:
        """The platform that draws: "egl", "osmesa", "glfw", "cgl" or "raycast"."""

    def render(  # noqa: PLR0913 - one array each is plainer than a bundle
        self,
        models: Sequence[mujoco.MjModel],
        qpos: FloatArray,
        mocap_pos: FloatArray,
        mocap_quat: FloatArray,
        camera: str,
        height: int,
        width: int,
        *,
        depth: bool = False,
    ) -> Images:
        """One image per row.

        Args:
            models: N models, one per row, of one layout: they may differ in numbers and mesh
                shapes, not in counts.
            qpos: (N, nq).
            mocap_pos: (N, nmocap, 3) metres.
            mocap_quat: (N, nmocap, 4).
            camera: camera name.
            height: H.
            width: W.
            depth: distance along the optical axis instead of colour.

        Returns:
            (N, H, W, 3) uint8, or with `depth` (N, H, W, 1) float32 metres, where nothing but sky
            is at the far clipping plane (`vis.map.zfar * stat.extent`). A fresh array.

        Raises:
            ValueError: unknown camera, wrong shape, models of another layout.
            RuntimeError: the renderer is closed, or OpenGL failed and `MMRL_RENDERER` forbids
                another renderer.
        """

    def flow(
        self,
        models: Sequence[mujoco.MjModel],
        before: Poses,
        after: Poses,
        camera: str,
        height: int,
        width: int,
    ) -> NDArray[np.float32]:
        """Optical flow (N, H, W, 3) between two poses of each world, as `flow.flow_of` says it; a fresh array.

        Arguments and errors are those of `render`; an orthographic camera is a ValueError as well.
        """

    def close(self) -> None:
        """Free the contexts and end the threads; a second call does nothing."""


def make_renderer(
    model: mujoco.MjModel,
    *,
    num_threads: int | None = None,
    quality: Quality = "policy",
    geom_groups: Sequence[int] = (0, 1, 2),
    backend: str | None = None,
) -> Renderer:
    """A renderer for worlds laid out like `model`.

    Args:
        model: the scene; it is copied.
        num_threads: render threads at most, all available cores when `None`. No more start than
            rows are asked for.
        quality: "policy" is fast (no shadows, reflections, sky, haze, antialiasing, sites or
            tendons, coarse spheres and cylinders), "video" is for people.
        geom_groups: geom groups (0 to 5) that are drawn.
        backend: "raycast", or `None` for OpenGL where it works and ray casting elsewhere.

    Raises:
        ValueError: a bad argument or `MMRL_RENDERER`.
    """
    if quality not in LOOKS:
        raise ValueError(f"quality is {quality!r}; it can be one of {', '.join(LOOKS)}")
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads is {num_threads}; it must be at least 1")
    if not all(0 <= group < mujoco.mjNGROUP for group in geom_groups):
        raise ValueError(f"geom_groups is {tuple(geom_groups)}; groups run from 0 to {mujoco.mjNGROUP - 1}")
    if backend not in (None, "raycast"):
        raise ValueError(f"backend is {backend!r}; it can be 'raycast' or None ({gl.RENDERER_VARIABLE} decides)")
    gl.demanded()
    return _PooledRenderer(model, num_threads or available_cores(), quality, tuple(geom_groups), backend)


class _PooledRenderer:
    """Starts its painters at the first image, and others that cast rays when OpenGL fails."""

    def __init__(
        self,
        model: mujoco.MjModel,
        num_threads: int,
        quality: Quality,
        geom_groups: tuple[int, ...],
        backend: str | None,
    ) -> None:
        self._model = copy.copy(model)
        self._num_threads = num_threads
        self._look = LOOKS[quality]
        self._geom_groups = geom_groups
        self._backend = backend
        self._pool: PainterPool | None = None
        self._closed = False
        self.failures = 0

    @property
    def backend(self) -> str:
        if self._backend is None:
            self._backend = gl.preferred()
        if self._backend != "raycast" and self._pool is None and not self._closed:
            self._running_pool(1)  # a platform counts only once it gave a context
        return self._backend

    def render(  # noqa: PLR0913 - one array each is plainer than a bundle
        self,
        models: Sequence[mujoco.MjModel],
        qpos: FloatArray,
        mocap_pos: FloatArray,
        mocap_quat: FloatArray,
        camera: str,
        height: int,
        width: int,
        *,
        depth: bool = False,
    ) -> Images:
        poses = Poses(qpos, mocap_pos, mocap_quat)
        number = self._checked(models, (poses,), camera, height, width)
        shape, dtype = ((1,), np.float32) if depth else ((3,), np.uint8)
        images: Images = np.empty((len(models), height, width, *shape), dtype)
        self._draw(lambda: PictureJob(models, poses, number, images, depth), len(models))
        return images

    def flow(
        self,
        models: Sequence[mujoco.MjModel],
        before: Poses,
        after: Poses,
        camera: str,
        height: int,
        width: int,
    ) -> NDArray[np.float32]:
        number = self._checked(models, (before, after), camera, height, width)
        if int(self._model.cam_projection[number]) == _ORTHOGRAPHIC:
            raise ValueError(f"camera {camera!r} is orthographic; its optical flow is not known")
        flow = np.empty((len(models), height, width, CHANNELS), np.float32)
        self._draw(lambda: FlowJob(models, before, after, number, flow), len(models))
        return flow

    def close(self) -> None:
        self._closed = True
        if self._pool is not None:
            self._pool.close()
            self._pool = None

    def _checked(
        self, models: Sequence[mujoco.MjModel], poses: tuple[Poses, ...], camera: str, height: int, width: int
    ) -> int:
        """The id of the camera."""
        if self._closed:
            raise RuntimeError("the renderer is closed")
        for each in poses:
            _check_rows(self._model, models, each)
        if height < 1 or width < 1:
            raise ValueError(f"height x width is {height} x {width}; both must be at least 1")
        return _camera_id(self._model, camera)

    def _draw(self, make_job: Callable[[], Job], rows: int) -> None:
        """Have a job of so many rows done, by ray casting where OpenGL fails."""
        try:
            self._running_pool(rows).run(make_job())
        except PaintingError as error:
            self._give_up_opengl(error)
            self._draw(make_job, rows)

    def _running_pool(self, rows: int) -> PainterPool:
        """A pool with a thread for each row up to the limit; a forked child inherits no thread."""
        if self._backend is None:
            self._backend = gl.preferred()
        if self._pool is None or self._pool.process != os.getpid():
            self._pool = PainterPool(self._model, self._painter_maker())
        try:
            self._pool.grow(min(rows, self._num_threads))
        except PaintingError as error:
            self._give_up_opengl(error)
            return self._running_pool(rows)
        return self._pool

    def _painter_maker(self) -> Callable[[], Painter]:
        """Knows nothing of this object: threads keep it, and must not keep their own renderer."""
        if self._backend == "raycast":
            return partial(RaycastPainter, self._geom_groups)
        return partial(OpenGLPainter, self._model, self._look, self._geom_groups)

    def _give_up_opengl(self, error: PaintingError) -> None:
        """Go on with ray casting, unless that is what failed or the user insists on OpenGL."""
        if self._backend == "raycast":
            raise error
        if gl.demanded() is not None:
            raise RuntimeError(
                f"{gl.RENDERER_VARIABLE}={gl.demanded()}, but it failed: {error}; {gl.INSTALL_HINT}"
            ) from error
        gl.warn_once(
            f"OpenGL ({self._backend}) failed ({error}), so images are ray cast "
            f"(slower, plain shading); {gl.INSTALL_HINT}"
        )
        self._backend = "raycast"
        self.failures += 1
        if self._pool is not None:
            self._pool.close()
            self._pool = None


def _camera_id(model: mujoco.MjModel, camera: str) -> int:
    number = int(mujoco.mj_name2id(model, mujoco.mjtObj.mjOBJ_CAMERA.value, camera))
    if number < 0:
        names = [model.camera(i).name for i in range(model.ncam)]
        raise ValueError(f"no camera {camera!r}; the scene has {', '.join(names) or 'none'}")
    return number


def _layout(model: mujoco.MjModel) -> tuple[int, ...]:
    return tuple(getattr(model, count) for count in _COUNTS)


def _check_rows(expected: mujoco.MjModel, models: Sequence[mujoco.MjModel], poses: Poses) -> None:
    rows = len(models)
    nmocap = expected.nmocap
    shapes = {
        "qpos": (rows, expected.nq),
        "mocap_pos": (rows, nmocap, 3),
        "mocap_quat": (rows, nmocap, 4),
    }
    for (name, shape), values in zip(shapes.items(), poses, strict=True):
        if values.shape != shape:
            raise ValueError(f"{name} has shape {values.shape}; {rows} models need {shape}")
    layout = _layout(expected)
    for row, model in enumerate(dict.fromkeys(models)):
        if _layout(model) != layout:
            raise ValueError(f"distinct model {row} has counts {_layout(model)}; this renderer is for {layout}")
