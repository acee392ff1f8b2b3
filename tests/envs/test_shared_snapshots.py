"""States of some of the worlds, joined to one of all and taken apart again."""

import gymnasium as gym
import numpy as np
import pytest

import mmrl_envs
from mmrl_envs.multimodal import describing
from mmrl_envs.snapshot import joined, part_of
from tests.comparing import assert_same

assert mmrl_envs

PARTS = [range(3), range(3, 5)]


@pytest.mark.parametrize("name", ["mmrl/PegInsertion-v0", "mmrl/SlotCar-v0"])
def test_worlds_stand_as_a_part_of_them_does(name: str) -> None:
    """World i of a part that begins with world f is world f + i of all, and so are their states."""
    whole = gym.make_vec(name, 5)
    parts = [gym.make_vec(name, len(part)) for part in PARTS]
    try:
        for envs, part in zip(parts, PARTS, strict=True):
            describing(envs).first_world = part.start
        actions = np.stack([whole.single_action_space.sample() for _ in range(5)])
        for envs, part in [(whole, range(5)), *zip(parts, PARTS, strict=True)]:
            envs.reset(seed=4)
            for _ in range(3):
                envs.step(actions[part.start : part.stop])
        expected = describing(whole).get_state()
        states = [describing(envs).get_state() for envs in parts]
        together = joined(states, [3, 2])
        assert_same(together, expected)
        for part, state in zip(PARTS, states, strict=True):
            assert_same(part_of(together, part, 5), state)
    finally:
        for envs in [whole, *parts]:
            envs.close()


def test_what_one_part_lacks_is_none_for_its_worlds() -> None:
    one = {"fields": {"mass": np.ones((2, 3))}, "pools": {"normal": {"read": [1, 2]}}, "seed": 3}
    other = {"fields": {}, "pools": {}, "seed": 3}
    together = joined([one, other], [2, 1])
    assert together["pools"] == {"normal": {"read": [1, 2, None]}}
    assert together["fields"]["mass"][2] is None
    np.testing.assert_array_equal(together["fields"]["mass"][:2], np.ones((2, 3)))
    assert part_of(together, range(2, 3), 3) == {
        "fields": {"mass": [None]},
        "pools": {"normal": {"read": [None]}},
        "seed": 3,
    }
