"""One of two processes that train together: `python -m tests.two_ranks FOLDER`, with what torchrun sets.

What it finds it leaves in FOLDER/RANK.pt.
"""

import hashlib
import io
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mmrl.normalization import RunningStatistics, pool_statistics
from mmrl_agents.learning.ppo_agent import PPOAgent
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.machine.ranks import Ranks
from mmrl_agents.machine.torch_ranks import RankLost, joined_ranks
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.trainer import Trainer

POLE = TrainConfig(
    env="CartPole-v1",
    recipe="none",
    num_worlds=5,
    total_steps=10_000,
    ppo=PPOConfig(num_steps=16, minibatch_size=40, epochs=2),
    device="cpu",
    threads=1,
)
HILL = replace(
    POLE,
    env="tests.toys.contexts:Hill",
    num_worlds=64,
    ppo=PPOConfig(num_steps=2, minibatch_size=32, epochs=1),
    curriculum="success_gated",
    vary={"slope": [0, 1]},
)
SIGNS = replace(
    POLE,
    env="tests.toys.lessons:Guess",
    num_worlds=64,
    ppo=PPOConfig(num_steps=8, minibatch_size=128, epochs=2),
)
SPOILT = (7, 8, 30)
"""Updates in which the second rank meets a reward that is no number."""
READINGS = np.random.default_rng(0).normal(3.0, 5.0, (100, 2))
UNEVEN = (range(33), range(33, 64))
SHARES = (slice(0, 64), slice(64, 100))


