"""A policy that imagines absent senses: it reads what the others predict of them.

Shapes: B rows, which are N worlds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
import torch
from torch import Tensor, nn

from mmrl.inputs import Inputs, Memory, Presence
from mmrl.modality import Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation import objective_configs
from mmrl.representation.translation import Translation, Translators
from mmrl_agents.learning.agent import Acted, Network
from mmrl_agents.policies.trained import StoredPolicy, TrainedPolicy, read_stored
from mmrl_agents.records.checkpoint import unpacking

_NAME = "translation"


class ImaginingPolicy(nn.Module):
    """An actor that gets, in place of an absent sense, the mean of what each sense that is there predicts of it.

    A sense of which nobody predicts anything, as where all are absent, stays absent. Imagined readings are in the
    declared bounds and type.
    """

    critic_modalities: Mapping[str, Modality]

    def __init__(self, policy: ActorCritic, translators: Translators) -> None:
        super().__init__()
        self.policy, self.translators = policy, translators
        self.modalities, self.critic_modalities = policy.modalities, policy.critic_modalities
        self.state_size = policy.state_size
        bounds = {name: policy.modalities[name].bounds for name in translators.names}
        self._bounds = {
            name: tuple(torch.from_numpy(side.astype(np.float32)) for side in sides) for name, sides in bounds.items()
        }

    def step(
        self,
        obs: Inputs,
        memory: Memory | None,
        *,
        present: Presence | None = None,
        deterministic: bool = False,
        generator: torch.Generator | None = None,
    ) -> Acted:
        """As `ActorCritic.step`."""
        readings, masks = self.imagined(obs, present or {})
        acted: Acted = self.policy.step(
            readings, memory, present=masks, deterministic=deterministic, generator=generator
        )
        return acted

    @torch.no_grad()
    def imagined(self, obs: Inputs, present: Presence) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """The readings and masks of an observation in which absent senses have been imagined, those given kept."""
        rows = next(x.shape[0] for x in (*obs.values(), *present.values()))
        device = next(self.policy.parameters()).device
        nobody = torch.zeros(rows, dtype=torch.bool, device=device)
        everybody = ~nobody
        there = {name: present.get(name, everybody) if name in obs else nobody for name in self.modalities}
        seen = self.policy.perception(obs, there, self._nothing(rows, device))
        readings, masks = dict(obs), dict(there)
        for name in self.translators.names:
            sources = [other for other in self.translators.names if other != name and other in obs]
            telling = torch.stack([nobody, *(there[other] for other in sources)])  # (1 + S, B)
            missing = ~there[name] & telling.any(dim=0)
            if not missing.any():
                continue
            shape = self.modalities[name].window_shape
            share = (telling[1:] / telling[1:].sum(dim=0).clamp(min=1)).unflatten(1, (-1, *(1,) * len(shape)))
            predicted = torch.stack([self.translators.imagined(other, name, seen) for other in sources])
            mean = torch.where(share > 0, share * predicted, 0).sum(dim=0)
            low, high = (side.to(device) for side in self._bounds[name])
            readings[name] = self._put(name, obs.get(name), missing, mean.clamp(low, high))
            masks[name] = there[name] | missing
        return readings, masks

    def _nothing(self, rows: int, device: torch.device) -> Memory | None:
        """No past, of which encodings know nothing anyway."""
        if not self.state_size:
            return None
        starts = torch.ones((1, rows), dtype=torch.bool, device=device)
        return Memory(torch.zeros(rows, self.state_size, device=device), starts)

    def _put(self, name: str, given: Tensor | None, missing: Tensor, imagined: Tensor) -> Tensor:
        """The readings that are given, and imagined ones in the rows where they are missing."""
        declared = imagined.round().to(torch.uint8) if self.modalities[name].dtype == "uint8" else imagined
        if given is None:
            return declared
        return torch.where(missing.view(-1, *(1,) * (given.dim() - 1)), declared.to(given.dtype), given)


def imagining(trained: TrainedPolicy, source: str, checkpoint: str) -> ImaginingPolicy:
    """The policy of a run with the translation that it was trained with.

    Raises ValueError for a policy without one.
    """
    stored = read_stored(source, checkpoint)
    config = objective_configs(trained.config.objectives).get(_NAME)
    weights = _weights_of(stored)
    if not isinstance(config, Translation) or not weights or not isinstance(trained.policy, ActorCritic):
        having = ", ".join(trained.config.objectives) or "none"
        raise ValueError(
            f"senses are imagined by the objective {_NAME!r}, which {stored.path} was not trained with; it has the "
            f"objectives {having}: train with --objectives {_NAME}=0.1, or take --absent learned"
        )
    translators = config.start(trained.policy.perception, trained.policy.modalities)
    assert isinstance(translators, Translators)
    device = next(trained.policy.parameters()).device
    with unpacking(stored.path):
        translators.load_state_dict(weights)
    return ImaginingPolicy(trained.policy, translators).to(device).eval()


ABSENT: Mapping[str, Callable[[TrainedPolicy, str, str], Network]] = MappingProxyType(
    {"learned": lambda trained, source, checkpoint: trained.policy, "imagined": imagining}
)
"""Networks that act where senses are absent, by the word that asks for them: with the vector learned in their place, or
imagining them. Made of a policy, its source and its checkpoint."""


def _weights_of(stored: StoredPolicy) -> dict[str, Tensor]:
    beginning = f"objectives.{_NAME}."
    return {
        name.removeprefix(beginning): weight for name, weight in stored.weights.items() if name.startswith(beginning)
    }
