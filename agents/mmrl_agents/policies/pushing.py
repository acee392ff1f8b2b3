"""`mmrl push RUN NAME`: what `mmrl export` writes, on the Hugging Face Hub."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from mmrl.settings.documents import fit
from mmrl_agents.policies.exporting import Format, export
from mmrl_agents.policies.hub import HUB, make_api, split_name

STALE = ("config.json", "policy.json", "model.*")
"""Files of earlier pushes, which go where this one has none of that name."""


@dataclass(frozen=True)
class PushConfig:
    """Put a policy on the Hugging Face Hub: exactly what mmrl export writes."""

    run: tyro.conf.Positional[str]
    """Folder of the run, or an exported policy."""
    name: tyro.conf.Positional[str]
    """OWNER/NAME of the repository there, which is made if it is not there."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    format: Format = "safetensors"
    """safetensors, to evaluate by mmrl evaluate hf://NAME; onnx and pt2 as mmrl export has them."""
    private: bool = True
    """Whether a repository that is made now is seen by its owner alone."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        if split_name(self.name)[1] is not None:
            raise ValueError(f"a policy is pushed to a repository, not to a revision of it, got {self.name!r}")


def push(config: PushConfig, api: Any = None) -> str:
    """Export a policy and upload it; returns its name on the hub.

    Nothing is uploaded where the export is refused. Raises as `export` does, and OSError as the hub does.
    """
    repository, _ = split_name(config.name)
    api = make_api() if api is None else api
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / repository.partition("/")[2]
        export(config.run, folder, config.checkpoint, config.format, config.trust)
        api.create_repo(repository, repo_type="model", private=config.private, exist_ok=True)
        api.upload_folder(
            repo_id=repository, folder_path=folder, commit_message="mmrl push", delete_patterns=list(STALE)
        )
    return f"{HUB}{repository}"
