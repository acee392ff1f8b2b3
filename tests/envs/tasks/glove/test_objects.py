"""The things that are grasped: solid, of a size for a hand, and as low as they say they are."""

import mujoco
import numpy as np
import pytest

from mmrl_envs.tasks.glove.grasp import add_parts
from mmrl_envs.tasks.glove.objects import THINGS


def test_there_are_26_things_for_a_hand() -> None:
    assert len(THINGS) == 26
    for parts in THINGS.values():
        outlines = [part.outline() for part in parts]
        low = np.min([points.min(axis=0) - radius for points, radius in outlines], axis=0)
        high = np.max([points.max(axis=0) + radius for points, radius in outlines], axis=0)
        assert 0.045 < np.max(high - low) < 0.125  # metres
        assert np.min(high - low) > 0.01


@pytest.mark.parametrize("name", ["egg", "can", "marker", "hammer", "cup", "dumbbell", "cone"])
def test_the_outline_is_that_of_the_body(name: str) -> None:
    """A ray from below meets the body at the height of the lowest point of its outline."""
    spec = mujoco.MjSpec()
    add_parts(spec, spec.worldbody.add_body(name="object"), THINGS[name])
    model = spec.compile()
    data = mujoco.MjData(model)
    mujoco.mj_forward(model, data)
    outlines = [part.outline() for part in THINGS[name]]
    points, radius = min(outlines, key=lambda outline: (outline[0][:, 2] - outline[1]).min())
    lowest = points[points[:, 2].argmin()]
    # Not along the side of a wall, nor just through a corner.
    x, y, _ = 0.98 * lowest + 0.02 * points.mean(axis=0) + (3e-4, 2e-4, 0.0)
    start, up, geom = np.array([x, y, -1.0]), np.array([0.0, 0.0, 1.0]), np.zeros(1, np.int32)
    distance = mujoco.mj_ray(model, data, start, up, None, 1, -1, geom)
    assert distance - 1.0 == pytest.approx(lowest[2] - radius, abs=1.5e-3)
