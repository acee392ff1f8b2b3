"""Offers of installed packages through entry points, and packages that cannot be imported."""

import warnings
from collections.abc import Iterable, Iterator
from importlib.metadata import EntryPoint
from typing import Any


class PackageUnusable(UserWarning):
    """An installed package offers something that cannot be imported; everything else works on."""


def load(point: EntryPoint) -> Any:
    """The object that an entry point names. Raises ValueError that names it where it cannot be imported."""
    try:
        return point.load()
    except Exception as error:  # of anybody's package
        raise ValueError(
            f"{point.name!r} of the installed packages' {point.group} cannot be imported from {point.value!r}: "
            f"{type(error).__name__}: {error}"
        ) from error


def usable(points: Iterable[EntryPoint]) -> Iterator[tuple[EntryPoint, Any]]:
    """The entry points with the objects that they name; warns of those that cannot be imported and leaves them out."""
    for point in points:
        try:
            offered = load(point)
        except ValueError as error:
            warnings.warn(str(error), PackageUnusable, stacklevel=3)
            continue
        yield point, offered
