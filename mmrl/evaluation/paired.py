"""Intervals of what changes between two runs of the same episodes."""

import math

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import bootstrap, norm

_NEAR = 1e-9


def difference_interval(gained: int, lost: int, pairs: int, confidence: float = 0.95) -> tuple[float, float]:
    """Interval of the difference of two success rates on the same episodes, within -1..1.

    All differences d that the score test of (gained - lost) / pairs = d does not reject: Tango 1998, "Equivalence Test
    and Confidence Interval for the Difference in Proportions for the Paired-Sample Design". At d = 0 that
    test is McNemar's. Without any discordant pair it still has a width, z^2 / (pairs + z^2) to both sides. ValueError
    for counts that do not fit or no pairs.
    """
    if min(gained, lost) < 0 or gained + lost > pairs or pairs < 1:
        raise ValueError(f"gained and lost must be >= 0 and at most pairs >= 1 in all, got {gained}, {lost} of {pairs}")
    z = float(norm.ppf(0.5 + confidence / 2))
    return -_upper_end(lost, gained, pairs, z), _upper_end(gained, lost, pairs, z)


def _upper_end(gained: int, lost: int, pairs: int, z: float) -> float:
    def excess(difference: float) -> float:
        """Squared score less z^2, both times the variance; negative where the test does not reject."""
        share = _constrained_share(gained, lost, pairs, difference)
        variance = pairs * (2 * share + difference * (1 - difference))
        return float((gained - lost - pairs * difference) ** 2 - z**2 * variance)

    start = (gained - lost) / pairs + _NEAR  # at the estimate itself the variance may vanish
    return 1.0 if start >= 1 or excess(1.0) <= 0 else float(brentq(excess, start, 1.0))


def _constrained_share(gained: int, lost: int, pairs: int, difference: float) -> float:
    """Most likely share of lost episodes if the rates differed by `difference` (Tango 1998)."""
    a = 2 * pairs
    b = -gained - lost + (2 * pairs - gained + lost) * difference
    c = -lost * difference * (1 - difference)
    return (math.sqrt(max(b * b - 4 * a * c, 0.0)) - b) / (2 * a)


def mean_interval(values: NDArray[np.float64], confidence: float = 0.95) -> tuple[float, float, float]:
    """Mean of values (M,) with the ends of its bootstrap interval.

    Bias-corrected and accelerated (Efron 1987), 9,999 resamples, the same ones for the same values; of values that are
    all the same, or of a single one, both ends are the mean.
    """
    mean = float(values.mean())
    if np.ptp(values) == 0:
        return mean, mean, mean
    ends = bootstrap((values,), np.mean, confidence_level=confidence, rng=np.random.default_rng(0))
    return mean, float(ends.confidence_interval.low), float(ends.confidence_interval.high)
