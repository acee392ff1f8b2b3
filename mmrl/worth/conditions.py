"""Under which conditions a policy is judged to say what each of its senses is worth.

M is the number of readings, d that of the features of a reading.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from mmrl.arrays import BoolArray, IntArray, Observation
from mmrl.evaluation.episodes import Policy
from mmrl.faults.faults import Delayed, Fault, Frozen, Noisy, Swapped, Zeros
from mmrl.settings.documents import fit
from mmrl.worth.shapley import Subset, subsets

MOST_SENSES = 6
"""With more senses than this not every subset is judged: their number doubles with each."""


@dataclass(frozen=True)
class BrokenWays:
    """How each sense is broken in turn; all zeros, frozen and swapped besides."""

    noise: tuple[float, ...] = (0.5, 2.0)
    """Levels of noise on readings that are no images: standard deviations in those that the readings of the same
    policy have with all senses in order, feature by feature."""
    image_noise: tuple[float, ...] = (20.0, 60.0)
    """Levels of noise on images: standard deviations in grey levels of 255."""
    delay: tuple[int, ...] = (2, 8)
    """Control steps by which readings come late."""
    frozen_after: int = 0
    """Step of an episode whose reading stays; 0 is the first observation."""

    def __post_init__(self) -> None:
        fit(self, "faults.")
        for name in ("noise", "image_noise"):
            if not all(0 < level < math.inf for level in vars(self)[name]):
                raise ValueError(f"levels of {name} must be finite and above 0, got {vars(self)[name]}")
        for steps in self.delay:
            Delayed(steps)
        Frozen(self.frozen_after)

    def faults(self, space: spaces.Box, spread: NDArray[np.float64], num_worlds: int) -> Iterator[Fault]:
        """The faults of a sense whose readings have standard deviations `spread` (d,); a lone world cannot swap."""
        yield Zeros()
        yield Frozen(self.frozen_after)
        yield from self._noisy(space, spread)
        yield from (Delayed(steps) for steps in self.delay)
        if num_worlds > 1:
            yield Swapped()

    def _noisy(self, space: spaces.Box, spread: NDArray[np.float64]) -> Iterator[Fault]:
        """Each level of noise; none on bytes that are no image, which number words: one more would be another word."""
        if space.dtype != np.uint8:
            yield from (Noisy(tuple((level * spread).tolist()), f"noisy {level:g} sd") for level in self.noise)
        elif len(space.shape) > 1:
            yield from (Noisy(level, f"noisy {level:g} grey") for level in self.image_noise)


@dataclass(frozen=True)
class Condition:
    """The faults of the senses."""

    label: str
    """Its name in a table."""
    group: str
    """all, without, only, subset, none or broken."""
    sense: str | None = None
    """The one that is absent, alone or broken."""
    absent: tuple[str, ...] = ()
    """Senses that are unplugged, which the policy knows."""
    faults: Mapping[str, Fault] = field(default_factory=lambda: MappingProxyType({}))
    """The faults of senses that are plugged in, of which the policy knows nothing."""

    @property
    def key(self) -> str:
        """The same for conditions that differ in nothing but what they are called."""
        return f"absent {sorted(self.absent)} broken {sorted(self.faults.items(), key=lambda item: item[0])}"


def unplugged(senses: Sequence[str]) -> list[Condition]:
    """All senses, each one missing, each one alone, none, and all subsets between where there are few senses."""
    every = frozenset(senses)
    conditions = [Condition("all senses", "all")]
    if len(senses) > 1:
        conditions += [Condition(f"without {name}", "without", name, (name,)) for name in senses]
        conditions += [Condition(f"only {name}", "only", name, _lacking(senses, frozenset({name}))) for name in senses]
    if len(senses) <= MOST_SENSES:
        between = [subset for subset in subsets(senses) if 1 < len(subset) < len(every) - 1]
        conditions += [
            Condition(_joined(senses, subset), "subset", None, _lacking(senses, subset)) for subset in between
        ]
    return [*conditions, Condition("no senses", "none", None, tuple(senses))]


def broken(
    boxes: Mapping[str, spaces.Box], spreads: Mapping[str, NDArray[np.float64]], ways: BrokenWays, num_worlds: int
) -> list[Condition]:
    """Each sense broken in each way, all others in order; images need no spread."""
    return [
        Condition(f"{name} {fault.label}", "broken", name, faults={name: fault})
        for name, box in boxes.items()
        for fault in ways.faults(box, spreads.get(name, np.zeros(1)), num_worlds)
    ]


def _lacking(senses: Sequence[str], subset: Subset) -> tuple[str, ...]:
    return tuple(name for name in senses if name not in subset)


def _joined(senses: Sequence[str], subset: Subset) -> str:
    return " + ".join(name for name in senses if name in subset)


class SpreadMeter:
    """A policy as it is, whose observations are watched for how far they spread."""

    def __init__(self, policy: Policy, senses: Sequence[str]) -> None:
        self._policy, self._senses = policy, tuple(senses)
        self._count = dict.fromkeys(senses, 0)
        self._mean: dict[str, NDArray[np.float64]] = {name: np.zeros(()) for name in senses}
        self._square: dict[str, NDArray[np.float64]] = {name: np.zeros(()) for name in senses}

    def act(self, observation: Observation, present: Mapping[str, BoolArray] | None = None) -> NDArray[Any]:
        """As the policy."""
        for name in self._senses:
            self._add(name, observation[name])
        return self._policy.act(observation, present)

    def reset(self, worlds: IntArray) -> None:
        """As the policy."""
        self._policy.reset(worlds)

    def spreads(self) -> dict[str, NDArray[np.float64]]:
        """Standard deviation (d,) of each feature, the last axis, over all other axes and all readings."""
        return {name: np.sqrt(self._square[name] / max(self._count[name], 1)) for name in self._senses}

    def _add(self, name: str, readings: NDArray[Any]) -> None:
        """Chan, Golub & LeVeque 1979, eq. 2.1: sums of squares about the mean, merged."""
        rows = readings.reshape(-1, readings.shape[-1] if readings.ndim > 1 else 1).astype(np.float64)  # (M, d)
        mean, count = rows.mean(axis=0), self._count[name]
        total = count + len(rows)
        change = mean - self._mean[name]
        self._square[name] = (
            self._square[name] + ((rows - mean) ** 2).sum(axis=0) + change**2 * count * len(rows) / total
        )
        self._mean[name] = self._mean[name] + change * len(rows) / total
        self._count[name] = total
