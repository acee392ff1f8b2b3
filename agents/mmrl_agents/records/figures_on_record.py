"""Figures as documents have them that were written when policies were evaluated."""

from collections.abc import Mapping
from typing import Any

from mmrl.evaluation.figures import Figure, Quartiles, decimals_for
from mmrl.evaluation.rates import Rate
from mmrl.settings.documents import build

_MEDIAN = "median_"


def figures_on_record(report: Mapping[str, Any]) -> tuple[Figure, ...]:
    """The figures that the rows of an evaluation have; an older one declares none and has their medians alone."""
    if "figures" in report:
        return tuple(build(Figure, document) for document in report["figures"])
    known = [key for key, value in report["rows"][0].items() if key.startswith(_MEDIAN) and value is not None]
    return tuple(Figure(key.removeprefix(_MEDIAN)) for key in known)


def median_on_record(row: Mapping[str, Any], figure: Figure) -> float | None:
    """The median of a figure in a row; None where no episode reported it."""
    value = row.get(f"{_MEDIAN}{figure.name}")
    return None if value is None else float(value)


def value_on_record(row: Mapping[str, Any], figure: Figure) -> float | None:
    """The share of an event, the median of any other figure, in a row; None where no episode reported it."""
    share = row.get(f"share_{figure.name}")
    return float(share["rate"]) if share else median_on_record(row, figure)


def cell_on_record(row: Mapping[str, Any], figure: Figure) -> str:
    """The share of an event with its interval, or median and quartiles; "" where no episode reported it."""
    if share := row.get(f"share_{figure.name}"):
        return str(Rate(share["successes"], share["trials"]))
    if (median := median_on_record(row, figure)) is None:
        return ""
    return str(quartiles_on_record(row, figure) or f"{median:.{decimals_for([median])}f}")


def quartiles_on_record(row: Mapping[str, Any], figure: Figure) -> Quartiles | None:
    """Median and quartiles of a figure in a row; None where it has none, or is older."""
    median, ends = median_on_record(row, figure), row.get(f"quartiles_{figure.name}")
    return None if median is None or ends is None else Quartiles(median, float(ends[0]), float(ends[1]))
