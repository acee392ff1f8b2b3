"""Threads that draw rows of worlds, each with a painter and an `MjData` of its own.

MuJoCo's rendering and ray casting release the interpreter lock, so threads use the cores. A thread
takes the next row when it is free; an image depends on its own row alone, so the outcome does not
depend on who draws it.
"""

from __future__ import annotations

import atexit
import os
import queue
import threading
import weakref
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, Protocol

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray
from mmrl_envs.physics.flow import Surfaces, flow_of, placement_of

PATIENCE_S = 120.0
"""How long all threads may be silent before the driver counts as dead: some drivers hang instead of
failing."""


class PaintingError(RuntimeError):
    """A painter could not start, failed or hung; the cause says why."""


class Painter(Protocol):
    """Draws posed scenes on the one thread that made it."""

    def paint(
        self,
        model: mujoco.MjModel,
        data: mujoco.MjData,
        camera: int,
        image: NDArray[Any],
        *,
        depth: bool,
    ) -> None:
        """Fill `image` (H, W, 3) uint8, or with `depth` (H, W, 1) float32 metres, with what a
        camera sees."""

    def surfaces(self, model: mujoco.MjModel, data: mujoco.MjData, camera: int, height: int, width: int) -> Surfaces:
        """The geom that a camera sees in each pixel, and how far away it is."""

    def close(self) -> None:
        """Free what is held."""


class Poses(NamedTuple):
    """Poses of N worlds."""

    qpos: FloatArray
    """(N, nq)."""
    mocap_pos: FloatArray
    """(N, nmocap, 3) metres."""
    mocap_quat: FloatArray
    """(N, nmocap, 4)."""

    def put(self, row: int, model: mujoco.MjModel, data: mujoco.MjData) -> None:
        """Place all that can be seen in `data` as in a row."""
        data.qpos[:], data.mocap_pos[:], data.mocap_quat[:] = (state[row] for state in self)
        mujoco.mj_kinematics(model, data)
        mujoco.mj_comPos(model, data)  # cameras and lights may track a centre of mass
        mujoco.mj_camlight(model, data)
        mujoco.mj_flex(model, data)
        mujoco.mj_tendon(model, data)


class Job(ABC):
    """Rows to be worked on, which threads take one by one.

    Args:
        rows: N.
    """

    def __init__(self, rows: int) -> None:
        self.waiting = deque(range(rows))
        self.outcomes: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()

    def work(self, painter: Painter, data: mujoco.MjData) -> None:
        """Work on rows until none waits, then report to `outcomes`; an error makes the other threads
        stop as well."""
        try:
            while (row := self._next_row()) is not None:
                self.draw(row, painter, data)
        except Exception as error:
            self.waiting.clear()
            self.outcomes.put(error)
        else:
            self.outcomes.put(None)

    @abstractmethod
    def draw(self, row: int, painter: Painter, data: mujoco.MjData) -> None:
        """Work on one row."""

    def _next_row(self) -> int | None:
        try:
            return self.waiting.popleft()
        except IndexError:
            return None


class PictureJob(Job):
    """Images to be drawn.

    Args:
        models: N models.
        poses: of the worlds.
        camera: camera id.
        images: (N, H, W, C), to be filled.
        depth: whether distances are wanted.
    """

    def __init__(
        self, models: Sequence[mujoco.MjModel], poses: Poses, camera: int, images: NDArray[Any], depth: bool
    ) -> None:
        super().__init__(len(models))
        self._models, self._poses = models, poses
        self._camera, self._images, self._depth = camera, images, depth

    def draw(self, row: int, painter: Painter, data: mujoco.MjData) -> None:
        model = self._models[row]
        self._poses.put(row, model, data)
        painter.paint(model, data, self._camera, self._images[row], depth=self._depth)


class FlowJob(Job):
    """Optical flow from one pose of each world to another.

    Args:
        models: N models.
        before: poses that are seen.
        after: poses that what is seen moves to.
        camera: camera id.
        flow: (N, H, W, 3), to be filled.
    """

    def __init__(
        self, models: Sequence[mujoco.MjModel], before: Poses, after: Poses, camera: int, flow: NDArray[np.float32]
    ) -> None:
        super().__init__(len(models))
        self._models, self._before, self._after = models, before, after
        self._camera, self._flow = camera, flow

    def draw(self, row: int, painter: Painter, data: mujoco.MjData) -> None:
        model, camera = self._models[row], self._camera
        self._before.put(row, model, data)
        height, width = self._flow.shape[1:3]
        seen = painter.surfaces(model, data, camera, height, width)
        before = placement_of(data, camera)
        self._after.put(row, model, data)
        self._flow[row] = flow_of(seen, before, placement_of(data, camera), float(model.cam_fovy[camera]))


