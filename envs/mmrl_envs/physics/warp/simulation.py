"""N worlds of one compiled model on a device of Warp, in single precision.

Everything on this side is numpy: what goes to the device and what comes back are whole arrays over worlds.

Letters: N = worlds, S = physics steps per control step, U = controls, D = numbers of all sensors.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray
from mmrl_envs.physics.warp.library import Warp

STATE = ("time", "qpos", "qvel", "act", "qacc_warmstart", "ctrl", "mocap_pos", "mocap_quat")
"""Arrays of the state, (N, ...), from which a simulation goes on as it would have."""

MOST_CONTACTS = 128
"""Contacts that there is room for in a world; more are a failure of its physics."""

_ROWS_PER_CONTACT = 6  # of a contact with all its frictions
_DRAWN_ONLY = ("cam_", "light_", "mat_", "tex_", "vis.", "geom_rgba", "site_rgba")


class WarpSimulation:
    """N worlds of one model.

    Args:
        warp: the modules.
        model: as compiled.
        num_worlds: N.
        substeps: S.

    Raises ValueError for a model with something that MuJoCo Warp does not simulate.
    """

    def __init__(self, warp: Warp, model: mujoco.MjModel, num_worlds: int, substeps: int) -> None:
        self._warp, self._host = warp, model
        self._num_worlds, self._substeps = num_worlds, substeps
        self._device = warp.language.get_device()
        self._edited: dict[str, int] = {}
        self._graph: Any = None
        self._put_model()
        rows = _ROWS_PER_CONTACT * MOST_CONTACTS
        self._data = warp.mujoco.make_data(model, nworld=num_worlds, nconmax=MOST_CONTACTS, njmax=rows)
        self._control = self._zeros(model.nu)
        self._recorded = self._zeros(model.nsensordata)

    def _put_model(self) -> None:
        try:
            self._model = self._warp.mujoco.put_model(self._host, batch_sizes=self._edited)
        except NotImplementedError as error:
            raise ValueError(f"MuJoCo Warp cannot simulate this scene: {error}") from error
        self._model.opt.warn_overflow = 0  # each is reported as a failure of its world
        if self._device.is_cuda:  # threads of a GPU finish in any order
            self._model.opt.deterministic = self._warp.mujoco.DeterminismType.ALL

    def _zeros(self, width: int) -> Any:
        return self._warp.language.zeros((self._substeps, self._num_worlds, width), dtype=float, device=self._device)

    def edit(self, fields: Mapping[str, NDArray[Any]]) -> None:
        """Gives every world its own values of fields of the model, (N, ...)."""
        new = [name for name in fields if name not in self._edited]
        if new:
            self._edited |= dict.fromkeys(new, self._num_worlds)
            self._put_model()
            self._graph = None  # it has the arrays of the old model
        for name, values in fields.items():
            getattr(self._model, name).assign(np.ascontiguousarray(values))

    def clear(self, worlds: BoolArray) -> None:
        """Takes worlds, (N,), back to the beginning of time, with nothing left of what they computed."""
        self._warp.mujoco.reset_data(self._model, self._data, self._to_device(worlds))

    def put(self, name: str, values: NDArray[Any]) -> None:
        """Sets an array of the state, (N, ...), of all worlds."""
        getattr(self._data, name).assign(np.ascontiguousarray(values, np.float32))

    def get(self, name: str) -> FloatArray:
        """An array of the state, (N, ...), or the sensor readings, (N, D), in double precision."""
        return np.asarray(getattr(self._data, name).numpy(), np.float64)

    def forward(self) -> FloatArray:
        """Sensor readings, (N, D), of all worlds as they stand; no time passes."""
        self._warp.mujoco.forward(self._model, self._data)
        return self.get("sensordata")

    def step(self, control: FloatArray) -> tuple[FloatArray, BoolArray]:
        """S physics steps under inputs of the actuators, (N, S, U).

        Returns the readings of each, (N, S, D), of the state before it, and the worlds that ran out of room, (N,).
        """
        self._data.overflow.zero_()
        self._control.assign(np.ascontiguousarray(control.swapaxes(0, 1), np.float32))
        if self._device.is_cuda:
            self._launch()
        else:
            self._steps()
        readings = np.asarray(self._recorded.numpy(), np.float64).swapaxes(0, 1)
        return readings, self._data.overflow.numpy() != 0

    def _steps(self) -> None:
        copy = self._warp.language.copy
        for s in range(self._substeps):
            copy(self._data.ctrl, self._control[s])
            self._warp.mujoco.step(self._model, self._data)
            copy(self._recorded[s], self._data.sensordata)

    def _launch(self) -> None:
        """All steps in one graph, which a GPU runs without a word from Python."""
        if self._graph is None:
            self._steps()  # kernels are compiled before they are captured
            with self._warp.language.ScopedCapture(self._device) as capture:
                self._steps()
            self._graph = capture.graph
            return
        self._warp.language.capture_launch(self._graph)

    def _to_device(self, values: NDArray[Any]) -> Any:
        return self._warp.language.array(np.ascontiguousarray(values), device=self._device)


def is_drawn_only(field: str) -> bool:
    """Whether a field of a model is nothing but looks, which are drawn from the host's copy."""
    return field.startswith(_DRAWN_ONLY)


def fields_of_worlds(warp: Warp) -> frozenset[str]:
    """Fields of a model that may differ from world to world."""
    declared = dataclasses.fields(warp.mujoco.Model)
    return frozenset(field.name for field in declared if getattr(field.type, "shape", ("",))[:1] == ("*",))
