"""Samples of a minibatch, as an objective gets them."""

from collections.abc import Mapping
from typing import NamedTuple

from torch import Tensor


class Samples(NamedTuple):
    observations: Mapping[str, Tensor]
    actions: Tensor
    present: Mapping[str, Tensor] | None = None