def talk(ranks: Ranks) -> dict[str, Any]:
    """Everything that ranks can say to each other."""

    def refuse() -> int:
        raise FileExistsError("that folder is in use")

    refused = ""
    try:
        ranks.on_first(refuse)
    except FileExistsError as error:
        refused = str(error)
    weights = [nn.Parameter(torch.zeros(2)), nn.Parameter(torch.zeros(1)), nn.Parameter(torch.zeros(3))]
    weights[0].grad = torch.tensor([1.0, 2.0]) * (ranks.index + 1)
    if not ranks.is_first:
        weights[1].grad = torch.tensor([torch.inf])
    ranks.sum_gradients(weights)
    return {
        "gather": ranks.gather(["a"] * (1 + ranks.index)),
        "agree": ranks.agree({"rank": ranks.index}),
        "any": (ranks.any(False), ranks.any(ranks.index == 1)),
        "join": ranks.join(torch.full((2, 1 + ranks.index), float(ranks.index)), dim=1),
        "sum": ranks.sum(torch.tensor([1.0 + ranks.index])),
        "merge": ranks.merge([ranks.index, 2 + ranks.index], key=lambda number: number // 2),
        "on_first": ranks.on_first(lambda: ranks.index),
        "refused": refused,
        "gradients": [weight.grad for weight in weights],
        "share": list(ranks.share(5)),
    }


def statistics(ranks: Ranks) -> dict[str, Any]:
    """Running statistics of readings that two ranks have unequal parts of."""
    running = RunningStatistics(2)
    pool_statistics([running], ranks.gather)
    running.update(torch.from_numpy(READINGS[SHARES[ranks.index]]))
    return running.state_dict()


def trained(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """A training of three updates, of which one meets a reward on the second rank that is no number."""
    trainer = Trainer(POLE, RunFolder.create(folder / f"run{ranks.index}"), ranks)
    with closing(trainer):
        trainer.begin()
        trainer.advance()
        assert isinstance(trainer.agent, PPOAgent)
        storage = trainer.agent.rollout.storage
        collect, skipped = trainer.agent.rollout.collect, []

        def spoilt() -> None:
            collect()
            if not ranks.is_first:
                storage.rewards[0, 0] = torch.nan

        trainer.agent.rollout.collect = spoilt  # type: ignore[method-assign]
        trainer.advance()
        skipped.append(trainer.metrics["skipped_updates"])
        trainer.agent.rollout.collect = collect  # type: ignore[method-assign]
        trainer.advance()
        skipped.append(trainer.metrics["skipped_updates"])
        path = trainer.save()
        return {
            "checkpoint": ranks.on_first(lambda: load_checkpoint(path)),
            "policy": trainer.policy.state_dict(),
            "agent": trainer.agent.state_dict(),
            "actions": trainer.actions.get_state(),
            "metrics": trainer.metrics,
            "skipped": skipped,
            "step": trainer.step,
            "worlds": storage.num_worlds,
            "advantages": storage.advantages.clone(),
        }


def digest(state: Any) -> str:
    """A hash of a tree of tensors and numbers."""
    stream = io.BytesIO()
    torch.save(state, stream)
    return hashlib.sha256(stream.getvalue()).hexdigest()


def fifty_updates(ranks: Ranks, folder: Path) -> dict[str, Any]:
    """Hashes of all that ranks with 33 and 31 worlds must have alike after 50 updates, and the steps each left out."""
    ranks.share = lambda total, what="": UNEVEN[ranks.index]  # type: ignore[method-assign]
    trainer, skipped = Trainer(HILL, RunFolder.create(folder), ranks), []
    del ranks.share  # that of the class
    with closing(trainer):
        trainer.begin()
        assert isinstance(trainer.agent, PPOAgent)
        assert trainer.curriculum is not None
        rollout = trainer.agent.rollout
        collect = rollout.collect

        def collect_and_spoil() -> None:
            collect()
            if not ranks.is_first and trainer.updates in SPOILT:
                rollout.storage.rewards[0, 0] = torch.nan

        rollout.collect = collect_and_spoil  # type: ignore[method-assign]
        for _ in range(50):
            trainer.advance()
            skipped.append(trainer.metrics["skipped_updates"])
        state = {
            "policy": trainer.policy.state_dict(),  # weights, running statistics, the scale of the values
            "optimizer": trainer.agent.state_dict(),
            "curriculum": trainer.curriculum.rule.state_dict(),
            "actions": trainer.actions.get_state(),
            "episodes": list(trainer.statistics.recent),
        }
        hashes = {name: digest(part) for name, part in state.items()}
        return {"hashes": hashes, "skipped": skipped, "worlds": rollout.storage.num_worlds, "state": state}


def followed(trainer: Trainer, updates: int) -> dict[str, Any]:
    """The first rollout of a training, its weights after one update, and its success after each of them."""
    with closing(trainer):
        trainer.begin()
        assert isinstance(trainer.agent, PPOAgent)
        storage, successes = trainer.agent.rollout.storage, []
        names = ("actions", "log_probs", "rewards", "episode_starts")
        found: dict[str, Any] = {}
        for update in range(updates):
            trainer.advance()
            successes.append(trainer.metrics["success_rate"])
            if update == 0:
                rows = {**storage.observations, **{name: getattr(storage, name) for name in names}}
                found["rollout"] = {name: tensor.clone() for name, tensor in rows.items()}
                found["weights"] = {name: weight.detach().clone() for name, weight in trainer.policy.named_parameters()}
        return {**found, "successes": successes}


def main(folder: Path) -> None:
    """Do all that, and end with an error on the second rank, of which the first one hears."""
    found: dict[str, Any] = {}
    try:
        with joined_ranks(300.0) as ranks:
            found["rank"] = ranks.index
            found |= {"talk": talk(ranks), "statistics": statistics(ranks), "trained": trained(ranks, folder)}
            found["fifty"] = fifty_updates(ranks, folder / f"fifty{ranks.index}")
            found["followed"] = followed(Trainer(SIGNS, RunFolder.create(folder / f"signs{ranks.index}"), ranks), 20)
            if not ranks.is_first:
                raise ValueError("the reward of world 3 is nan, not a finite number")
            ranks.any(False)
    except RankLost as error:
        found["lost"] = str(error)
    except ValueError as error:
        found["own"] = str(error)
    torch.save(found, folder / f"{found['rank']}.pt")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
