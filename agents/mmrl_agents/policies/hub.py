"""Policies on the Hugging Face Hub, by names such as hf://OWNER/NAME or hf://OWNER/NAME@REVISION.

What comes from there is somebody else's: three files are fetched by their names, as regular files of bounded size, and
are then read as any exported policy is. Nothing else of the repository reaches the disk.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
from pathlib import Path
from typing import Any

from mmrl_agents.records.files import UnfitFile, require_regular

HUB = "hf://"
"""Beginning of the name of a policy that is there."""
NEEDED, CARD = ("config.json", "model.safetensors"), "README.md"
"""The files of an exported policy; the card may be missing."""
MOST_BYTES = 4 << 30
"""Largest file that is fetched."""
# No name can lead out of a folder that is called by it.
_PART = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,95}"
_NAME = re.compile(rf"(?P<owner>{_PART})/(?P<name>{_PART})(?:@(?P<revision>{_PART}(?:/{_PART})*))?")
_COMMIT = re.compile(r"[0-9a-f]{40}")


def split_name(name: str) -> tuple[str, str | None]:
    """ "OWNER/NAME" and the revision of a name with or without hf://; raises ValueError for anything else."""
    found = _NAME.fullmatch(name.removeprefix(HUB))
    if found is None:
        raise ValueError(f"a policy on the hub is called OWNER/NAME, or OWNER/NAME@REVISION, got {name!r}")
    return f"{found['owner']}/{found['name']}", found["revision"]


def fetched(name: str, api: Any = None) -> Path:
    """The folder with the files of a policy, fetched unless that commit is here already.

    `api` is a `huggingface_hub.HfApi`. Raises ValueError for a bad name, FileNotFoundError where the repository holds
    no policy that `mmrl export` wrote, UnfitFile for a file that is too large or none, OSError as the hub does.
    """
    repository, revision = split_name(name)
    api = make_api() if api is None else api
    info = api.model_info(repository, revision=revision, files_metadata=True)
    if not _COMMIT.fullmatch(str(info.sha)):
        raise UnfitFile(f"{name}: the hub names no commit but {info.sha!r}")
    sizes = {entry.rfilename: entry.size for entry in info.siblings}
    if missing := [file for file in NEEDED if file not in sizes]:
        raise FileNotFoundError(f"{name} holds no policy that mmrl export wrote: it has no {', '.join(missing)}")
    files = [*NEEDED, *([CARD] if CARD in sizes else [])]
    for file in files:
        if not 0 <= (sizes[file] or 0) <= MOST_BYTES:
            raise UnfitFile(f"{name}: {file} has {sizes[file]:,} bytes, at most {MOST_BYTES:,} are fetched")
    place = cache_folder() / repository.replace("/", "--") / str(info.sha)
    if not all((place / file).exists() for file in files):
        _fetch(api, repository, str(info.sha), files, place)
    return place


def make_api() -> Any:
    """The client of the hub; raises ImportError where its package is not installed."""
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise ImportError("the hub needs huggingface_hub: pip install 'mmrl[hub]'") from error
    return HfApi()


def cache_folder() -> Path:
    """Where fetched policies lie, by the XDG Base Directory Specification."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(given) if os.path.isabs(given) else Path.home() / ".cache") / "mmrl" / "hub"


def _fetch(api: Any, repository: str, commit: str, files: list[str], place: Path) -> None:
    """All files or none: they appear under their folder's name once they are there."""
    neighbour = place.with_name(f".{place.name}-{secrets.token_hex(8)}")
    neighbour.mkdir(parents=True)
    try:
        for file in files:
            api.hf_hub_download(repository, file, revision=commit, local_dir=neighbour)
            require_regular(neighbour / file)
            if (size := (neighbour / file).stat().st_size) > MOST_BYTES:
                raise UnfitFile(f"hf://{repository}: {file} has {size:,} bytes, at most {MOST_BYTES:,} are fetched")
        for path in neighbour.iterdir():
            if path.name not in files:  # the hub's own notes
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        if place.exists():  # of another process, or broken off
            shutil.rmtree(place)
        neighbour.rename(place)
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)
