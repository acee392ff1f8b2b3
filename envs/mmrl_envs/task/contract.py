"""A task puts a robot into a scene and says what may vary, how an episode begins, what is good, and what is success.

Everything that happens at control rate is array code over all worlds; no task knows of windows, noise or
rates. `scenes`, `begin` and `assess` are a task; the rest has defaults.

Letters: N = worlds, n = those being reset, P = size of the privileged state.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, FloatArray, IntArray
from mmrl.evaluation.figures import Figure
from mmrl.streams import Streams
from mmrl_envs.context import Choice, Parameter
from mmrl_envs.physics.engines import make_world
from mmrl_envs.physics.world import World
from mmrl_envs.robots.base import Robot

if TYPE_CHECKING:
    from mmrl_envs.sensors.base import Sensor


@dataclass(frozen=True)
class Start:
    """How some worlds begin an episode."""

    qpos: FloatArray
    """Generalised positions, (n, nq)."""
    qvel: FloatArray | None = None
    """Generalised velocities, (n, nv); at rest where None."""
    setpoint: FloatArray | None = None
    """The setpoint of the controller at first, in its own terms, (n, ...); where None, the robot as it stands."""
    figures: Mapping[str, FloatArray] = field(default_factory=dict)
    """Figures of the instant, (n,) each, of those whose newest value is that of the episode; 0 where not given."""


@dataclass(frozen=True)
class Outcome:
    """The result of one control step in every world."""

    reward: FloatArray
    """Reward, (N,)."""
    success: BoolArray
    """Whether the task is fulfilled at this instant, (N,)."""
    ended: BoolArray | None = None
    """Whether the episode is over by the task's own rule, (N,): fallen, off the track; in no world where None."""
    figures: Mapping[str, FloatArray] = field(default_factory=dict)
    """The task's figures of this step, (N,) each."""
    reward_terms: Mapping[str, FloatArray] = field(default_factory=dict)
    """The share of each of the task's reward terms in the reward, (N,) each."""
    broken: BoolArray | None = None
    """Whether the state is one that physics forbids, (N,); none where None. Such an episode ends as a physics error."""


class Task(ABC):
    """One task on N worlds. Its fields are state of the present episodes."""

    robot: Robot
    """The robot that acts."""
    senses: Sequence[str | Sensor] = ()
    """The senses that a policy has where nobody chooses others."""
    parameters: Sequence[Parameter | Choice] = ()
    """The parameters that a context may set."""
    figures: Sequence[Figure] = ()
    """The figures that an episode reports."""
    reward_terms: Sequence[str] = ()
    """Names of the terms of which the reward is the sum; their shares are logged one by one."""
    fields: Sequence[str] = ()
    """Names of the quantities that `field` gives."""
    privileged_size: int = 0
    """P."""

    @abstractmethod
    def scenes(self, physics_hz: int) -> list[mujoco.MjSpec]:
        """The variants of the scene, robot included, all of one layout; sensors are installed before they compile."""

    @abstractmethod
    def begin(self, worlds: IntArray, context: Mapping[str, FloatArray], streams: Streams) -> Start:
        """Prepares some worlds for their next episode and says how they start.

        Args:
            worlds: which, (n,).
            context: drawn parameters, each (n,).
            streams: randomness beyond the context.
        """

    @abstractmethod
    def assess(self) -> Outcome:
        """Judges the control step that has just been simulated."""

    def make_world(
        self, models: Sequence[mujoco.MjModel], num_worlds: int, *, substeps: int, num_threads: int, engine: str
    ) -> World:
        """N worlds of compiled scenes; a task whose worlds are not a physics engine's makes its own.

        Raises:
            ValueError: on an engine that the task does not know.
        """
        return make_world(engine, models, num_worlds, substeps=substeps, num_threads=num_threads)

    def attach(self, world: World) -> None:
        """Called once with the worlds, before anything else; whoever has state of its own makes room for it."""
        self.world = world

    def privileged(self) -> NDArray[np.float32]:
        """State that only a critic may see, of order one, (N, P)."""
        return np.zeros((self.world.num_worlds, self.privileged_size), np.float32)

    def field(self, name: str) -> FloatArray:
        """A quantity that sensors may read besides MuJoCo's sensors, (N, ...).

        Raises:
            ValueError: listing the fields there are.
        """
        raise ValueError(f"{type(self).__name__} has no field {name!r}; it has {sorted(self.fields)}")

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """All state of the present episodes, name -> (N, ...): the arrays themselves, no copies."""
        return {}
