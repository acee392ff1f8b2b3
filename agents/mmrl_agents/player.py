"""Trained policies, ready to act: from a run folder or shipped with the package."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from mmrl_agents.config import (
    TrainConfig,
    Worlds,
    config_to_dict,
    make_envs,
    modalities_and_privileged_size,
    recorded_config,
    world_kwargs,
)
from mmrl_agents.networks import Network, build_network
from mmrl_agents.records.checkpoint import CheckpointError, require_same_senses, unpacking, write_atomically
from mmrl_agents.records.files import read_json, read_regular
from mmrl_agents.records.model_card import model_card
from mmrl_agents.records.runs import RunFolder, write_json

PRETRAINED = Path(__file__).parent / "pretrained"
_PREFIX = "pretrained:"
DEFAULT_POLICY = f"{_PREFIX}peg_insertion"


def pretrained_names() -> list[str]:
    """Names of the policies shipped with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob("*/model.safetensors"))


@dataclass(frozen=True)
class TrainedPolicy:
    """A policy and what it was trained in; `document` is its whole config.json."""

    policy: Network
    config: TrainConfig
    document: dict[str, Any]
    source: Path
    """The file its weights came from."""

    @property
    def env_id(self) -> str:
        """Id of the environment it was trained in."""
        return self.config.env

    @property
    def env_kwargs(self) -> dict[str, Any]:
        """Keyword arguments of that environment, its senses among them."""
        return world_kwargs(self.config)

    @property
    def critic_trained(self) -> bool:
        """Whether its values mean anything: REINFORCE leaves the critic as it was unless it is the baseline."""
        return self.config.agent != "reinforce" or self.config.reinforce.baseline == "value"

    def make_envs(self, num_worlds: int, **changes: Any) -> Worlds:
        """The worlds it was trained in, some keyword arguments changed."""
        return make_envs(self.env_id, num_worlds, {**self.env_kwargs, **changes}, self.config.modalities)


def load_policy(
    source: str | Path, device: torch.device | str = "cpu", checkpoint: str | Path = "best"
) -> TrainedPolicy:
    """The policy of a run folder or of "pretrained:NAME", in evaluation mode on `device`.

    A bare NAME will do where no file or folder is called so.
    `checkpoint` is "best", "last" or a file. The network is built from what the environment
    declares today, never from the checkpoint; CheckpointError says where the two disagree.
    """
    text = str(source)
    if text.startswith(_PREFIX) or (text in pretrained_names() and not Path(text).exists()):
        folder = _pretrained_folder(text.removeprefix(_PREFIX))
        path = folder / "model.safetensors"
        document = read_json(folder / "config.json")
        return _build(document, path, document["senses"], _load_safetensors(path), device)
    try:
        run = RunFolder.open(Path(source))
    except FileNotFoundError as error:
        shipped = ", ".join(pretrained_names()) or "none"
        raise FileNotFoundError(f"{error}; policies that come with the package: {shipped}") from error
    path, state = run.load(checkpoint)
    with unpacking(path):
        senses, weights = dict(state["senses"]), dict(state["policy"])
    return _build(run.read_config(), path, senses, weights, device)


def export(source: str | Path, folder: Path, checkpoint: str | Path = "best") -> Path:
    """Write the weights of a run as `model.safetensors`, its config.json and a model card beside them."""
    run = RunFolder.open(Path(source))
    path, state = run.load(checkpoint)
    document = run.read_config()
    config = config_to_dict(recorded_config(document))
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder")
    with unpacking(path):
        require_finite(state["policy"], path)
        # Copies: SB3 gives some weights several names, which safetensors refuses of one tensor.
        weights = {
            name: tensor.clone(memory_format=torch.contiguous_format) for name, tensor in state["policy"].items()
        }
        packed, step = safetensors.torch.save(weights), int(state["step"])
    try:
        card = model_card(folder.name, run, path, step)
    except Exception as error:  # of files that somebody may have edited
        raise ValueError(f"{run.path}: its files do not fit together ({type(error).__name__}: {error})") from error
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "model.safetensors", lambda stream: stream.write(packed))
    # where the run lay concerns nobody else
    config |= {"run_dir": None, "resume": None}
    write_json(folder / "config.json", document | {"train": config, "step": step})
    (folder / "README.md").write_text(card)
    return folder


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


def _build(
    document: dict[str, Any],
    path: Path,
    senses: Mapping[str, Mapping[str, Any]],
    weights: Mapping[str, Tensor],
    device: torch.device | str,
) -> TrainedPolicy:
    config = recorded_config(document)
    if not isinstance(document.get("senses"), Mapping):
        raise ValueError(f"config.json has no 'senses' by name; it has {', '.join(document)}")
    envs = make_envs(config.env, 1, world_kwargs(config), config.modalities)
    try:
        modalities, _ = modalities_and_privileged_size(envs)
        present = {name: modality.describe() for name, modality in modalities.items()}
        with unpacking(path):
            require_same_senses(path, senses, present)
        policy = build_network(config, envs)
    finally:
        envs.close()
    load_weights(policy, weights, path)
    return TrainedPolicy(policy.to(device).eval(), config, document, path)


def _pretrained_folder(name: str) -> Path:
    names = pretrained_names()
    if name not in names:
        listed = ", ".join(names) or "none"
        raise CheckpointError(f"no pretrained policy {name!r}; those shipped are: {listed}")
    return PRETRAINED / name


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(read_regular(path))
    except safetensors.SafetensorError as error:
        raise CheckpointError(f"{path}: no safetensors file ({error})") from error
