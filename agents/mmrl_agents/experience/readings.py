"""The readings of a step: the observation, and beside it what only the critic senses.

N is the number of worlds.
"""

from collections.abc import Collection, Mapping
from typing import Any

from mmrl.modality.foreign import flatten_observation


def readings_of(observation: Any, info: Mapping[str, Any], of_critic: Collection[str]) -> dict[str, Any]:
    """Readings (N, *window_shape) by sense; those of the critic stand in the info under their names.

    Raises ValueError naming a sense of the critic that the info lacks.
    """
    readings = flatten_observation(observation)
    for name in of_critic:
        if name not in readings:
            if name not in info:
                raise ValueError(f"the info has no {name!r}, which these worlds declare as a sense of the critic")
            readings[name] = info[name]
    return readings
