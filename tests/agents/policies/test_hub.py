"""Policies on the Hugging Face Hub, which is a folder here: what is pushed, what is fetched, and what is refused."""

import hashlib
import inspect
import json
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from mmrl_agents.cli import main
from mmrl_agents.policies import hub, pushing
from mmrl_agents.policies.exporting import export
from mmrl_agents.policies.hub import fetched, split_name
from mmrl_agents.policies.pushing import PushConfig, push
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.checkpoint import CheckpointError
from mmrl_agents.records.files import UnfitFile
from mmrl_agents.worlds.trust import Untrusted
from tests.trainings import POLE, trained_quietly


@dataclass
class ShelfHub:
    """The calls of `huggingface_hub.HfApi` that are made, on folders; a commit is the digest of its files."""

    root: Path
    downloads: int = 0

    def create_repo(self, repo_id: str, *, repo_type: str, private: bool, exist_ok: bool) -> None:
        assert (repo_type, exist_ok) == ("model", True)
        (self.root / repo_id).mkdir(parents=True, exist_ok=True)
        self.private = private

    def upload_folder(
        self, *, repo_id: str, folder_path: Path, commit_message: str, delete_patterns: list[str]
    ) -> None:
        folder = self.root / repo_id
        for pattern in delete_patterns:
            for path in folder.glob(pattern):
                path.unlink()
        for path in Path(folder_path).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())

    def model_info(self, repo_id: str, *, revision: str | None, files_metadata: bool) -> Any:
        assert files_metadata
        folder = self.root / repo_id
        if not folder.is_dir() or revision not in (None, "main"):
            raise OSError(f"404: {repo_id} at {revision}")
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        digest = hashlib.sha1(b"".join(path.read_bytes() for path in files)).hexdigest()
        entries = [
            SimpleNamespace(rfilename=path.relative_to(folder).as_posix(), size=path.stat().st_size) for path in files
        ]
        return SimpleNamespace(sha=digest, siblings=entries)

    def hf_hub_download(self, repo_id: str, filename: str, *, revision: str, local_dir: Path) -> str:
        assert revision == self.model_info(repo_id, revision=None, files_metadata=True).sha
        self.downloads += 1
        (Path(local_dir) / ".cache").mkdir(exist_ok=True)  # as the real one leaves its notes
        (Path(local_dir) / filename).write_bytes((self.root / repo_id / filename).read_bytes())
        return str(Path(local_dir) / filename)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_quietly(replace(POLE, run_dir=tmp_path_factory.mktemp("runs") / "run"))


@pytest.fixture
def shelf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ShelfHub:
    """The hub of the commands, with a cache of its own."""
    made = ShelfHub(tmp_path / "shelf")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for module in (hub, pushing):
        monkeypatch.setattr(module, "make_api", lambda: made)
    return made


def test_what_is_pushed_is_what_export_writes(run: Path, tmp_path: Path, shelf: ShelfHub) -> None:
    assert push(PushConfig(str(run), "me/pole")) == "hf://me/pole"
    exported = export(run, tmp_path / "pole")
    pushed = {path.name: path.read_bytes() for path in (tmp_path / "shelf" / "me" / "pole").iterdir()}
    assert pushed == {path.name: path.read_bytes() for path in exported.iterdir()}
    assert shelf.private


def test_files_of_an_earlier_push_go(run: Path, tmp_path: Path, shelf: ShelfHub) -> None:
    there = tmp_path / "shelf" / "me" / "pole"
    there.mkdir(parents=True)
    for name in ("model.onnx", "policy.json", "notes.txt"):
        (there / name).write_text("old")
    push(PushConfig(str(run), "me/pole", private=False))
    assert sorted(os.listdir(there)) == ["README.md", "config.json", "model.safetensors", "notes.txt"]
    assert not shelf.private


def test_a_pushed_policy_is_evaluated_and_acts_the_same(
    run: Path, shelf: ShelfHub, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["push", str(run), "me/pole"]) == 0
    assert "evaluate it with: mmrl evaluate hf://me/pole" in capsys.readouterr().out
    assert main(["evaluate", "hf://me/pole", "--episodes", "2"]) == 0
    assert "model.safetensors" in capsys.readouterr().out
    seen = {"observation": torch.linspace(-1, 1, 40).reshape(10, 4)}
    mine, fetched_one = (
        load_policy(source).policy.act(seen, deterministic=True) for source in (run, "hf://me/pole@main")
    )
    assert torch.equal(mine[0], fetched_one[0])
    assert shelf.downloads == 3  # a commit is fetched once: config, weights, card
    with pytest.raises(ValueError, match="is an exported policy, with the weights of one checkpoint"):
        load_policy("hf://me/pole", checkpoint="last")


