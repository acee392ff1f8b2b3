"""Trained policies in folders to give away: weights, what they read, and a card that says how good they are.

As safetensors a policy can be judged, watched and exported again by this suite. As ONNX or a file of torch.export it
acts without it (`mmrl.deploy`).
"""

import glob
import os
import secrets
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import safetensors.torch
import torch
from gymnasium import spaces

import mmrl
from mmrl.deploy.document import PolicyDocument
from mmrl.modality import WordBag
from mmrl_agents.policies.graphs import WRITERS, ActingGraph
from mmrl_agents.policies.loading import LoadedPolicy
from mmrl_agents.policies.trained import StoredPolicy, TrainedPolicy, load_policy, read_stored, require_finite
from mmrl_agents.records.checkpoint import unpacking
from mmrl_agents.records.files import write_atomically
from mmrl_agents.records.marks import FIELD
from mmrl_agents.records.model_card import model_card
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import described_config
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.worlds.trust import is_marked_config, marked_config

Format = Literal["safetensors", "onnx", "pt2"]


def export(
    source: str | Path,
    folder: Path,
    checkpoint: str | Path = "best",
    file_format: Format = "safetensors",
    trust: Sequence[str] = (),
) -> Path:
    """Write a policy and a model card into a new or empty folder, all of it or nothing.

    As "safetensors" the folder holds `model.safetensors` and config.json; as "onnx" or "pt2" the graph of the policy
    that acts and `policy.json`, which says what it reads (`mmrl.deploy.exported`). A graph is made of the network, so
    that code of somebody else's which builds that has to be named in `trust`.

    Raises FileExistsError where `folder` holds anything, ValueError for a network that is no graph, ImportError where
    the package that writes the format is not installed.
    """
    stored = read_stored(source, checkpoint)
    if folder.exists() and any(folder.iterdir()):
        raise FileExistsError(f"{folder} exists and is not empty; choose another folder")
    with unpacking(stored.path):
        require_finite(stored.weights, stored.path)
    card = _card(stored, folder.name)
    if file_format == "safetensors":
        write = _weights_of(stored)
    else:
        write = _graph_of(load_policy(source, checkpoint=checkpoint, trust=trust), file_format)
    with _appearing_at_once(folder) as written:
        write(written)
        (written / "README.md").write_text(card)
    return folder


def _weights_of(stored: StoredPolicy) -> Callable[[Path], None]:
    """Writes weights and config.json."""
    # where the run lay concerns nobody else
    config = config_to_dict(described_config(stored.document)) | {"run_dir": None, "resume": None}
    with unpacking(stored.path):
        packed = safetensors.torch.save(stored.tensors())
    mine = is_marked_config(stored.document)

    def write(folder: Path) -> None:
        exported = RunFolder(folder)
        write_atomically(exported.weights_path, lambda stream: stream.write(packed))
        bare = {name: value for name, value in stored.document.items() if name != FIELD}
        document = bare | {"train": config, "step": stored.step}
        exported.write_config(marked_config(document, portable=True) if mine else document)

    return write


def _graph_of(trained: TrainedPolicy, file_format: str) -> Callable[[Path], None]:
    """Writes the policy as a graph and policy.json."""
    space = trained.action_space
    assert isinstance(space, spaces.Box | spaces.Discrete)  # no network has other actions
    packed = WRITERS[file_format](ActingGraph(trained.policy, space))
    document = PolicyDocument(
        environment=trained.env_id,
        hz=LoadedPolicy(trained).hz,
        senses=trained.policy.modalities,
        action_space=space,
        memory=trained.policy.state_size,
        weights=f"model.{file_format}",
        vocabularies={
            name: sense.encoder.vocabulary
            for name, sense in trained.policy.modalities.items()
            if isinstance(sense.encoder, WordBag)
        },
        versions={**trained.document["versions"], "exported by mmrl": mmrl.__version__, "torch": torch.__version__},
    )

    def write(folder: Path) -> None:
        write_atomically(folder / document.weights, lambda stream: stream.write(packed))
        document.write(folder)

    return write


def _card(stored: StoredPolicy, title: str) -> str:
    """Markdown about the weights."""
    try:
        return model_card(title, stored.run, stored.path, stored.step, stored.digest())
    except Exception as error:  # of files that somebody may have edited
        raise ValueError(
            f"{stored.run.path}: its files do not fit together ({type(error).__name__}: {error})"
        ) from error


@contextmanager
def _appearing_at_once(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` to fill, which takes its place in the end; one that a kill left there is removed."""
    place = Path(os.path.abspath(folder))
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(f".{glob.escape(place.name)}.exporting-*"):
        shutil.rmtree(left)
    # Not through tempfile, whose folders only their owner may read.
    neighbour = place.parent / f".{place.name}.exporting-{secrets.token_hex(8)}"
    neighbour.mkdir()
    try:
        yield neighbour
        neighbour.rename(place)  # also onto an empty folder
    except BaseException:
        shutil.rmtree(neighbour, ignore_errors=True)
        raise