class PainterPool:
    """A growing number of painter threads for scenes laid out like `model`.

    Args:
        model: gives the threads' `MjData` its layout.
        make_painter: called on each new thread.
    """

    def __init__(self, model: mujoco.MjModel, make_painter: Callable[[], Painter]) -> None:
        self.process = os.getpid()
        self._model, self._make_painter = model, make_painter
        self._inboxes: list[queue.SimpleQueue[Job | None]] = []
        self._threads: list[threading.Thread] = []
        self._turn = threading.Lock()
        farewell = weakref.finalize(self, _dismiss, self._inboxes, self.process)
        farewell.atexit = False  # at exit `_close_all` does it, and waits

    def grow(self, threads: int) -> None:
        """Start threads until there are `threads`.

        Raises:
            PaintingError: a painter could not be made; the pool is of no use then.
        """
        with self._turn:
            while len(self._threads) < threads:
                self._start_thread()

    def _start_thread(self) -> None:
        inbox: queue.SimpleQueue[Job | None] = queue.SimpleQueue()
        started: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
        arguments = (self._model, self._make_painter, inbox, started)
        thread = threading.Thread(target=_serve, args=arguments, name="mmrl-painter", daemon=True)
        thread.start()
        self._inboxes.append(inbox)
        self._threads.append(thread)
        if (failure := _patient(started, int)) is not None:
            raise PaintingError(f"{type(failure).__name__}: {failure}") from failure
        _live.add(self)
        # Exit functions run last in, first out, and contexts must go before the display that
        # the driver has opened by now.
        atexit.unregister(_close_all)
        atexit.register(_close_all)

    def run(self, job: Job) -> None:
        """Draw all rows of `job`, on as many threads as it has rows.

        Raises:
            PaintingError: a painter failed or hung.
            ValueError: a painter refuses the scene or camera.
        """
        with self._turn:
            inboxes = self._inboxes[: len(job.waiting)]
            rows_left = partial(len, job.waiting)
            for inbox in inboxes:
                inbox.put(job)
            outcomes = [_patient(job.outcomes, rows_left) for _ in inboxes]
        for outcome in outcomes:
            _raise_failure(outcome)

    def close(self) -> None:
        """Have each thread free its painter and end; nothing in a forked child, which has none."""
        _dismiss(self._inboxes, self.process)
        if os.getpid() == self.process:
            for thread in self._threads:
                thread.join(timeout=5.0)  # a hung driver must not hold up its user
        _live.discard(self)


def _serve(
    model: mujoco.MjModel,
    make_painter: Callable[[], Painter],
    inbox: queue.SimpleQueue[Job | None],
    started: queue.SimpleQueue[Exception | None],
) -> None:
    """A painter thread: reports whether it could start, then works until it is handed `None`."""
    try:
        painter = make_painter()
    except Exception as error:
        started.put(error)
        return
    data = mujoco.MjData(model)
    started.put(None)
    while (job := inbox.get()) is not None:
        job.work(painter, data)
        del job  # its arrays belong to the caller, not to a thread at rest
    painter.close()


def _patient(outcomes: queue.SimpleQueue[Exception | None], left: Callable[[], int]) -> Exception | None:
    """The next outcome; an error when neither it nor progress comes for `PATIENCE_S`."""
    while True:
        before = left()
        try:
            return outcomes.get(timeout=PATIENCE_S)
        except queue.Empty:
            if left() == before:
                raise PaintingError(f"the driver has been silent for {PATIENCE_S:g} s") from None


def _raise_failure(outcome: Exception | None) -> None:
    if isinstance(outcome, ValueError):
        raise outcome
    if outcome is not None:
        raise PaintingError(f"{type(outcome).__name__}: {outcome}") from outcome


def _dismiss(inboxes: list[queue.SimpleQueue[Job | None]], process: int) -> None:
    if os.getpid() == process:
        for inbox in inboxes:
            inbox.put(None)


_live: weakref.WeakSet[PainterPool] = weakref.WeakSet()


def _close_all() -> None:
    for pool in list(_live):
        pool.close()
