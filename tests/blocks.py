"""One process that acts and shuffles block by block, as ranks do that have a block of the worlds each.

A product of matrices rounds by its size, and a minibatch of ranks has a part of each; so this is the training that
ranks are compared with.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from mmrl.policy.actor_critic import ActorCritic, Step
from mmrl.policy.among import Among
from mmrl_agents.experience.storage import Minibatch, RolloutStorage
from mmrl_agents.machine.ranks import ALONE, Portions, Ranks


def act_in_blocks(policy: ActorCritic, blocks: Sequence[slice]) -> None:
    """Have one process decide for its worlds block by block."""
    whole = policy.step

    def step(obs: Any, memory: Any, *, generator: torch.Generator, among: Among | None = None, **more: Any) -> Step:
        if among is None:  # somebody else is acting
            return whole(obs, memory, generator=generator, **more)
        before, parts, present = generator.get_state(), [], more["present"]
        for block in blocks:
            generator.set_state(before)
            seen = {name: rows[block] for name, rows in obs.items()}
            masks = None if present is None else {name: mask[block] for name, mask in present.items()}
            parts.append(whole(seen, None, present=masks, generator=generator, among=Among(block.start, among.total)))
        actions, log_probs, values, _ = zip(*parts, strict=True)
        return Step(torch.cat(actions), torch.cat(log_probs), None if values[0] is None else torch.cat(values), None)

    policy.step = step  # type: ignore[method-assign]


def shuffle_in_blocks(storage: RolloutStorage, blocks: Sequence[slice]) -> None:
    """Have one process draw a part of every minibatch from each block of its worlds."""
    widths = [block.stop - block.start for block in blocks]
    samples = tuple(storage.num_steps * width for width in widths)

    def minibatches(size: int, generator: torch.Generator, ranks: Ranks = ALONE) -> Iterator[Minibatch]:
        assert ranks is ALONE
        portions = Portions(samples, size)
        drawn = torch.randperm(max(samples), generator=generator)
        parts = []
        for number, (block, width) in enumerate(zip(blocks, widths, strict=True)):
            own = drawn[drawn < samples[number]]
            places = own // width * storage.num_worlds + block.start + own % width
            parts.append(places.split(portions.of(number)))
        for together in zip(*parts, strict=True):
            yield storage.minibatch(torch.cat(together))

    storage.minibatches = minibatches  # type: ignore[method-assign]
