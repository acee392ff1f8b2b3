"""Trained policies, ready to act: from a run folder, exported from one, or shipped with the package."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.arrays import Envs
from mmrl_agents.algorithms import find_algorithm
from mmrl_agents.learning.agent import Network
from mmrl_agents.policies.hub import HUB, fetched
from mmrl_agents.policies.shipped import PREFIX, pretrained_folder, pretrained_names
from mmrl_agents.records.checkpoint import CheckpointError, require_same_senses, unpacking, weights_digest
from mmrl_agents.records.files import read_regular
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.algorithm import algorithm_settings, build_network
from mmrl_agents.settings.config import TrainConfig, recorded_config
from mmrl_agents.worlds.making import senses_of
from mmrl_agents.worlds.spec import WorldSpec

OBJECTIVES = "objectives."
"""Beginning of the names of weights that belong to objectives."""


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy and what it was trained in; `document` is its whole config.json."""

    policy: Network
    config: TrainConfig
    document: dict[str, Any]
    source: Path
    """The file its weights came from."""
    action_space: spaces.Space[Any]
    """That of one world."""

    @property
    def env_id(self) -> str:
        """Id of the environment it was trained in."""
        return self.config.env

    @property
    def worlds(self) -> WorldSpec:
        """The worlds that it was trained in, to be made in this process."""
        return self.config.worlds.in_this_process()

    @property
    def critic_trained(self) -> bool:
        """Whether its values mean anything: REINFORCE leaves the critic as it was unless it is the baseline."""
        return find_algorithm(self.config.agent).trains_critic(algorithm_settings(self.config))


def load_policy(
    source: str | Path,
    device: torch.device | str = "cpu",
    checkpoint: str | Path = "best",
    trust: Sequence[str] = (),
) -> TrainedPolicy:
    """The policy of a run folder, an exported one, of "pretrained:NAME" or of "hf://OWNER/NAME", in evaluation mode.

    A bare NAME will do where no file or folder is called so. `checkpoint` is "best", "last" or a file, of a run;
    ValueError says that an exported policy has none to choose from. The network is built on `device` from what the
    environment declares today, never from the checkpoint; CheckpointError says where the two disagree.

    Raises Untrusted where its config.json names code that this user neither trained with on this machine nor names in
    `trust`, modules and packages.
    """
    return _build(read_stored(source, checkpoint), device, trust)


def load_weights(policy: Network, weights: Mapping[str, Tensor], path: Path) -> None:
    """Copy the weights into the policy; raises CheckpointError naming those that do not fit or are not finite."""
    require_finite(weights, path)
    try:
        policy.load_state_dict(weights)
    except Exception as error:  # what is no tensor is found out in many ways
        raise CheckpointError(f"{path}: the network differs: {error}") from error


def require_finite(weights: Mapping[str, Tensor], path: Path) -> None:
    """Raise CheckpointError naming weights that are no real numbers: what acts with them acts by chance."""
    tensors = {name: value for name, value in weights.items() if isinstance(value, Tensor)}
    bad = [name for name, value in tensors.items() if value.is_complex() or not bool(value.isfinite().all())]
    if bad:
        listed = ", ".join(bad[:5]) + (f" and {len(bad) - 5} more" if bad[5:] else "")
        raise CheckpointError(f"{path}: weights are not finite: {listed}; take another checkpoint")


@dataclass(frozen=True)
class StoredPolicy:
    """A policy as a folder holds it, read but not built."""

    run: RunFolder
    """The folder."""
    document: dict[str, Any]
    """Its config.json."""
    path: Path
    """The file of the weights."""
    senses: Mapping[str, Mapping[str, Any]]
    """Descriptions of the senses that the weights were trained with."""
    weights: Mapping[str, Tensor]
    """The weights by name."""
    step: int
    """Environment steps that they were trained for."""

    def tensors(self) -> dict[str, Tensor]:
        """Copies of the weights: SB3 gives some several names, which safetensors refuses of one tensor."""
        return {name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in self.weights.items()}

    def digest(self) -> str:
        """That of the weights as an evaluation names it: those of objectives taught, and nobody acts by them."""
        return weights_digest({name: one for name, one in self.weights.items() if not name.startswith(OBJECTIVES)})


def read_stored(source: str | Path, checkpoint: str | Path) -> StoredPolicy:
    """Read a policy, whichever form it has; `checkpoint` is "best", "last" or a file, of a run."""
    text = str(source)
    if text.startswith(HUB):
        return _read_exported(RunFolder(fetched(text)), checkpoint)
    if text.startswith(PREFIX) or (text in pretrained_names() and not Path(text).exists()):
        return _read_exported(RunFolder(pretrained_folder(text.removeprefix(PREFIX))), checkpoint)
    try:
        run = RunFolder.open(Path(source))
    except FileNotFoundError as error:
        shipped = ", ".join(pretrained_names()) or "none"
        raise FileNotFoundError(f"{error}; policies that come with the package: {shipped}") from error
    if run.is_exported:
        return _read_exported(run, checkpoint)
    path, state = run.load(checkpoint)
    with unpacking(path):
        senses, weights, step = dict(state["senses"]), dict(state["policy"]), int(state["step"])
    return StoredPolicy(run, run.read_config(), path, senses, weights, step)


def _read_exported(run: RunFolder, checkpoint: str | Path) -> StoredPolicy:
    """The one policy of a folder that `export` wrote."""
    if checkpoint != "best":
        raise ValueError(
            f"{run.path} is an exported policy, with the weights of one checkpoint; leave out --checkpoint, "
            f"got {checkpoint}"
        )
    document, path = run.read_config(), run.weights_path
    senses, step = document.get("senses", {}), document.get("step", 0)
    return StoredPolicy(run, document, path, senses, _load_safetensors(path), step)


def _build(stored: StoredPolicy, device: torch.device | str, trust: Sequence[str]) -> TrainedPolicy:
    document, path = stored.document, stored.path
    config = recorded_config(document, trust=trust)
    if not isinstance(document.get("senses"), Mapping):
        raise ValueError(f"config.json has no 'senses' by name; it has {', '.join(document)}")
    if set(document["senses"]) != set(stored.senses):
        raise ValueError(
            f"config.json has the senses {', '.join(document['senses'])}, {path} {', '.join(stored.senses)}"
        )
    envs = config.worlds.in_this_process().make(1)
    try:
        present = {name: modality.describe() for name, modality in senses_of(envs).items()}
        with unpacking(path):
            require_same_senses(path, stored.senses, present)
        policy = _network(replace(config, objectives={}), envs)  # they teach, and nobody acts by them
        space = envs.single_action_space
    finally:
        envs.close()
    load_weights(policy, stored.weights, path)
    return TrainedPolicy(policy.to(device).eval(), config, document, path, space)


def _network(config: TrainConfig, envs: Envs) -> Network:
    """Raises ValueError for a network that no memory holds."""
    try:
        return build_network(config, envs)
    except (RuntimeError, MemoryError, OverflowError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        if isinstance(error, RuntimeError) and not any(word in reason for word in ("memory", "overflow")):
            raise  # of an encoder that is the user's own, say
        raise ValueError(f"config.json: no network can be built as it says: {reason}") from error


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(read_regular(path))
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: no safetensors file ({error})") from error
