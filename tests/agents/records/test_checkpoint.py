import errno
import io
import os
import pickle
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from mmrl_agents.records import checkpoint
from mmrl_agents.records.checkpoint import (
    CheckpointError,
    load_checkpoint,
    numpy_tree,
    plain,
    require_same_senses,
    save_checkpoint,
)
from mmrl_agents.records.files import leftovers


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


def test_what_a_killed_process_leaves_is_found(tmp_path: Path) -> None:
    program = f"""
import os, pathlib, signal
from mmrl_agents.records.checkpoint import save_checkpoint, write_atomically
path = pathlib.Path({str(tmp_path / "a.pt")!r})
save_checkpoint(path, {{"step": 1}})
def dies(stream):
    stream.write(b"half")
    stream.flush()
    os.kill(os.getpid(), signal.SIGKILL)
write_atomically(path, dies)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -signal.SIGKILL
    assert load_checkpoint(tmp_path / "a.pt") == {"step": 1}
    (left,) = leftovers(tmp_path)
    assert left.read_bytes() == b"half"


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


@pytest.fixture(scope="module")
def whole() -> bytes:
    """The bytes of a good checkpoint."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.pt"
        save_checkpoint(path, {"weights": {"w": torch.arange(300.0)}, "generator": [1, 2**100], "name": "peg"})
        return path.read_bytes()


def put(content: bytes) -> Path:
    """A file of that content."""
    descriptor, name = tempfile.mkstemp(suffix=".pt")
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    return Path(name)


@given(kept=st.floats(0, 1, exclude_max=True))
@example(kept=0.0)
@example(kept=0.999)  # within the checksum at the end
def test_a_truncated_file_is_refused(whole: bytes, kept: float) -> None:
    path = put(whole[: int(kept * len(whole))])
    with pytest.raises(CheckpointError, match=rf"{path.name}: truncated"):
        load_checkpoint(path)
    path.unlink()


