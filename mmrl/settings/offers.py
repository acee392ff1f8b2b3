"""Offers of installed packages through entry points, and packages that cannot be imported."""

import warnings
from collections.abc import Iterable, Iterator, Sequence
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


def by_name(points: Iterable[EntryPoint]) -> dict[str, list[EntryPoint]]:
    """The entry points of each name; one that a package has twice, as where it is installed twice, counts once."""
    named: dict[str, dict[str, EntryPoint]] = {}
    for point in points:
        named.setdefault(point.name, {}).setdefault(point.value, point)
    return {name: list(values.values()) for name, values in named.items()}


def claimed_by(points: Sequence[EntryPoint]) -> str:
    """The sentence about a name that several packages offer, for something else each."""
    claims = " and ".join(map(origin_of, points))
    return f"{points[0].name!r} of {points[0].group} is offered by {claims}: uninstall all but one of them"


def origin_of(point: EntryPoint) -> str:
    """The package of an entry point, as far as it is known, and the place in it."""
    return point.value if point.dist is None else f"{point.dist.name} ({point.value})"
