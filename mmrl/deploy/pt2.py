"""Policies in files of torch.export, run by torch."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from numpy.typing import NDArray

from mmrl.deploy.document import PolicyDocument
from mmrl.deploy.exported import ACTION, NEXT_MEMORY, ExportedPolicy


class Pt2Policy(ExportedPolicy):
    """A policy in a file that torch.export wrote.

    Args:
        document: what it reads and what its actions mean.
        path: the file.

    Raises ValueError for a file that torch cannot read.
    """

    def __init__(self, document: PolicyDocument, path: Path) -> None:
        super().__init__(document)
        try:
            self._graph = torch.export.load(path).module()
        except Exception as error:  # a broken file breaks in many places
            raise ValueError(f"{path} is no file of torch.export that this torch can run: {error}") from error

    @torch.inference_mode()
    def _run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        outputs = self._graph(*(torch.from_numpy(array) for array in inputs.values()))
        return dict(zip((ACTION, NEXT_MEMORY), (output.numpy() for output in outputs), strict=False))
