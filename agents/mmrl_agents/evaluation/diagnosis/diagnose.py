"""The state of a training: `mmrl diagnose RUN`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import tyro
from rich.console import Console
from torch import Tensor

from mmrl.policy.actor_critic import ActorCritic
from mmrl.settings.documents import fit
from mmrl_agents.evaluation.diagnosis.curvature import Curvature, curvature_of
from mmrl_agents.evaluation.diagnosis.features import DeadUnits, dead_units, effective_rank
from mmrl_agents.evaluation.diagnosis.noise import noise_scale
from mmrl_agents.evaluation.evaluate import reset_options
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import Minibatch, RolloutStorage
from mmrl_agents.learning.ppo import ppo_loss
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import write_json
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.worlds.making import action_space_of

DOCUMENT = "diagnosis.json"
NOISE_BATCHES = 8


@dataclass(frozen=True)
class DiagnoseConfig:
    """Say where a training stands: curvature of its loss, noise of its gradient, dead units, rank of features."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run of PPO or of an exported policy, or the name of a pretrained one."""
    num_worlds: int = 8
    """Worlds of the rollout that all is computed on."""
    num_steps: int = 64
    """Steps of each."""
    eigenvalues: int = 3
    """Eigenvalues at either end of the spectrum."""
    seed: int = 40_000
    """Of the worlds, the actions and the first vector."""
    checkpoint: str = "best"
    """best, last or a checkpoint file, of a run."""
    output: Path | None = None
    """The JSON file to write; unset is diagnosis.json in the folder of the run."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        for name in ("num_worlds", "num_steps", "eigenvalues"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")
        if self.num_worlds * self.num_steps < NOISE_BATCHES:
            raise ValueError(f"{NOISE_BATCHES} steps of all worlds are needed, got {self.num_worlds * self.num_steps}")


@dataclass(frozen=True)
class Diagnosis:
    """The state of a training."""

    curvature: Curvature
    """Of the loss of PPO on the rollout."""
    noise_scale: float
    """Samples beyond which a larger batch hardly points better."""
    dead: tuple[DeadUnits, ...]
    """By layer."""
    rank: float
    """Effective rank of the joint vector of the senses."""
    features: int
    """Numbers of that vector."""


def diagnose(config: DiagnoseConfig, console: Console | None = None) -> Diagnosis:
    """Play a rollout, look at the loss on it, print and write.

    Raises ValueError for a policy that remembers, whose steps are no samples by themselves, and for one that is no
    actor-critic of this suite.
    """
    console = console or terminal()
    trained = load_policy(config.run, "cpu", config.checkpoint, config.trust)
    policy = trained.policy
    if not isinstance(policy, ActorCritic):
        raise ValueError(f"the loss of PPO is of an actor-critic of this suite, and this is a {type(policy).__name__}")
    if policy.state_size:
        raise ValueError("the steps of a policy that remembers are no samples by themselves, and cannot be looked at")
    batch = _played(config, trained, policy)
    found = diagnosis_of(policy, batch, trained.config.ppo, config.eigenvalues, config.seed)
    _print(console, trained.env_id, found)
    _write(console, config, found)
    return found


def diagnosis_of(policy: ActorCritic, batch: Minibatch, config: PPOConfig, eigenvalues: int, seed: int) -> Diagnosis:
    """The state of a policy by its loss on a batch."""
    parameters = [weights for weights in policy.parameters() if weights.requires_grad]
    curvature = curvature_of(lambda: ppo_loss(policy, batch, config).total, parameters, eigenvalues, seed)
    rows = len(batch.actions)
    gradients = [_gradient(policy, _part(batch, part), config) for part in torch.arange(rows).chunk(NOISE_BATCHES)]
    with torch.no_grad():
        dead = dead_units(policy, lambda: policy.evaluate_actions(batch.observations, batch.actions))
        fused = policy.perception(batch.observations).fused
    return Diagnosis(
        curvature, noise_scale(gradients, rows // NOISE_BATCHES), dead, effective_rank(fused), fused.shape[1]
    )


def _gradient(policy: ActorCritic, batch: Minibatch, config: PPOConfig) -> Tensor:
    parameters = list(policy.parameters())
    loss = ppo_loss(policy, batch, config).total
    parts = torch.autograd.grad(loss, parameters, allow_unused=True, materialize_grads=True)
    return torch.cat([part.reshape(-1) for part in parts])


def _part(batch: Minibatch, rows: Tensor) -> Minibatch:
    return Minibatch(
        {name: readings[rows] for name, readings in batch.observations.items()},
        batch.actions[rows],
        batch.log_probs[rows],
        batch.values[rows],
        batch.advantages[rows],
        batch.returns[rows],
    )


def _played(config: DiagnoseConfig, trained: TrainedPolicy, policy: ActorCritic) -> Minibatch:
    """A rollout as one batch, its rows in an order of their own."""
    ppo, cpu = trained.config.ppo, torch.device("cpu")
    with closing(trained.worlds.make(config.num_worlds)) as envs:
        storage = RolloutStorage(config.num_steps, envs.num_envs, policy.senses, action_space_of(envs), cpu)
        actions = torch.Generator().manual_seed(config.seed)
        rollout = Rollout(envs, policy, storage, EpisodeStatistics(), actions)
        rollout.start(config.seed, reset_options(trained, {}, envs))
        rollout.collect()
        storage.finish(ppo.gamma, ppo.gae_lambda, ppo.normalize_advantages, ppo.cut_at_rewards)
        (batch,) = storage.minibatches(config.num_worlds * config.num_steps, torch.Generator().manual_seed(config.seed))
    return batch


def _print(console: Console, title: str, found: Diagnosis) -> None:
    curvature = found.curvature
    dead, units = sum(layer.dead for layer in found.dead), sum(layer.units for layer in found.dead)
    ends = [", ".join(f"{value:.3g}" for value in values) for values in (curvature.largest, curvature.smallest)]
    say(console, f"{title}: {curvature.verdict}")
    say(console, f"largest eigenvalues of the Hessian {ends[0]}; smallest {ends[1]}")
    say(console, f"norm of the gradient {curvature.gradient_norm:.3g}: a critical point has none")
    say(console, f"gradient noise scale {found.noise_scale:,.0f} samples")
    say(console, f"dead units {dead} of {units}")
    for layer in found.dead:
        if layer.dead:
            say(console, f"  {layer.layer}: {layer.dead} of {layer.units}")
    say(console, f"effective rank of the joint vector {found.rank:.1f} of {found.features}")


def _write(console: Console, config: DiagnoseConfig, found: Diagnosis) -> None:
    path = config.output or (Path(config.run) / DOCUMENT if Path(config.run).is_dir() else None)
    if path is None:
        say(console, "nothing is written: name a file, --output FILE")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_json(path, document_of(config, found))
    say(console, f"wrote {path}")


def document_of(config: DiagnoseConfig, found: Diagnosis) -> Mapping[str, Any]:
    """The document of diagnosis.json; a noise scale without bounds is None."""
    finite = found.noise_scale if found.noise_scale < float("inf") else None
    settings = {"run": config.run, "num_worlds": config.num_worlds, "num_steps": config.num_steps, "seed": config.seed}
    return settings | asdict(found) | {"verdict": found.curvature.verdict, "noise_scale": finite}
