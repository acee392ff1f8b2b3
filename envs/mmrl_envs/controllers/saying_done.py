"""A controller with a word to say: one more number in the action says that the task is done.

The word goes out as the input of an actuator that moves nothing, so that it is recorded at every physics step as the
MuJoCo sensor `DONE`, where a task hears it. Beside the word the other numbers of an action count as 0.

Letters: N = worlds, n = a subset, S = physics steps per control step, U = controls, A = size of an action.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import mujoco
import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.arguments import number
from mmrl_envs.controllers.base import Controller, ControllerProcess, actions_of_size
from mmrl_envs.physics.world import World

DONE = "done"
"""Name of the MuJoCo sensor that reads 1 where the action of the control step says done, else 0, and its actuator's."""


@dataclass(frozen=True)
class SayingDone:
    """A `mmrl_envs.controllers.base.Controller`: another one with actions of a Box, and the word as last number."""

    motion: Controller
    """The other one."""
    threshold: float = 0.9
    """The last number of an action above which it says done."""

    def __post_init__(self) -> None:
        """Raises ValueError for a threshold that actions cannot be above or always are."""
        if not -1.0 < number("SayingDone.threshold", self.threshold) < 1.0:
            raise ValueError(f"SayingDone.threshold must lie between -1 and 1, got {self.threshold}")

    @property
    def action_space(self) -> spaces.Box:
        """The action of the other controller, and the word, (A,)."""
        return actions_of_size(spaces.flatdim(self.motion.action_space) + 1)

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the actuators of the other controller, and that of the word, which pulls at a joint with no force."""
        self.motion.install(spec)
        actuator, joint = mujoco.mjtObj.mjOBJ_ACTUATOR, spec.joints[0].name
        nothing = {"trntype": mujoco.mjtTrn.mjTRN_JOINT, "target": joint, "gear": np.zeros(6)}
        spec.add_actuator(name=DONE, gainprm=np.eye(10)[0], **nothing)
        spec.add_sensor(name=DONE, type=mujoco.mjtSensor.mjSENS_ACTUATORFRC, objtype=actuator, objname=DONE)

    def start(self, world: World, control_hz: float) -> WordsAndMotion:
        """The other controller and the words of N worlds."""
        return WordsAndMotion(self, self.motion.start(world, control_hz))


class WordsAndMotion:
    """A `mmrl_envs.controllers.base.ControllerProcess`.

    Args:
        controller: what is at work.
        motion: the process of the controller that moves the robot.
    """

    def __init__(self, controller: SayingDone, motion: ControllerProcess) -> None:
        self._threshold, self._motion = controller.threshold, motion

    def begin(self, worlds: IntArray, setpoint: FloatArray | None) -> FloatArray:
        """The controls of the other controller, and no word, (n, U)."""
        return _with_word(self._motion.begin(worlds, setpoint), np.zeros(len(worlds)))

    def command(self, action: NDArray[Any]) -> FloatArray:
        """The controls of the other controller, and the word, (N, S, U), for actions (N, A)."""
        done = action[:, -1] > self._threshold
        controls = self._motion.command(np.where(done[:, None], 0.0, action[:, :-1]))
        return _with_word(controls, np.repeat(done[:, None], controls.shape[1], axis=1))

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """Those of the other controller: a word is over with its step."""
        return self._motion.arrays()


def _with_word(controls: FloatArray, word: NDArray[Any]) -> FloatArray:
    """Controls (..., U - 1) and a word (...) as controls (..., U)."""
    return np.concatenate([controls, word[..., None]], axis=-1)
