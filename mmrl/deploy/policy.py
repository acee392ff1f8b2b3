"""Policies that are ready to act, by name, and what can be asked of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol, cast

from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from mmrl.arrays import IntArray
from mmrl.deploy.exported import is_exported, open_exported
from mmrl.modality import Modality

_LOADER = "mmrl_agents.policies.loading"
"""By name: the networks of a training need the packages above this one, which come in one distribution with it."""


class ActingPolicy(Protocol):
    """A policy as a robot needs it.

    An observation maps a sense to one reading or window of `modalities[name].window_shape`, or to N of them; answers
    are for one then, or for N. `present` says what is there, `{"camera": False}` or N such values a sense; a sense that
    it does not name is there.
    """

    @property
    def modalities(self) -> Mapping[str, Modality]:
        """The senses that it reads, by name: shapes, rates, units."""

    @property
    def hz(self) -> float | None:
        """Actions per second in its training; None where that is not known."""

    def act(self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None) -> NDArray[Any]:
        """The best action (*A), or N of them (N, *A), within the bounds of the action space."""

    def reset(self, worlds: IntArray | None = None) -> None:
        """Forget what is remembered, of all or of some of N."""


class ReadyPolicy(ActingPolicy, Protocol):
    """A policy with its critic."""

    @property
    def action_space(self) -> spaces.Space[Any]:
        """The space of one action."""

    def value(
        self, observation: Mapping[str, ArrayLike], present: Mapping[str, ArrayLike] | None = None
    ) -> NDArray[Any]:
        """The discounted return that the critic expects, (), or N of them."""


def load(
    source: str | Path, *, checkpoint: str | Path = "best", device: str = "cpu", trust: Sequence[str] = ()
) -> ReadyPolicy:
    """The policy of a run folder, of an exported one, or one that comes with the package, such as "peg_insertion".

    One that was exported as ONNX or by torch.export needs no other package of the suite, no checkpoint and no device.

    Args:
        source: a folder or a name; `mmrl list pretrained` shows the names.
        checkpoint: "best", "last" or a file, of a run folder.
        device: where its network computes, "cpu" or "cuda".
        trust: modules of somebody else's run that may be imported, and "pt2" for files of torch.export, which may run
            code (docs/security.md).

    Raises FileNotFoundError for what does not exist, and what `mmrl_agents.policies.trained.load_policy` raises.
    """
    if is_exported(Path(source)):
        return open_exported(Path(source), trust)
    loaded = import_module(_LOADER).load(source, checkpoint=checkpoint, device=device, trust=trust)
    return cast(ReadyPolicy, loaded)
