"""Policies in ONNX files, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from mmrl.deploy.document import PolicyDocument
from mmrl.deploy.exported import ExportedPolicy


class OnnxPolicy(ExportedPolicy):
    """A policy in an ONNX file, on one thread of the processor.

    Args:
        document: what it reads and what its actions mean.
        path: the file.

    Raises ImportError where onnxruntime is not installed, ValueError for a file that it cannot read.
    """

    def __init__(self, document: PolicyDocument, path: Path) -> None:
        super().__init__(document)
        try:
            runtime: Any = import_module("onnxruntime")
        except ImportError as error:
            raise ImportError(f"{path} needs onnxruntime: pip install 'mmrl[onnx]'") from error
        options = runtime.SessionOptions()
        # An action of one robot is too little to share out.
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        try:
            self._session = runtime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
        except Exception as error:  # its errors have no common class
            raise ValueError(f"{path} is no ONNX file that onnxruntime can run: {error}") from error
        self._outputs = [output.name for output in self._session.get_outputs()]

    def _run(self, inputs: Mapping[str, NDArray[Any]]) -> Mapping[str, NDArray[Any]]:
        return dict(zip(self._outputs, self._session.run(None, dict(inputs)), strict=True))
