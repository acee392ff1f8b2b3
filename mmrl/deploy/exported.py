"""Policies in files that need no training package: the base of every format, and how a folder is opened.

Inputs of such a file are flat: each sense by its name, (N, *window_shape); `present.NAME` for each, bool (N,);
`memory`, (N, M), where the policy remembers. Outputs are `action`, (N, *A), within bounds, and `next_memory`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import IntArray
from mmrl.deploy.document import FILE, PolicyDocument
from mmrl.modality import Modality
from mmrl.modality.readings import checked_readings

PRESENT, MEMORY = "present.{}", "memory"
ACTION, NEXT_MEMORY = "action", "next_memory"
FORMATS: Mapping[str, str] = MappingProxyType(
    {".onnx": "mmrl.deploy.onnx:OnnxPolicy", ".pt2": "mmrl.deploy.pt2:Pt2Policy"}
)
"""The class that runs a file, by its ending."""
RUNS_CODE = (".pt2",)
"""Endings of files whose reader unpickles parts of them (torch.export.load)."""


class ExportedPolicy(ABC):
    """A policy as `mmrl export --format` wrote it, as `mmrl.deploy.policy.ReadyPolicy` promises it.

    Args:
        document: what it reads and what its actions mean.
    """

    def __init__(self, document: PolicyDocument) -> None:
        self._document = document
        self._memory: NDArray[np.float32] = np.zeros((0, document.memory), np.float32)

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses that it reads, by name."""
        return self._document.senses

    @property
    def hz(self) -> float | None:
        """Actions per second in its training."""
        return self._document.hz

    @property
    def action_space(self) -> spaces.Space[Any]:
        """The space of one action."""
        return self._document.action_space

    def act(self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None) -> NDArray[Any]:
        """The best action (*A), or N of them (N, *A), within the bounds of the action space."""
        batch, masks, one = batched(observation, present, self.modalities)
        rows = len(next(iter((*batch.values(), *masks.values()))))
        inputs = self._inputs(checked_readings(batch, masks, self.modalities), masks, rows)
        outputs = self._run(inputs)
        if self._document.memory:
            self._memory = outputs[NEXT_MEMORY]
        actions = outputs[ACTION]
        action: NDArray[Any] = actions[0] if one else actions
        return action

    def value(
        self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None
    ) -> NDArray[Any]:
        """Raises ValueError: the file of a policy that acts holds no critic."""
        raise ValueError(f"{self._document.weights} holds no critic; ask the run folder for values")

    def reset(self, worlds: IntArray | None = None) -> None:
        """Forget what is remembered, of all or of some of N."""
        self._memory = self._memory.copy()
        self._memory[slice(None) if worlds is None else worlds[worlds < len(self._memory)]] = 0.0

    @abstractmethod
    def _run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        """The outputs by name."""

    def _inputs(
        self, readings: Mapping[str, NDArray[Any]], masks: Mapping[str, NDArray[np.bool_]], rows: int
    ) -> dict[str, NDArray[Any]]:
        """All inputs of the file in their order; what is absent from every row reads 0."""
        inputs: dict[str, NDArray[Any]] = {}
        flags: dict[str, NDArray[Any]] = {}
        for name, sense in self.modalities.items():
            mask = masks.get(name, np.full(rows, name in readings))
            if mask.shape != (rows,):
                raise ValueError(f"present[{name!r}] must be bool ({rows},), got {mask.shape}")
            if name not in readings and (mask.any() or name not in masks):
                raise ValueError(f"observation {name!r} is missing; present={{{name!r}: False}} says that it is absent")
            inputs[name] = readings.get(name, np.zeros((rows, *sense.window_shape), sense.dtype))
            if len(inputs[name]) != rows:
                raise ValueError(f"observation {name!r} has {len(inputs[name])} rows, others {rows}")
            flags[PRESENT.format(name)] = mask
        inputs.update(flags)
        if self._document.memory:
            known = len(self._memory) == rows
            inputs[MEMORY] = self._memory if known else np.zeros((rows, self._document.memory), np.float32)
        return inputs


def is_exported(folder: Path) -> bool:
    """Whether `mmrl export --format` wrote the folder."""
    return (folder / FILE).is_file()


def open_exported(folder: Path, trust: Sequence[str] = ()) -> ExportedPolicy:
    """The policy of a folder.

    Raises ValueError for a folder that is not whole, of a format that is not known, and of one that may run code where
    `trust` does not name it.
    """
    document = PolicyDocument.read(folder)
    path = folder / document.weights
    if path.suffix not in FORMATS:
        raise ValueError(f"{path} is of no known format: {', '.join(FORMATS)}")
    if not path.is_file():
        raise ValueError(f"{folder / FILE} names {document.weights}, which is not there")
    if path.suffix in RUNS_CODE and path.suffix[1:] not in trust:
        raise ValueError(
            f"{path} is unpickled where it is loaded, which may run any code: if you made it, or trust whoever did, "
            f"load it by mmrl.load({str(folder)!r}, trust=[{path.suffix[1:]!r}]). An ONNX file runs none"
        )
    module, _, name = FORMATS[path.suffix].partition(":")
    return cast(ExportedPolicy, getattr(import_module(module), name)(document, path))


def batched(
    observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None, senses: Mapping[str, Modality]
) -> tuple[dict[str, NDArray[Any]], dict[str, NDArray[np.bool_]], bool]:
    """Observation and masks with a leading axis, and whether it had to be added: they were of one world.

    Raises ValueError where nothing is given.
    """
    known: dict[str, NDArray[Any]] = {name: np.asarray(given) for name, given in observation.items()}
    masks = {name: np.asarray(mask, np.bool_) for name, mask in (present or {}).items()}
    if not known and not masks:
        raise ValueError(f"an observation needs one of the senses {', '.join(senses)}")
    one = any(name in senses and array.shape == senses[name].window_shape for name, array in known.items())
    if one or (not known and all(mask.ndim == 0 for mask in masks.values())):
        return {n: array[None] for n, array in known.items()}, {n: mask[None] for n, mask in masks.items()}, True
    return known, masks, False
