"""Networks as graphs for other programs: ONNX and torch.export, with flat inputs (`mmrl.deploy.exported`)."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

import torch
from gymnasium import spaces
from torch import Tensor, nn
from torch.distributions import Distribution
from torch.export import Dim, ExportedProgram

from mmrl.deploy.exported import ACTION, MEMORY, NEXT_MEMORY, PRESENT
from mmrl.inputs import Memory
from mmrl_agents.learning.agent import Network

MOST_ROWS = 65_536
_ROWS = 2
"""Rows of the example that is traced: one is a number that graphs take for a constant."""


class ActingGraph(nn.Module):
    """A policy that acts, its inputs in a row: readings, masks and memory in, action and memory out.

    Args:
        network: the policy.
        action_space: to whose bounds actions are clipped.
    """

    def __init__(self, network: Network, action_space: spaces.Space[Any]) -> None:
        super().__init__()
        self.network, self._senses = network, list(network.modalities)
        self._bounded = isinstance(action_space, spaces.Box)
        if isinstance(action_space, spaces.Box):
            self.register_buffer("low", torch.from_numpy(action_space.low))
            self.register_buffer("high", torch.from_numpy(action_space.high))

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """Readings (B, *window_shape) and masks (B,) of all senses, and with a memory that, (B, M)."""
        count = len(self._senses)
        obs = dict(zip(self._senses, inputs[:count], strict=True))
        masks = dict(zip(self._senses, inputs[count : 2 * count], strict=True))
        memory = None
        if self.network.state_size:
            state = inputs[2 * count]
            memory = Memory(state, torch.zeros(1, state.shape[0], dtype=torch.bool))
        acted = self.network.step(obs, memory, present=masks, deterministic=True)
        action = acted.action
        if self._bounded:
            low, high = self.get_buffer("low"), self.get_buffer("high")
            action = torch.minimum(torch.maximum(action, low), high)
        return (action,) if acted.state is None else (action, acted.state)

    def inputs(self) -> dict[str, Tensor]:
        """An example of every input, by name."""
        senses = self.network.modalities.items()
        readings = {n: torch.zeros((_ROWS, *m.window_shape), dtype=getattr(torch, m.dtype)) for n, m in senses}
        masks = {PRESENT.format(name): torch.ones(_ROWS, dtype=torch.bool) for name in readings}
        memory = {MEMORY: torch.zeros(_ROWS, self.network.state_size)} if self.network.state_size else {}
        return {**readings, **masks, **memory}

    @property
    def outputs(self) -> list[str]:
        """The names of what `forward` gives."""
        return [ACTION, NEXT_MEMORY] if self.network.state_size else [ACTION]


def as_pt2(graph: ActingGraph) -> bytes:
    """The file of torch.export. Raises ValueError, naming the reason, for a network that is no graph."""
    written = io.BytesIO()
    with _quietly():
        torch.export.save(_program(graph), written)
    return written.getvalue()


def as_onnx(graph: ActingGraph) -> bytes:
    """The ONNX file. Raises ImportError without onnxscript, ValueError for a network that is no graph."""
    with _quietly():
        program = _program(graph)
        try:
            exported = torch.onnx.export(
                program, input_names=list(graph.inputs()), output_names=graph.outputs, dynamo=True, verbose=False
            )
        except ModuleNotFoundError as error:
            raise ImportError(f"ONNX needs {error.name}: pip install 'mmrl[onnx]'") from error
        except Exception as error:  # of a layer that ONNX has no word for
            raise ValueError(f"the network cannot be written as ONNX: {_first_line(error)}") from error
        assert exported is not None
        written = exported.model_proto.SerializeToString()
    return bytes(written)


WRITERS: Mapping[str, Callable[[ActingGraph], bytes]] = MappingProxyType({"onnx": as_onnx, "pt2": as_pt2})
"""The function that writes each format, which is also the ending of its file."""


def _program(graph: ActingGraph) -> ExportedProgram:
    rows = Dim("rows", min=1, max=MOST_ROWS)
    example = tuple(graph.inputs().values())
    shapes = (tuple({0: rows} for _ in example),)
    try:
        with _unchecked_distributions():
            return torch.export.export(graph.eval(), example, dynamic_shapes=shapes, strict=False)
    except Exception as error:  # what cannot be traced shows itself in many ways
        named = ", ".join(f"{name} ({type(m.encoder).__name__})" for name, m in graph.network.modalities.items())
        raise ValueError(
            f"the network is no graph, as where an encoder's code depends on the numbers that it reads: "
            f"{_first_line(error)}. Its senses: {named}"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


@contextmanager
def _unchecked_distributions() -> Iterator[None]:
    """A distribution checks its parameters by looking at their numbers, which a graph does not have."""
    before = Distribution._validate_args
    Distribution.set_default_validate_args(False)
    try:
        yield
    finally:
        Distribution.set_default_validate_args(before)


@contextmanager
def _quietly() -> Iterator[None]:
    """The exporters warn of their own insides and tell how far they are; nobody can do anything about it."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
