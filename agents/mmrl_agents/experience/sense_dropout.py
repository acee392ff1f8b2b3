"""Training with senses unplugged, so that a policy learns to do without each of them.

N is the number of worlds, S that of the senses.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import Indices
from mmrl.streams import Streams


class SenseDropout:
    """Decides for every episode of every world which senses are there; they stay or stay away until it ends.

    Each sense is absent with its probability, independently of the others. Where that would leave none, one of them,
    each as likely as any other, is there after all: with one probability p for all a sense is absent in p - p^S / S of
    the episodes. Neverova et al. 2016, "ModDrop: Adaptive Multi-Modal Gesture Recognition", drop senses sample by
    sample; an episode is what a policy has to get through without a sense. What world i loses depends on (seed, i)
    alone.
    """

    def __init__(
        self,
        senses: Sequence[str],
        num_worlds: int,
        probability: float | Mapping[str, float],
        seed: int,
        first_world: int = 0,
    ) -> None:
        """Takes one probability for all senses, or those of some by name; the others are always there.

        World 0 loses what world `first_world` of a larger number does.

        All senses are there until the first `begin`. ValueError for a probability outside (0, 1], and for S < 2.
        """
        by_name = probability if isinstance(probability, Mapping) else dict.fromkeys(senses, probability)
        for name, share in by_name.items():
            if not 0 < share <= 1:
                raise ValueError(f"sense_dropout must lie in (0, 1] to drop anything, got {share} for {name}")
        if len(senses) < 2:
            raise ValueError(
                f"sense_dropout needs two senses or more, of which one stays; there is {', '.join(senses)}"
            )
        self.senses = tuple(senses)
        self._probabilities = np.array([by_name.get(name, 0.0) for name in senses])
        self._streams = Streams(seed, "sense_dropout", num_worlds, first_world)
        self._present = np.ones((num_worlds, len(self.senses)), np.bool_)

    @property
    def present(self) -> NDArray[np.bool_]:
        """Which senses (N, S) are there in the present episodes."""
        return self._present

    def restart(self, seed: int) -> None:
        """Draw from the beginning of another stream from now on."""
        self._streams.restart(seed)

    def begin(self, worlds: Indices) -> None:
        """Episodes begin in these worlds."""
        drawn = self._streams.uniform(worlds, (len(self.senses) + 1,))
        present = drawn[:, :-1] >= self._probabilities
        empty = np.flatnonzero(~present.any(axis=1))
        present[empty, (drawn[empty, -1] * len(self.senses)).astype(np.int64)] = True
        self._present[worlds] = present

    def state_dict(self) -> dict[str, Any]:
        """Arrays and plain Python."""
        return {"senses": self.senses, "present": self._present.copy(), "streams": self._streams.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any] | None) -> None:
        """Undo `state_dict`; None is the state of a training without dropout, whose episodes have all senses."""
        if state is None:
            return
        if tuple(state["senses"]) != self.senses:
            raise ValueError(f"the senses dropped were {state['senses']}, they are {list(self.senses)}")
        self._present[:] = np.asarray(state["present"])
        self._streams.load_state_dict(state["streams"])
