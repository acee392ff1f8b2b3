"""Recordings of several senses on one clock: warping paths, lags and drifts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmrl.alignment.base import Aligner, Alignment, ClockOffset
from mmrl.alignment.correlation import Correlation
from mmrl.alignment.ctw import CTW
from mmrl.alignment.dctw import DCTW
from mmrl.alignment.dtw import path_cost, warping_path
from mmrl.alignment.gtw import GTW
from mmrl.alignment.information import Information
from mmrl.alignment.recording import RecordedSenses, Recording
from mmrl.alignment.warping import DTW
from mmrl.settings.documents import build

__all__ = [
    "ALIGNERS",
    "Aligner",
    "Alignment",
    "ClockOffset",
    "Recording",
    "align",
    "make_aligner",
    "path_cost",
    "warping_path",
]

ALIGNERS: dict[str, type[Aligner]] = {
    "correlation": Correlation,
    "dtw": DTW,
    "ctw": CTW,
    "gtw": GTW,
    "dctw": DCTW,
    "information": Information,
}
"""Methods of alignment by name; a new one is one more entry."""


def make_aligner(name: str, options: Mapping[str, Any] | None = None) -> Aligner:
    """The method of that name, options not given at their defaults; ValueError as `build`."""
    if name not in ALIGNERS:
        raise ValueError(f"unknown method of alignment {name!r}; there are {', '.join(ALIGNERS)}")
    try:
        return build(ALIGNERS[name], options or {})
    except ValueError as error:
        raise ValueError(f"alignment {name!r}: {error}") from error


def align(
    recordings: RecordedSenses | Sequence[RecordedSenses], method: str = "information", **options: Any
) -> Alignment:
    """Bring two or more recordings onto one clock.

    Args:
        recordings: of one episode, or of several whose clocks begin anew each time.
        method: a name of `ALIGNERS`.
        **options: of the method.

    Raises ValueError for recordings that do not fit together, and as `make_aligner`.
    """
    episodes = [recordings] if isinstance(recordings[0], Recording) else recordings
    return make_aligner(method, options).align(episodes)  # type: ignore[arg-type]  # the line above told them apart
