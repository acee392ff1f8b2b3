"""A state that a task finds impossible ends its episode as a physics error, unseen, and touches no other world."""

from dataclasses import replace

import numpy as np

from mmrl_envs.task import Outcome
from mmrl_envs.tasks.peg.insertion import PegInsertion
from mmrl_envs.vector_env import RobotVectorEnv

CEILING_M = 0.04
FRAGILE_N = 20.0
WORLDS = 3
UP = np.tile(np.array([0.0, 0.0, 1.0], np.float32), (WORLDS, 1))


class UnderACeiling(PegInsertion):
    """Peg insertion in a room that ends 4 cm above the block."""

    def assess(self) -> Outcome:
        return replace(super().assess(), broken=self.tip_pose()[:, 2] > CEILING_M)


class Fragile(PegInsertion):
    """Peg insertion where no contact can be of more than 20 N."""

    def assess(self) -> Outcome:
        force = np.linalg.norm(self.world.recorded("contact_force"), axis=2).max(axis=1)
        return replace(super().assess(), broken=force > FRAGILE_N)


def rise(task: PegInsertion) -> tuple[RobotVectorEnv, list[tuple]]:
    """Three worlds start 2, 3.9 and 2 cm above the block and rise by 6 mm a step at most."""
    heights = {"start_z_m": np.array([0.02, 0.039, 0.02])}
    envs = RobotVectorEnv(task, WORLDS, sensors=("force_torque", "proprioception", "hole_estimate"), context=heights)
    history = [envs.reset(seed=0)]
    history += [envs.step(UP) for _ in range(2)]
    return envs, history


def test_a_broken_state_ends_its_episode_and_is_neither_seen_nor_judged() -> None:
    _, history = rise(UnderACeiling())
    _, free = rise(PegInsertion())
    step = next(i for i in (1, 2) if history[i][2].any())
    _, reward, terminated, truncated, info = history[step]
    assert terminated.tolist() == [False, True, False]
    assert not truncated.any()
    assert reward[1] == 0.0
    final = info["final_info"]
    assert final["physics_error"].tolist() == [False, True, False]
    assert not final["is_success"][1]
    assert not final["success_once"][1]
    for name, seen in info["final_obs"][1].items():
        np.testing.assert_array_equal(seen, history[step - 1][0][name][1], err_msg=name)  # of the last sound step
    for ours, others in zip(history, free, strict=True):
        for name in ours[0]:
            for world in (0, 2):
                np.testing.assert_array_equal(ours[0][name][world], others[0][name][world], err_msg=name)


def test_forces_of_a_broken_step_count_nowhere() -> None:
    beside = {"start_z_m": 0.01, "start_x_m": 0.03, "hole_x_m": -0.03}
    envs = RobotVectorEnv(Fragile(), 1, sensors=("proprioception",), context=beside)
    envs.reset(seed=0)
    for _ in range(20):
        _, _, terminated, _, info = envs.step(-UP[:1])
        if terminated.any():
            break
    assert info["final_info"]["physics_error"].tolist() == [True]
    assert info["final_info"]["peak_force_n"][0] <= FRAGILE_N


class Thrown(PegInsertion):
    """Peg insertion whose engine makes a contact of 50 mm in the third control step of world 1, for a moment."""

    steps = 0

    def assess(self) -> Outcome:
        self.steps += 1
        if self.steps == 3:
            self.world.recorded("contact_force")[1, 7] = (0.0, 0.0, 2500.0)
        return super().assess()


def test_a_force_that_no_action_can_make_is_a_physics_error_and_no_figure() -> None:
    envs = RobotVectorEnv(Thrown(), WORLDS, sensors=("force_torque",))
    envs.reset(seed=0)
    for _ in range(3):
        _, _, terminated, _, info = envs.step(UP)
    assert terminated.tolist() == [False, True, False]
    assert info["final_info"]["physics_error"].tolist() == [False, True, False]
    assert info["final_info"]["peak_force_n"][1] < 1.0
