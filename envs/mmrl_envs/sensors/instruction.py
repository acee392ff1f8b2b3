"""An instruction of the task, in words."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mmrl.modality import Modality, WordBag
from mmrl_envs.arguments import whole
from mmrl_envs.scenes.marked_holes import COLOURS, MARKS
from mmrl_envs.sensors.base import Requires, Sensor, View

VOCABULARY = (
    *("insert", "into", "the", "hole", "with", "put", "peg", "that", "is", "find", "marked", "and", "coloured"),
    *COLOURS,
    *MARKS,
)
"""The words of the tasks of the suite, in the order that numbers them from 1 on."""
MOST_WORDS = 10
"""Words of an instruction of the suite at most."""


class Instruction(Sensor):
    """The words of the task's instruction, uint8 numbers (L,) of a closed vocabulary, 0 for none: the same all episode.

    Noise, which could only make other words of them, leaves them as they are.

    Args:
        name: key in the observation.
        vocabulary: all words there are, numbered from 1 on; 255 at most.
        length: L.
        rate_hz: readings per second.
        features: size of the vector of a word, and of the encoding.
    """

    requires = Requires(fields=("instruction",))
    noise_unit = 0.0
    newest_only = True

    def __init__(
        self,
        name: str = "instruction",
        *,
        vocabulary: tuple[str, ...] = VOCABULARY,
        length: int = MOST_WORDS,
        rate_hz: float = 20.0,
        features: int = 64,
    ) -> None:
        self.modality = Modality(
            name=name,
            shape=(whole("length", length, 1),),
            rate_hz=rate_hz,
            dtype="uint8",
            low=0,
            high=len(vocabulary),
            encoder=WordBag(vocabulary, features),
        )

    def read(self, view: View) -> NDArray[np.float64]:
        """Numbers of words, (n, 1, L). Raises ValueError for one that no word of the vocabulary has."""
        numbers = view.field("instruction")
        highest = self.modality.bounds[1].max()
        if numbers.size and not 0 <= numbers.min() <= numbers.max() <= highest:
            wrong = numbers[(numbers < 0) | (numbers > highest)][0]
            raise ValueError(
                f"sensor {self.modality.name!r}: the numbers of its {highest} words are 1 to {highest}, 0 for no word, "
                f"got an instruction with the word {wrong:g}"
            )
        return numbers[:, None]
