"""The friction of contacts, from episode to episode."""

from __future__ import annotations

import numpy as np

from mmrl.arrays import FloatArray, IntArray
from mmrl_envs.physics.world import World


def write_sliding(world: World, worlds: IntArray, geoms: IntArray, friction: FloatArray) -> None:
    """Gives some geoms of worlds (n,) a sliding friction, (n,); against turning and rolling theirs stays."""
    frictions = np.tile(world.template.geom_friction[geoms], (len(worlds), 1, 1))
    frictions[:, :, 0] = friction[:, None]
    world.write("geom_friction", worlds, frictions, geoms)