def test_a_new_commit_is_fetched_anew_and_nothing_else_than_the_policy(
    run: Path, tmp_path: Path, shelf: ShelfHub
) -> None:
    push(PushConfig(str(run), "me/pole"))
    there = tmp_path / "shelf" / "me" / "pole"
    first = fetched("hf://me/pole", shelf)
    for name in ("evil.py", "checkpoints/best.pt", "evaluation.json"):
        (there / name).parent.mkdir(exist_ok=True)
        (there / name).write_text("import os")
    second = fetched("hf://me/pole", shelf)
    assert first != second
    assert sorted(os.listdir(second)) == ["README.md", "config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "name",
    [
        "pole",
        "me/../pole",
        "../me/pole",
        "/etc/passwd",
        "me/pole/more",
        "me/pole@../main",
        "me/.pole",
        "me/pole@",
        "m e/p",
        "",
    ],
)
def test_names_that_lead_elsewhere_are_refused(name: str, shelf: ShelfHub, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a policy on the hub is called OWNER/NAME"):
        split_name(f"hf://{name}")
    assert not (tmp_path / "cache").exists()


def test_a_push_to_a_revision_is_refused() -> None:
    with pytest.raises(ValueError, match="not to a revision of it, got 'me/pole@main'"):
        PushConfig("run", "me/pole@main")


def test_nothing_is_uploaded_where_the_export_is_refused(tmp_path: Path, shelf: ShelfHub) -> None:
    with pytest.raises(FileNotFoundError, match="is no run folder"):
        push(PushConfig(str(tmp_path), "me/pole"))
    assert not shelf.root.exists()


def test_a_repository_without_a_policy_is_named(tmp_path: Path, shelf: ShelfHub) -> None:
    (tmp_path / "shelf" / "me" / "other").mkdir(parents=True)
    with pytest.raises(
        FileNotFoundError, match=r"no policy that mmrl export wrote: it has no config\.json, model\.safe"
    ):
        load_policy("hf://me/other")
    assert main(["evaluate", "hf://me/absent"]) == 2


def change_config(there: Path, **changes: Any) -> None:
    document = json.loads((there / "config.json").read_text())
    document["train"] |= changes
    (there / "config.json").write_text(json.dumps(document))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"env": "antigravity:make"}, "antigravity"),
        ({"modalities": {"observation": {"encoder": "Custom", "target": "os:system"}}}, "os"),
    ],
)
def test_code_that_a_fetched_config_names_is_not_imported(
    run: Path, tmp_path: Path, shelf: ShelfHub, changes: dict[str, Any], named: str
) -> None:
    push(PushConfig(str(run), "me/pole"))
    change_config(tmp_path / "shelf" / "me" / "pole", **changes)
    with pytest.raises(Untrusted, match=named):
        load_policy("hf://me/pole")


def link_to_secret(path: Path) -> None:
    (path.parent / "secret").write_text("{}")
    path.unlink(missing_ok=True)
    path.symlink_to(path.parent / "secret")


def make_pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


@pytest.mark.parametrize("spoil", [link_to_secret, make_pipe])
def test_a_download_that_is_no_regular_file_is_refused_and_leaves_nothing(
    run: Path, tmp_path: Path, shelf: ShelfHub, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], None]
) -> None:
    push(PushConfig(str(run), "me/pole"))
    plain = ShelfHub.hf_hub_download

    def spoiling(self: ShelfHub, repo_id: str, filename: str, **more: Any) -> str:
        path = plain(self, repo_id, filename, **more)
        if filename == "model.safetensors":
            spoil(Path(path))
        return path

    monkeypatch.setattr(ShelfHub, "hf_hub_download", spoiling)
    with pytest.raises(UnfitFile, match="not a regular file"):
        load_policy("hf://me/pole")
    assert os.listdir(tmp_path / "cache" / "mmrl" / "hub" / "me--pole") == []


def test_weights_that_are_none_or_too_large_are_refused(
    run: Path, tmp_path: Path, shelf: ShelfHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    push(PushConfig(str(run), "me/pole"))
    (tmp_path / "shelf" / "me" / "pole" / "model.safetensors").write_bytes(b"\x80\x04cos\nsystem\n")  # a pickle
    with pytest.raises(CheckpointError, match="no safetensors file"):
        load_policy("hf://me/pole")
    monkeypatch.setattr(hub, "MOST_BYTES", 10)
    with pytest.raises(UnfitFile, match=r"config\.json has [0-9,]+ bytes, at most 10 are fetched"):
        load_policy("hf://me/pole")


def test_the_hub_takes_the_calls_that_the_shelf_takes() -> None:
    package = pytest.importorskip("huggingface_hub", reason="pip install 'mmrl[hub]'")
    for name in ("create_repo", "upload_folder", "model_info", "hf_hub_download"):
        ours, theirs = (inspect.signature(vars(kind)[name]).parameters for kind in (ShelfHub, package.HfApi))
        assert set(ours) <= set(theirs), name


def test_a_missing_package_is_a_sentence(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    assert main(["evaluate", "hf://me/pole"]) == 2
    assert "error: the hub needs huggingface_hub: pip install 'mmrl[hub]'" in " ".join(capsys.readouterr().err.split())
