"""The contract of an objective: a loss on what a perception sees.

B is the number of samples of a batch.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from torch import Tensor, nn

from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.settings.documents import fit


class Timeline(Protocol):
    """The order in which the samples of a batch came."""

    @property
    def episodes(self) -> Tensor:
        """A number for the episode of each sample, (B,); samples of one episode have the same."""

    @property
    def times(self) -> Tensor:
        """The steps at which they came, (B,); those of one episode count on from each other."""

    def following(self, names: Collection[str]) -> tuple[Inputs, Tensor]:
        """Readings of some senses one step later (B, *window_shape), and whether there are any, bool (B,).

        Where there are none, as at the end of an episode, the readings may be any.
        """


class Batch(Protocol):
    """Samples of experience, tensors (B, ...); whatever algorithm collected them."""

    @property
    def observations(self) -> Inputs:
        """Readings (B, *window_shape) by sense, those of the critic among them."""

    @property
    def present(self) -> Presence | None:
        """Bool masks (B,) by sense; a sense without one is there."""

    @property
    def actions(self) -> Tensor:
        """The actions, (B, *A)."""

    @property
    def memory(self) -> Memory | None:
        """The past of the samples, for a perception that remembers; None for one that does not."""

    @property
    def timeline(self) -> Timeline | None:
        """The order in which they came; None where nobody kept it."""


class Objective(nn.Module, ABC):
    """A loss on what a perception sees, with the networks that it alone needs."""

    @abstractmethod
    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        """The loss, a scalar, on a batch and what the actor's perception sees of it, gradients included.

        Rows in which a sense is absent must have no part in what is asked of that sense, whatever they hold.
        """

    def update_statistics(self, observations: Inputs) -> None:
        """Learn scales from new readings, each shown once, if the objective keeps any."""


class Reconstructed(NamedTuple):
    """Readings of a sense as an objective gets them back."""

    sense: str
    """The sense by name."""
    source: str
    """Its source in a word or two, such as the name of another sense."""
    readings: Tensor
    """(B, *window_shape), as floats."""


class DecodingObjective(Objective, ABC):
    """An objective that gets readings back, which can be looked at."""

    @abstractmethod
    def reconstructed(self, batch: Batch, seen: Seen) -> list[Reconstructed]:
        """The readings of a batch as they come back."""


@dataclass(frozen=True)
class ObjectiveConfig(ABC):
    """Settings of an objective."""

    weight: float = 1.0
    """Weight of this loss in that of the algorithm; 0 shows its value and teaches nothing to the encoders."""

    def __post_init__(self) -> None:
        fit(self, f"{type(self).__name__}.")
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"{type(self).__name__}.weight must be finite and not negative, got {self.weight}")

    @abstractmethod
    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        """The objective with its untrained networks.

        Args:
            perception: what it learns from; its modules are not the objective's to keep.
            senses: declarations of all that a batch holds readings of, the critic's senses included.

        Raises:
            ValueError: where these senses are not what it needs.
        """

    def begin(self, perception: Perception, senses: Mapping[str, Modality], actions: int) -> Objective:
        """As `start`, for an objective that reads actions as well.

        Args:
            perception: as for `start`.
            senses: as for `start`.
            actions: numbers of an action, or choices there are where actions are choices.

        Raises:
            ValueError: where these senses are not what it needs.
        """
        return self.start(perception, senses)


def require_timeline(objective: str, what: str, batch: Batch) -> Timeline:
    """The order in which the samples came. Raises ValueError, naming the objective, where nobody kept it."""
    if batch.timeline is None:
        raise ValueError(
            f"objective {objective!r} with {what} needs the order in which samples came, which nobody kept here"
        )
    return batch.timeline
