"""The contract of a sensor: what it adds to the scene, and how it turns simulator data into readings.

A sensor may remember what it read before, as a filter does: it makes room in `attach`, forgets where `View.begins`, and
shows its memory in `arrays`. Whoever remembers is read at every control step.

N is the number of worlds, n that of those being read, k the number of instants per world (oldest first), S the physics
steps of a control step.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal, Protocol, overload

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Indices
from mmrl.modality import Modality
from mmrl_envs.physics.painter_pool import Poses
from mmrl_envs.physics.sound.recording import Sound
from mmrl_envs.physics.world import World


class View(Protocol):
    """The data that a sensor may read: `worlds` (n,) at the k instants at which it takes a reading."""

    @property
    def worlds(self) -> Indices:
        """Indices (n,) of the worlds being read."""

    @property
    def begins(self) -> bool:
        """Whether the worlds begin an episode: there is one instant then, k = S = 1."""

    def __getitem__(self, name: str) -> NDArray[np.float64]:
        """Output (n, k, dim) of the MuJoCo sensor `name`. Raises ValueError listing the names."""

    def steps(self, name: str) -> NDArray[np.float64]:
        """Its output at every physics step of the last control step, (n, S, dim)."""

    @overload
    def render(self, camera: str, height: int, width: int, *, depth: Literal[False] = False) -> NDArray[np.uint8]: ...

    @overload
    def render(self, camera: str, height: int, width: int, *, depth: Literal[True]) -> NDArray[np.float32]: ...

    def render(
        self, camera: str, height: int, width: int, *, depth: bool = False
    ) -> NDArray[np.uint8] | NDArray[np.float32]:
        """The newest instant seen by a camera of the scene.

        RGB is (n, height, width, 3) uint8; depth is (n, height, width, 1) float32 in metres.
        """

    def flow(self, camera: str, height: int, width: int, before: Poses) -> NDArray[np.float32]:
        """The optical flow that a camera of the scene would have seen from the n poses `before` to the newest instant.

        (n, height, width, 3): pixels right, pixels down, and 1 where they are known.
        """

    def field(self, name: str) -> NDArray[np.float64]:
        """A quantity (n, ...) the task declares. Raises ValueError listing the names."""


@dataclass(frozen=True)
class Requires:
    """The needs of a sensor; a robot or task that lacks one is refused by name."""

    mounts: tuple[str, ...] = ()
    """Places of the robot that hold sensors, such as "wrist"."""
    joints: tuple[str, ...] = ()
    """Joints of the robot, by name."""
    readings: tuple[str, ...] = ()
    """MuJoCo sensors of robot or scene, by name."""
    fields: tuple[str, ...] = ()
    """Quantities of the task, as `View.field` gives them."""


class Sensor(ABC):
    """One sense of the robot. Subclasses set `modality` and implement `read`."""

    modality: Modality
    """The declaration of the readings: an attribute of the subclass or of each of its objects."""

    requires: Requires = Requires()
    """The needs of `install` and `read`: an attribute of the subclass or of each of its objects."""

    mounts: Mapping[str, str] = MappingProxyType({})
    """The sites of the robot's places, by the names of the places; set before `install`."""

    noise_unit: float | tuple[float, ...] = 1.0
    """Size of one unit of context noise in the unit of each feature: 1 N, say, and 0.05 N m."""

    newest_only: bool = False
    """Whether `read` gives the newest instant alone, k = 1, as cameras do; then it reads no more often than the policy
    acts."""

    for_critics: bool = False
    """Whether it reads what no robot can, so that only critics and objectives may have it, never a policy."""

    def install(self, spec: mujoco.MjSpec) -> None:  # noqa: B027 - many sensors add nothing
        """Add what `read` needs (sites, cameras, MuJoCo sensors) before the scene is compiled."""

    def attach(self, world: World) -> None:  # noqa: B027 - few sensors remember
        """Make room for what is remembered of each of the N worlds. Called once, before anything is read."""

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All that is remembered, name -> (N, ...): the arrays themselves, no copies."""
        return {}

    @property
    def sound(self) -> Sound | None:
        """The sound of the last control step, as people would hear it; None for a sense that hears nothing."""
        return None

    @abstractmethod
    def read(self, view: View) -> NDArray[Any]:
        """Noise-free readings (n, k, *modality.shape); k is 1 with `newest_only`."""
