"""Plain values in, checked dataclasses out."""

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmrl.settings.documents import build, fit


@dataclass(frozen=True)
class Inner:
    rate: float = 0.5
    sizes: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        if self.rate < 0:
            raise ValueError(f"rate must not be negative, got {self.rate}")


@dataclass(frozen=True)
class Outer:
    name: str
    count: int = 1
    on: bool = False
    kind: Literal["a", 2] = "a"
    limit: float | None = None
    pair: tuple[str, float] = ("x", 1.0)
    folder: Path | None = None
    inner: Inner = field(default_factory=Inner)
    other: Annotated[dict[str, Any], "words"] = field(default_factory=dict)
    mapping: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Fitting(Outer):
    """Fits its fields when it is made."""

    def __post_init__(self) -> None:
        fit(self)


FULL: dict[str, Any] = {
    "name": "peg",
    "count": 3,
    "on": True,
    "kind": 2,
    "limit": 2,
    "pair": ["y", 3],
    "folder": "runs/a",
    "inner": {"rate": 1, "sizes": [1, 2]},
    "other": {"list": [1, [2]], "none": None},
    "mapping": {"a": 1},
}


def test_every_kind_is_understood() -> None:
    outer = build(Outer, json.loads(json.dumps(FULL)))
    assert outer == Outer(
        "peg", 3, True, 2, 2.0, ("y", 3.0), Path("runs/a"), Inner(1.0, (1, 2)), FULL["other"], {"a": 1}
    )
    assert type(outer.limit) is type(outer.inner.rate) is float


def test_defaults_stay() -> None:
    assert build(Outer, {"name": "peg"}) == Outer("peg")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": "three"}, "count must be int, got 'three'"),
        ({"count": True}, "count must be int, got True"),
        ({"count": 1.5}, "count must be int, got 1.5"),
        ({"count": float("inf")}, "count must be int, got inf"),
        ({"on": 1}, "on must be bool, got 1"),
        ({"kind": "b"}, "kind must be one of 'a', 2, got 'b'"),
        ({"kind": 2.0}, "kind must be one of 'a', 2, got 2.0"),
        ({"limit": "none"}, r"limit must be float \| None, got 'none'"),
        ({"limit": 10**400}, "limit must be"),
        ({"pair": ["y"]}, r"pair must be tuple\[str, float\], got \['y'\]"),
        ({"pair": "yz"}, "pair must be"),
        ({"pair": [1, 1.0]}, "pair must be str, got 1"),
        ({"folder": 3}, "folder must be"),
        ({"inner": 3}, "inner must be Inner, got 3"),
        ({"inner": {"rate": []}}, r"inner.rate must be float, got \[\]"),
        ({"inner": {"rate": -1}}, "rate must not be negative, got -1.0"),
        ({"inner": {"speed": 1}}, "Inner has no speed; it has rate, sizes"),
        ({"other": [1]}, "other must be"),
        ({"other": {"a": [1, float("nan")]}}, r"other\.a\[1\] must be finite, got nan"),
        ({"other": {"a": {2: 1}}}, r"other\.a must have words as keys, got 2"),
        ({"other": {"a": object()}}, r"other\.a must be made of numbers, words, lists and mappings, got <object"),
        ({"colour": 1, "age": 2}, "Outer has no age, colour; it has name, count"),
    ],
)
def test_what_does_not_fit_is_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(Outer, {**FULL, **change})


def test_numbers_of_numpy_and_whole_fractions_are_numbers() -> None:
    given = {"count": np.int64(3), "limit": np.float32(0.5), "pair": ("y", np.float16(2)), "mapping": {"a": 1e6}}
    for outer in (build(Outer, {**FULL, **given}), Fitting("peg", **given)):  # type: ignore[arg-type]
        assert (outer.count, outer.limit, outer.pair, outer.mapping) == (3, 0.5, ("y", 2.0), {"a": 1_000_000})
        kinds = type(outer.count), type(outer.limit), type(outer.pair[1]), type(outer.mapping["a"])
        assert kinds == (int, float, float, int)


def test_a_whole_number_that_is_fitted_for_a_fraction_stays_as_it_is_written() -> None:
    assert type(Fitting("peg", limit=87).limit) is int
    assert type(build(Outer, {"name": "peg", "limit": 87}).limit) is float


def test_what_is_free_in_kind_is_what_a_file_would_hold() -> None:
    other = {"at": np.array([1.0, 2.0]), "n": np.int32(3), "ends": (0, [1, np.True_]), "where": Path("a")}
    fitted = Fitting("peg", other=other).other
    assert fitted == {"at": [1.0, 2.0], "n": 3, "ends": [0, [1, True]], "where": "a"}
    assert json.loads(json.dumps(fitted)) == fitted


def test_what_contains_itself_is_refused() -> None:
    endless: list[Any] = []
    endless.append(endless)
    with pytest.raises(ValueError, match=r"is nested more than 20 deep, or contains itself"):
        Fitting("peg", other={"a": endless})


def test_a_field_that_does_not_fit_is_named() -> None:
    with pytest.raises(ValueError, match=r"count must be int, got 2\.5"):
        Fitting("peg", count=2.5)  # type: ignore[arg-type]


def test_what_is_missing_is_named() -> None:
    with pytest.raises(ValueError, match="Outer lacks name"):
        build(Outer, {"count": 1})


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(change=st.dictionaries(st.sampled_from([*FULL, "more"]), JSON, max_size=4))
def test_any_document_is_built_or_refused(change: dict[str, Any]) -> None:
    try:
        outer = build(Outer, {**FULL, **change})
    except ValueError:
        return
    assert "more" not in change
    hints = {"count": int, "on": bool, "name": str, "inner": Inner, "other": dict, "pair": tuple}
    assert all(type(getattr(outer, name)) is kind for name, kind in hints.items())
    assert dataclasses.asdict(outer).keys() == FULL.keys()