@given(place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_refused_wherever_it_stands(whole: bytes, place: float, mask: int) -> None:
    data = bytearray(whole)
    data[int(place * len(data))] ^= mask
    path = put(bytes(data))
    with pytest.raises(CheckpointError, match=f"{path.name}: (damaged|truncated)"):
        load_checkpoint(path)
    path.unlink()


@given(content=st.binary(max_size=200))
def test_bytes_at_random_are_refused(content: bytes) -> None:
    path = put(content)
    with pytest.raises(CheckpointError, match=path.name):
        load_checkpoint(path)
    path.unlink()


class FullDisk(io.BytesIO):
    """A file on a disk that has room for so many bytes; what fits is really written."""

    def __init__(self, path: Path, room: int) -> None:
        super().__init__()
        self.path, self.room = path, room

    def write(self, data: Any) -> int:
        part = bytes(data)[: self.room]
        self.room -= len(part)
        with open(self.path, "ab") as stream:
            stream.write(part)
        if len(part) < len(data):
            raise OSError(errno.ENOSPC, "No space left on device")
        return len(part)

    def fileno(self) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")  # some file systems notice only now


@given(share=st.floats(0, 1))
def test_a_full_disk_leaves_the_checkpoint_before(whole: bytes, share: float) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        path = Path(folder) / "a.pt"
        save_checkpoint(path, {"step": 1})
        room = int(share * len(whole))
        patch.setattr(Path, "open", lambda self, mode: FullDisk(self, room))
        with pytest.raises(OSError, match="No space"):
            save_checkpoint(path, {"weights": torch.arange(300.0)})
        patch.undo()
        assert load_checkpoint(path) == {"step": 1}
        assert os.listdir(folder) == ["a.pt"]


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
    torch.save({"format": "mmrl-checkpoint", "version": 3, "state": {}}, path)
    with pytest.raises(CheckpointError, match="version 3 of the format, this is 2"):
        load_checkpoint(path)


def test_a_checkpoint_of_the_first_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    torch.save({"format": "mmrl-checkpoint", "version": 1, "state": {"step": 3}}, path)
    assert load_checkpoint(path) == {"step": 3}


def test_other_readers_skip_the_checksum(tmp_path: Path) -> None:
    path = tmp_path / "a.pt"
    save_checkpoint(path, {"w": torch.ones(3)})
    assert torch.equal(torch.load(path, weights_only=True)["state"]["w"], torch.ones(3))
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None


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


def test_units_and_labels_count_where_both_sides_have_them() -> None:
    older, newer = {"shape": [1]}, {"shape": [1], "unit": "N", "labels": ["push"]}
    require_same_senses(Path("a.pt"), {"touch": older}, {"touch": newer})
    require_same_senses(Path("a.pt"), {"touch": newer}, {"touch": newer | {"unit": ""}})
    with pytest.raises(CheckpointError, match=r"touch differs \(unit 'N' became 'kN'\)"):
        require_same_senses(Path("a.pt"), {"touch": newer}, {"touch": newer | {"unit": "kN"}})


def test_plain_turns_numpy_into_python() -> None:
    value = plain({"a": np.int64(3), "b": [np.arange(2)], "c": (np.bool_(True), None)})
    assert type(value["a"]) is int
    assert value["c"] == (True, None)
    assert torch.equal(value["b"][0], torch.tensor([0, 1]))


def test_arrays_come_back_as_arrays(tmp_path: Path) -> None:
    state = {"a": np.arange(3), "b": [np.ones((2, 2), np.float32), np.array([True, False])], "c": "text", "d": 2**100}
    save_checkpoint(tmp_path / "a.pt", state)
    loaded = numpy_tree(load_checkpoint(tmp_path / "a.pt"))
    for one, other in ((state["a"], loaded["a"]), *zip(state["b"], loaded["b"], strict=True)):
        assert isinstance(other, np.ndarray)
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    assert (loaded["c"], loaded["d"]) == ("text", 2**100)


def test_a_policy_acts_alike_in_a_new_process(tmp_path: Path) -> None:
    program = """
import sys, torch
from mmrl.modality import MLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from gymnasium import spaces
from mmrl_agents.records.checkpoint import load_checkpoint, save_checkpoint
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


def sealed(tmp_path: Path, state: Any) -> Path:
    """A checkpoint whose author did not use `save_checkpoint`, which takes less."""
    archive = io.BytesIO()
    torch.save({"format": "mmrl-checkpoint", "version": 1, "state": state}, archive)
    (tmp_path / "odd.pt").write_bytes(archive.getvalue())
    return tmp_path / "odd.pt"


def shared(depth: int) -> list[Any]:
    """Two of the same list in each other: 2 ** depth values in a few bytes."""
    value: list[Any] = []
    for _ in range(depth):
        value = [value, value]
    return value


def circle() -> list[Any]:
    value: list[Any] = []
    value.append(value)
    return value


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: torch.eye(3).to_sparse(), r"sparse tensor \(3, 3\)"),
        (lambda: torch.eye(3).to_sparse_csr(), "sparse tensor"),
        (lambda: torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.qint8), r"quantised tensor \(3,\)"),
        (lambda: torch.ones(3, dtype=torch.complex64), "complex tensor"),
        (lambda: torch.ones(3, device="meta"), "empty tensor"),
        (lambda: torch.ones(1).expand(10**12), r"tensor \(1000000000000,\) repeats the numbers"),
        (lambda: shared(25), r"nested deeper than 64 or holds more than 100,000 values"),
        (lambda: nested(100), "nested deeper than 64"),
        (circle, "nested deeper than 64"),
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's, of kinds of tensors
def test_a_state_that_is_more_than_arrays_is_refused(
    make: Callable[[], Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "_MOST_VALUES", 100_000)  # counting to the real bound takes seconds
    path = sealed(tmp_path, {"policy": {"w": make()}})
    with pytest.raises(CheckpointError, match=rf"odd\.pt: refused, .*{reason}"):
        load_checkpoint(path)


def test_a_checkpoint_is_as_large_as_its_file(tmp_path: Path) -> None:
    path = sealed(tmp_path, {"policy": torch.zeros(100_000)})
    small = tmp_path / "small.pt"
    with zipfile.ZipFile(path) as archive, zipfile.ZipFile(small, "w", zipfile.ZIP_DEFLATED) as packed:
        for record in archive.infolist():
            packed.writestr(record.filename, archive.read(record))
    assert small.stat().st_size < 10_000
    with pytest.raises(CheckpointError, match=r"small\.pt: refused, its record .* is compressed"):
        load_checkpoint(small)


def test_records_that_lie_in_one_another_are_refused(tmp_path: Path) -> None:
    path = sealed(tmp_path, {"policy": torch.zeros(1000)})
    content = bytearray(path.read_bytes())
    # The directory at the end says the size of each record, twice; say more of the largest.
    entry = content.rindex(b"PK\x01\x02", 0, content.rindex(b"/data/0"))
    content[entry + 20 : entry + 28] = (10**9).to_bytes(4, "little") * 2
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"refused, its records have 1,000,0.* bytes in a file of"):
        load_checkpoint(path)


def test_a_link_in_place_of_a_checkpoint_is_refused(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "a.pt", {"step": 1})
    (tmp_path / "b.pt").symlink_to(tmp_path / "a.pt")
    with pytest.raises(CheckpointError, match=r"b\.pt is a symbolic link"):
        load_checkpoint(tmp_path / "b.pt")
