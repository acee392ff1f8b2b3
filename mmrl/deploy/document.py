"""policy.json: what an exported policy reads and what its actions mean, for whoever runs it without its training."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from gymnasium import spaces

from mmrl.modality import Modality, Unencoded

FILE = "policy.json"
VERSION = 1
"""Number of this layout; a reader refuses what it does not know."""
_SENSE = ("name", "shape", "history", "dtype", "rate_hz", "latency_s", "unit", "labels")


@dataclass(frozen=True)
class PolicyDocument:
    """The document of one exported policy."""

    environment: str
    """Id of the environment that it was trained in."""
    hz: float | None
    """Actions per second; None where the environment did not say."""
    senses: Mapping[str, Modality]
    """The senses by name, without how they are encoded, which is in the file of the policy."""
    action_space: spaces.Box | spaces.Discrete
    """The space of one action."""
    memory: int
    """Numbers that it carries from action to action; 0 for none."""
    weights: str
    """Name of the file of the policy beside the document; its ending says the format."""
    versions: Mapping[str, str]
    """Of the packages that it was trained and exported with."""
    vocabularies: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The words of senses that read words, by sense: the first has the number 1, 0 is no word."""

    def write(self, folder: Path) -> None:
        """Write it into a folder."""
        document = {
            "version": VERSION,
            "environment": self.environment,
            "hz": self.hz,
            "senses": [_described(modality) for modality in self.senses.values()],
            "action": _action(self.action_space),
            "memory": self.memory,
            "weights": self.weights,
            "versions": dict(self.versions),
            "vocabularies": {name: list(words) for name, words in self.vocabularies.items()},
        }
        (folder / FILE).write_text(json.dumps(document, indent=1, allow_nan=False) + "\n")

    @classmethod
    def read(cls, folder: Path) -> PolicyDocument:
        """The document of a folder. Raises ValueError that names the file where it is not as `write` leaves it."""
        path = folder / FILE
        try:
            document = json.loads(path.read_text())
            if document["version"] != VERSION:
                raise ValueError(f"version {document['version']!r}, this mmrl reads {VERSION}")
            return cls(
                environment=str(document["environment"]),
                hz=document["hz"],
                senses={sense["name"]: _sense(sense) for sense in document["senses"]},
                action_space=_space(document["action"]),
                memory=int(document["memory"]),
                weights=_beside(document["weights"]),
                versions=document["versions"],
                vocabularies={name: tuple(words) for name, words in document["vocabularies"].items()},
            )
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"{path} is no description of a policy: {type(error).__name__}: {error}") from error


def _described(modality: Modality) -> dict[str, Any]:
    low, high = modality.bounds
    known = modality.describe()
    return {name: known[name] for name in _SENSE} | {"low": _finite(low), "high": _finite(high)}


def _sense(document: Mapping[str, Any]) -> Modality:
    shape = tuple(document["shape"])
    known = {name: document[name] for name in ("name", "history", "dtype", "rate_hz", "latency_s")}
    unit = document["unit"]
    sense = Modality(
        shape=shape,
        encoder=Unencoded(),
        unit=unit if isinstance(unit, str) else tuple(unit),
        labels=tuple(document["labels"]),
        low=_bound(document["low"], -math.inf),
        high=_bound(document["high"], math.inf),
        **known,
    )
    return sense


def _finite(bound: np.ndarray[Any, Any]) -> list[float | None]:
    """A bound for each feature of the last axis, None where there is none; JSON has no infinity."""
    row = np.asarray(bound, np.float64).reshape(-1, bound.shape[-1])[0]
    return [float(value) if math.isfinite(value) else None for value in row]


def _bound(values: list[float | None], missing: float) -> tuple[float, ...]:
    return tuple(missing if value is None else float(value) for value in values)


def _action(space: spaces.Box | spaces.Discrete) -> dict[str, Any]:
    if isinstance(space, spaces.Discrete):
        return {"kind": "choice", "choices": int(space.n), "first": int(space.start)}
    return {"kind": "numbers", "low": space.low.tolist(), "high": space.high.tolist(), "dtype": str(space.dtype)}


def _space(document: Mapping[str, Any]) -> spaces.Box | spaces.Discrete:
    if document["kind"] == "choice":
        return spaces.Discrete(document["choices"], start=document["first"])
    if document["kind"] != "numbers":
        raise ValueError(f"actions of the kind {document['kind']!r}")
    dtype = np.dtype(document["dtype"])
    low, high = (np.asarray(document[side], dtype) for side in ("low", "high"))
    return spaces.Box(low, high, dtype=dtype.type)


def _beside(name: Any) -> str:
    """The name of a file in the same folder."""
    if not isinstance(name, str) or Path(name).name != name or not Path(name).suffix:
        raise ValueError(f"weights {name!r} are no file beside it")
    return name
