"""Recordings of things that are grasped again and again with the glove.

Letters: R = recordings, G = grasps of a recording, F = frames of a recording, k = taxels to a side.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.sensors.tactile.glove import glove_mask
from mmrl_envs.tasks.glove.grasp import FRAMES_HZ, GloveGrasp
from mmrl_envs.vector_env import RobotVectorEnv

FRAMES_OF_A_GRASP = 3
NOISE_N = 0.01
"""Standard deviation of a taxel, newtons."""
PHYSICS_HZ = 500


@dataclass(frozen=True, eq=False)
class Recordings:
    """Frames of things, by recording; nothing is shared between two recordings but the thing."""

    frames: FloatArray
    """Force that presses on each taxel, with noise, newtons, (R, F, k, k), in half precision."""
    things: IntArray
    """Number of the thing of each recording, (R,)."""

    def of(self, recordings: IntArray) -> Recordings:
        """Some of them."""
        return Recordings(self.frames[recordings], self.things[recordings])


def record(
    names: Sequence[str], recordings: int, grasps: int, seed: int, progress: Callable[[], None] = lambda: None
) -> Recordings:
    """Recordings of each of the named things, numbered in their order; `progress` is called after each thing.

    The thing is grasped anew G times, in another place and orientation, and in each grasp pressed with three forces,
    uniform in their range, a quarter of a second each; a frame is the end of one of these.

    Raises RuntimeError where physics fails.
    """
    parts = []
    for number, name in enumerate(names):
        parts.append(_frames_of(name, recordings, grasps, np.random.SeedSequence((seed, number))))
        progress()
    return Recordings(np.concatenate(parts), np.repeat(np.arange(len(names)), recordings))


def _frames_of(name: str, recordings: int, grasps: int, seed: np.random.SeedSequence) -> FloatArray:
    """Frames of one thing, (R, F, k, k)."""
    envs = RobotVectorEnv(
        GloveGrasp(name),
        recordings,
        context={"tactile_noise": NOISE_N / 0.01},
        control_hz=FRAMES_HZ,
        physics_hz=PHYSICS_HZ,
        max_episode_steps=None,
        num_threads=1,
    )
    of_worlds, of_forces = (int(word) for word in seed.generate_state(2))
    rng, frames = np.random.default_rng(of_forces), []
    for grasp in range(grasps):
        envs.reset(seed=of_worlds if grasp == 0 else None)
        for force in rng.uniform(-1.0, 1.0, (FRAMES_OF_A_GRASP, recordings, 1)).astype(np.float32):
            seen, _, ended, _, _ = envs.step(force)
            if ended.any():
                raise RuntimeError(f"the physics of {name!r} failed in {int(ended.sum())} of {recordings} worlds")
            frames.append((seen["tactile"][..., 0] * glove_mask()).astype(np.float16))
    envs.close()
    return np.stack(frames, axis=1)
