"""The finished part of an interrupted evaluation is believed where this user played it."""

import json
from pathlib import Path

import numpy as np
import pytest

from mmrl_agents.evaluation.finished_conditions import FinishedConditions
from mmrl_agents.records.files import UnfitFile

EVALUATION = {"seed": 1}


def kept(folder: Path) -> Path:
    """The file of one condition."""
    store = FinishedConditions(folder, EVALUATION)
    store.put("all", {"success": np.ones(3)})
    assert store.count == 1
    return next(folder.glob("*.npz"))


def test_arrays_that_somebody_else_put_there_are_not_taken(tmp_path: Path) -> None:
    path = kept(tmp_path / "kept")
    with path.open("wb") as stream:
        np.savez(stream, **{"array.success": np.ones(3)})
    store = FinishedConditions(tmp_path / "kept", EVALUATION)
    assert store.count == 0
    assert store.get("all") is None


def test_a_whole_folder_of_somebody_else_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as theirs:
        theirs.setenv("XDG_CONFIG_HOME", str(tmp_path / "theirs"))
        kept(tmp_path / "kept")
    store = FinishedConditions(tmp_path / "kept", EVALUATION)
    assert store.count == 0
    assert store.get("all") is None
    store.put("all", {"success": np.zeros(3)})
    assert store.get("all")["success"].tolist() == [0, 0, 0]  # type: ignore[index]  # it was just put


def test_arrays_of_one_condition_or_evaluation_are_not_those_of_another(tmp_path: Path) -> None:
    path = kept(tmp_path / "kept")
    store = FinishedConditions(tmp_path / "kept", EVALUATION)
    store.put("none", {"success": np.zeros(3)})
    none = next(other for other in path.parent.glob("*.npz") if other != path)
    none.write_bytes(path.read_bytes())
    assert store.get("none") is None
    (path.parent / "evaluation.json").write_text(json.dumps({"seed": 2}))  # as if they had been of that one
    FinishedConditions(tmp_path / "other", {"seed": 2})
    path.replace(tmp_path / "other" / path.name)
    assert FinishedConditions(tmp_path / "other", {"seed": 2}).get("all") is None


def test_a_link_in_place_of_the_folder_or_a_file_leads_nowhere(tmp_path: Path) -> None:
    path = kept(tmp_path / "kept")
    (tmp_path / "link").symlink_to(path.parent)
    with pytest.raises(UnfitFile, match="link is a symbolic link"):
        FinishedConditions(tmp_path / "link", EVALUATION)
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    before = (tmp_path / "elsewhere").read_bytes()
    store = FinishedConditions(path.parent, EVALUATION)
    assert store.get("all") is None
    store.put("all", {"success": np.zeros(3)})
    assert (tmp_path / "elsewhere").read_bytes() == before
    store.discard()
    assert not path.parent.exists()
