"""What a task states: its scene, what may vary, how an episode begins, what is good, when it has succeeded.

Everything that happens at control rate is array code over all worlds; no task knows of windows, noise or
rates.

Letters: N = worlds, n = those being reset, P = size of the privileged state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.controllers.impedance import Impedance
from mmrl_envs.physics.world import World

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Start:
    """How some worlds begin an episode."""

    qpos: FloatArray
    """Generalised positions, (n, nq)."""
    setpoint: FloatArray
    """Tip poses that the controller holds: x, y, z in metres, yaw in radians, in W, (n, 4)."""


@dataclass(frozen=True)
class Outcome:
    """What one control step brought, in every world."""

    reward: FloatArray
    """Reward, (N,)."""
    success: BoolArray
    """Whether the task is fulfilled at this instant, (N,)."""
    info: Mapping[str, FloatArray]
    """Figures for `info`, each (N,)."""
    broken: BoolArray | None = None
    """Whether the state is one that physics forbids, (N,); none where None. Such an episode ends as a physics error."""


class Task(ABC):
    """One task on N worlds. Its fields are state of the present episodes."""

    impedance: Impedance
    """The controller that turns actions into forces."""
    action_size: int
    """Size of an action: 3 (x y z) or 4 (x y z yaw)."""
    parameters: Sequence[Parameter | Choice]
    """What a context may set."""
    privileged_size: int
    """P."""

    @abstractmethod
    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The variants of the scene, all of one layout; sensors are installed before they are compiled."""

    @abstractmethod
    def attach(self, world: World) -> None:
        """Called once with the compiled worlds, before anything else."""

    @abstractmethod
    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Sets model fields and mocap poses of some worlds for their next episode and says how they start.

        Args:
            worlds: which, (n,).
            context: drawn parameters, each (n,).
            streams: randomness beyond the context.
        """

    @abstractmethod
    def assess(self) -> Outcome:
        """Judges the control step that has just been simulated."""

    @abstractmethod
    def tip_pose(self) -> FloatArray:
        """Tip poses x, y, z in metres and yaw in radians in W, (N, 4), as of the newest sensor reading."""

    @abstractmethod
    def figures_at_start(self) -> dict[str, FloatArray]:
        """The entries of `Outcome.info` before the first step, each (N,)."""

    @abstractmethod
    def privileged(self) -> NDArray[np.float32]:
        """State that only a critic may see, of order one, (N, P)."""

    @abstractmethod
    def field(self, name: str) -> FloatArray:
        """A quantity that sensors may read besides MuJoCo's sensors, (N, ...).

        Raises:
            ValueError: listing the fields there are.
        """

    @abstractmethod
    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All state of the present episodes, name -> (N, ...): the arrays themselves, no copies."""

    def state_dict(self) -> dict[str, Any]:
        """Everything needed to continue exactly, as copies."""
        return {name: array.copy() for name, array in self.arrays().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undoes `state_dict`."""
        for name, array in self.arrays().items():
            array[...] = state[name]
