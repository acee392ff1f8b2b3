"""N parallel worlds on MuJoCo Warp, all on one device.

The host keeps a copy of the state in double precision, which tasks and sensors read as that of any other engine; the
device computes in single precision. Worlds on different variants of a scene are stepped by a simulation of each
variant, which has room for all worlds, so that K variants in use cost K times as much.

Letters: N = worlds, n = a subset of them, S = physics steps per control step, U = controls.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl_envs.physics.modelled_world import ModelledWorld
from mmrl_envs.physics.version import PHYSICS_VERSION
from mmrl_envs.physics.warp.library import load_warp
from mmrl_envs.physics.warp.simulation import STATE, WarpSimulation, fields_of_worlds, is_drawn_only
from mmrl_envs.physics.world import STATE_FIELDS


class WarpWorld(ModelledWorld):
    """N copies of a scene, as `mmrl_envs.physics.world.World`.

    The device is that which Warp has chosen, the first GPU where there is one; `warp.set_device` chooses another.

    Args:
        variants: compiled models of one layout; world i starts on a copy of the first.
        num_worlds: N.
        substeps: S, physics steps per control step.

    Raises:
        ValueError: naming what of a scene MuJoCo Warp cannot simulate.
        gymnasium.error.DependencyNotInstalled: where MuJoCo Warp is missing.
    """

    def __init__(self, variants: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int) -> None:
        super().__init__(variants, num_worlds, substeps)
        self._warp = load_warp()
        data = mujoco.MjData(self.template)
        self.qpos: FloatArray = np.tile(data.qpos, (num_worlds, 1))
        self.qvel: FloatArray = np.tile(data.qvel, (num_worlds, 1))
        self.mocap_pos: FloatArray = np.tile(data.mocap_pos, (num_worlds, 1, 1))
        self.mocap_quat: FloatArray = np.tile(data.mocap_quat, (num_worlds, 1, 1))
        self._of_worlds = fields_of_worlds(self._warp)
        self._edited: set[str] = set()
        self._written = False  # whether the device has an older state than the host
        self._simulations: dict[int, WarpSimulation] = {}
        self._simulation(0)  # its errors are those of the constructor

    @property
    def num_threads(self) -> int:
        """One: the device has its own."""
        return 1

    @property
    def versions(self) -> Mapping[str, str]:
        """Those of MuJoCo Warp and of Warp, of MuJoCo, which compiles, and of the scenes."""
        return {
            "mujoco": mujoco.__version__,
            "mujoco_warp": version("mujoco-warp"),
            "warp": version("warp-lang"),
            "physics": str(PHYSICS_VERSION),
        }

    def step(self, control: FloatArray) -> BoolArray:
        self._hand_over()
        failed = np.zeros(self.num_worlds, np.bool_)
        for simulation, rows in self._in_use():
            readings, overflown = simulation.step(control)
            self._recorded[rows], failed[rows] = readings[rows], overflown[rows]
            self.qpos[rows], self.qvel[rows] = simulation.get("qpos")[rows], simulation.get("qvel")[rows]
        failed |= ~(np.isfinite(self._recorded).all(axis=(1, 2)) & np.isfinite(self.qpos).all(axis=1))
        self._keep_newest(failed)
        return failed

    def write(self, field: str, worlds: IntArray, values: NDArray[Any], rows: IntArray | None = None) -> None:
        """As every world does; ValueError also for a field that worlds of Warp share, such as the type of a geom."""
        super().write(field, worlds, values, rows)
        if field in STATE_FIELDS:
            self._written = True
        elif not is_drawn_only(field):
            self._require_of_worlds(field)
            self._edited.add(field)

    def _require_of_worlds(self, field: str) -> None:
        if field not in self._of_worlds:
            raise ValueError(f"{field!r} is one for all worlds of engine warp, and cannot be written for some")

    def reset(self, worlds: IntArray, qpos: FloatArray, qvel: FloatArray | None = None) -> None:
        self.qpos[worlds], self.qvel[worlds] = qpos, 0.0 if qvel is None else qvel
        begun = np.zeros(self.num_worlds, np.bool_)
        begun[worlds] = True
        fields = {name: self._models.read(name) for name in sorted(self._edited)}
        for simulation, rows in self._in_use():
            simulation.edit(fields)
            simulation.clear(begun & rows)
        self._written = True
        self._forward(begun)

    def set_control(self, worlds: IntArray, control: FloatArray) -> None:
        for simulation, _ in self._in_use():
            held = simulation.get("ctrl")
            held[worlds] = control
            simulation.put("ctrl", held)
        changed = np.zeros(self.num_worlds, np.bool_)
        changed[worlds] = True
        self._forward(changed)

    def _forward(self, worlds: BoolArray) -> None:
        """Computes the readings of worlds, (N,), as they stand."""
        self._hand_over()
        for simulation, rows in self._in_use():
            if (rows & worlds).any():
                self._newest[rows & worlds] = simulation.forward()[rows & worlds]

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly: models, newest readings, and the state on the device by variant."""
        self._hand_over()
        return {
            **self._models.state_dict(),
            "edited": sorted(self._edited),
            "newest": self._newest.copy(),
            "simulations": [{name: simulation.get(name) for name in STATE} for simulation, _ in self._in_use()],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._models.load_state_dict(state)
        self._edited = set(state["edited"])
        fields = {name: self._models.read(name) for name in sorted(self._edited)}
        for (simulation, rows), saved in zip(self._in_use(), state["simulations"], strict=True):
            simulation.edit(fields)
            for name in STATE:
                simulation.put(name, saved[name])
            for name in STATE_FIELDS:
                self._state(name)[rows] = simulation.get(name)[rows]
        self._newest[...] = state["newest"]
        self._written = True

    def close(self) -> None:
        """Gives back the memory of the device."""
        self._simulations.clear()

    def _simulation(self, variant: int) -> WarpSimulation:
        if variant not in self._simulations:
            made = WarpSimulation(self._warp, self.variants[variant], self.num_worlds, self.substeps)
            self._simulations[variant] = made
        return self._simulations[variant]

    def _in_use(self) -> Iterator[tuple[WarpSimulation, BoolArray]]:
        """The simulation of each variant that some world is on, and the worlds on it, (N,)."""
        for variant in np.unique(self._models.chosen).tolist():
            yield self._simulation(variant), self._models.chosen == variant

    def _hand_over(self) -> None:
        """Tells the device what was written on the host since the last step."""
        if not self._written:
            return
        for simulation, _ in self._in_use():
            for name in STATE_FIELDS:
                simulation.put(name, self._state(name))
        self._written = False
