import os
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mmrl_agents.checkpoint import (
    CheckpointError,
    load_checkpoint,
    plain,
    require_same_senses,
    save_checkpoint,
)


def test_state_comes_back_bit_for_bit(tmp_path: Path) -> None:
    state: dict[str, Any] = {
        "weights": {"w": torch.randn(3, 4)},
        "step": 7,
        "rate": 0.1,
        "generator": np.random.default_rng(3).bit_generator.state,
        "score": np.float64(0.25),
    }
    path = tmp_path / "step_000000007.pt"
    save_checkpoint(path, state)
    loaded = load_checkpoint(path)
    assert torch.equal(loaded["weights"]["w"], state["weights"]["w"])
    assert (loaded["step"], loaded["rate"], loaded["score"]) == (7, 0.1, 0.25)
    # the two 128-bit integers of PCG64 survive, and the generator draws the same numbers again
    twin = np.random.default_rng()
    twin.bit_generator.state = loaded["generator"]
    assert np.array_equal(twin.random(5), np.random.default_rng(3).random(5))
    assert os.listdir(tmp_path) == [path.name]


def test_what_cannot_be_loaded_is_refused_when_it_is_saved(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot hold (Posix|Windows)?Path"):
        save_checkpoint(tmp_path / "a.pt", {"folder": tmp_path})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: Any) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"step": 1})

    def disk_full(document: object, stream: Any) -> None:
        stream.write(b"half")
        raise OSError("No space left on device")

    monkeypatch.setattr(torch, "save", disk_full)
    with pytest.raises(OSError, match="No space"):
        save_checkpoint(path, {"step": 2})
    assert load_checkpoint(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["a.pt"]


@pytest.mark.skipif(os.name != "posix", reason="permissions are those of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_files_have_the_mode_of_any_new_file(tmp_path: Path, umask: int, mode: int) -> None:
    path = tmp_path / "a.pt"
    before = os.umask(umask)
    try:
        save_checkpoint(path, {"step": 1})
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o777 == mode


class Malicious:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.path), "w")


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pt", tmp_path / "trace"
    torch.save({"format": "mmrl-checkpoint", "version": 1, "state": Malicious(trace)}, path)
    with pytest.raises(CheckpointError, match=r"evil\.pt: refused"):
        load_checkpoint(path)
    assert not trace.exists()


def test_a_bare_pickle_is_not_even_opened(tmp_path: Path) -> None:
    path, trace = tmp_path / "evil.pt", tmp_path / "trace"
    path.write_bytes(pickle.dumps(Malicious(trace)))
    with pytest.raises(CheckpointError, match=r"evil\.pt"):
        load_checkpoint(path)
    assert not trace.exists()


@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9, 0.999])
def test_a_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"w": torch.ones(1000)})
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=r"a\.pt: truncated"):
        load_checkpoint(path)


def test_a_flipped_bit_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"w": torch.zeros(1000)})
    data = bytearray(path.read_bytes())
    # the run of 4000 zero bytes is the tensor; the middle of it is surely inside
    data[data.index(bytes(4000)) + 2000] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match=r"damaged.*checksum"):
        load_checkpoint(path)


def test_foreign_files_are_named(tmp_path: Path) -> None:
    foreign, archive = tmp_path / "foreign.pt", tmp_path / "archive.pt"
    torch.save({"model": torch.ones(2)}, foreign)
    with zipfile.ZipFile(archive, "w") as stream:
        stream.writestr("readme.txt", "hello")
    for path, reason in ((foreign, "not a checkpoint of mmrl"), (archive, "refused")):
        with pytest.raises(CheckpointError, match=f"{path.name}: {reason}"):
            load_checkpoint(path)
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "absent.pt")


def test_a_checkpoint_of_a_later_format_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"format": "mmrl-checkpoint", "version": 2, "state": {}}, path)
    with pytest.raises(CheckpointError, match="version 2 of the format, this is 1"):
        load_checkpoint(path)


def test_differing_senses_are_listed() -> None:
    saved = {"camera": {"shape": [64, 64, 3]}, "wrench": {"shape": [6]}, "same": {"shape": [1]}}
    present = {"wrench": {"shape": [3]}, "depth": {"shape": [64]}, "same": {"shape": [1]}}
    with pytest.raises(CheckpointError) as caught:
        require_same_senses(Path("a.pt"), saved, present)
    text = str(caught.value)
    assert "camera is missing in the environment" in text
    assert "depth is unknown to the checkpoint" in text
    assert "wrench differs (shape [6] became [3])" in text
    assert "same" not in text.removeprefix("a.pt: the senses do not match")


def test_plain_turns_numpy_into_python() -> None:
    value = plain({"a": np.int64(3), "b": [np.arange(2)], "c": (np.bool_(True), None)})
    assert type(value["a"]) is int
    assert value["c"] == (True, None)
    assert torch.equal(value["b"][0], torch.tensor([0, 1]))


def test_a_policy_acts_alike_in_a_new_process(tmp_path: Path) -> None:
    program = """
import sys, torch
from mmrl.modality import MLP, Modality
from mmrl.policy import ActorCritic
from gymnasium import spaces
from mmrl_agents.checkpoint import load_checkpoint, save_checkpoint
torch.manual_seed(int(sys.argv[2]))
sense = Modality("state", (3,), rate_hz=1.0, encoder=MLP())
policy = ActorCritic({"state": sense}, spaces.Box(-1, 1, (2,)))
if sys.argv[1] == "save":
    policy.update_statistics({"state": 5 + torch.randn(100, 3)})
    save_checkpoint(__import__("pathlib").Path(sys.argv[3]), policy.state_dict())
else:
    policy.load_state_dict(load_checkpoint(__import__("pathlib").Path(sys.argv[3])))
with torch.no_grad():
    print(policy.eval().act({"state": torch.ones(1, 3)}, deterministic=True)[0].tolist())
"""
    path = str(tmp_path / "a.pt")
    said = [
        subprocess.run(
            [sys.executable, "-c", program, what, seed, path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for what, seed in (("save", "1"), ("load", "2"))
    ]
    assert said[0] == said[1] != ""
