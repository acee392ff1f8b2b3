"""Contact stays what geometry and the controller allow, whatever a policy does."""

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl_envs.tasks.peg.pegs import PEG_SHAPES
from mmrl_envs.vector_env import RobotVectorEnv

WORLDS, HELD = 50, 5
EPISODE = 25  # begun anew in the hole before random actions lead off the block
FORCE_N, DEPTH_M = 500.0, 1e-3
CLEARANCES_MM = (0.2, 0.5, 1.0, None)


def make(shape: str, clearance_mm: float | None) -> RobotVectorEnv:
    """Pegs in and above their holes, slippery and rough ones."""
    context = {"shape": shape, "friction": (0.05, 1.0), "start_progress": (0.55, 0.95), "hole_yaw_rad": (-3.0, 3.0)}
    if clearance_mm is not None:
        context["clearance_mm"] = clearance_mm
    settings = {"sensors": ("proprioception",), "action": "xyz_yaw", "max_episode_steps": EPISODE}
    envs = gym.make_vec("mmrl/PegInsertion-v0", num_envs=WORLDS, context=context, **settings)
    assert isinstance(envs, RobotVectorEnv)
    return envs


def deepest_contacts(envs: RobotVectorEnv, scratch: list[mujoco.MjData]) -> NDArray[np.float64]:
    """Depth in metres of the deepest contact of every world, (N,)."""
    world, depth = envs.world, np.zeros(envs.num_envs)
    for i, data in enumerate(scratch):
        data.qpos[:], data.mocap_pos[:], data.mocap_quat[:] = world.qpos[i], world.mocap_pos[i], world.mocap_quat[i]
        mujoco.mj_fwdPosition(world.model_of(i), data)
        depth[i] = max((-contact.dist for contact in data.contact), default=0.0)
    return depth


def provoke(shape: str, clearance_mm: float | None, steps: int) -> tuple[float, float, int]:
    """The largest force in N and the deepest contact in metres under full actions held, and the physics errors."""
    envs, rng = make(shape, clearance_mm), np.random.default_rng(0)
    envs.reset(seed=0)
    scratch = [mujoco.MjData(model) for model in map(envs.world.model_of, range(envs.num_envs))]
    force, depth, errors = 0.0, 0.0, 0
    for step in range(steps):
        if step % HELD == 0:
            action = rng.choice([-1.0, 1.0], (WORLDS, 4)).astype(np.float32)
        *_, info = envs.step(action)
        sound = ~info["physics_error"]
        forces = np.linalg.norm(envs.world.recorded("contact_force"), axis=2).max(axis=1)  # (N, S, 3) -> (N,)
        force = max(force, float(forces[sound].max()))
        depth = max(depth, float(deepest_contacts(envs, scratch).max()))
        errors += int((~sound).sum())
    envs.close()
    return force, depth, errors


@pytest.mark.slow
@pytest.mark.parametrize("clearance_mm", CLEARANCES_MM)
@pytest.mark.parametrize("shape", sorted(PEG_SHAPES))
def test_no_action_makes_a_deep_contact_or_a_large_force(shape: str, clearance_mm: float | None) -> None:
    """100,000 control steps over all shapes and clearances."""
    force, depth, errors = provoke(shape, clearance_mm, steps=100)
    assert errors == 0
    assert force < FORCE_N
    assert depth < DEPTH_M


def test_a_round_peg_in_a_tight_hole_has_no_far_contact() -> None:
    """A cylinder had contacts of 50 mm and 2,000 N in three of a thousand control steps."""
    force, depth, errors = provoke("round", 0.5, steps=20)
    assert (force < FORCE_N, depth < DEPTH_M, errors) == (True, True, 0)
