"""A recording for rerun, written and read back: all streams on one clock."""

import io
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from mmrl_agents.watching.viewing.config import WatchConfig
from mmrl_agents.watching.watch import watch_run
from mmrl_envs.scenes.workcell import WORKSPACE


def recorded(path: Path, **options: Any) -> dict[str, dict[str, list[Any]]]:
    """Entity -> column -> entries in order of time, of a new recording."""
    chunk = pytest.importorskip("rerun.chunk")
    watch_run(WatchConfig(rrd=path, device="cpu", **options), Console(file=io.StringIO()))
    rows: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for part in chunk.RrdReader(path).stream():
        if "time" in part.timeline_names:
            batch = part.to_record_batch()
            clock = batch.column("time").cast("int64").to_numpy() / 1e9
            columns = {name: batch.column(name).to_pylist() for name in batch.schema.names if name != "time"}
            rows[part.entity_path] += [
                {"time": now} | {name: column[row] for name, column in columns.items()} for row, now in enumerate(clock)
            ]
    tables: dict[str, dict[str, list[Any]]] = {}
    for place, unsorted in rows.items():
        ordered = sorted(unsorted, key=lambda row: row["time"])
        tables[place] = {name: [row.get(name) for row in ordered] for name in {n for row in ordered for n in row}}
    return tables


def test_senses_poses_and_values_stand_on_one_clock(tmp_path: Path) -> None:
    """Two episodes of 5 steps at 20 Hz: instants at 0 to 0.25 s, then from 0.30 s to 0.55 s."""
    tables = recorded(tmp_path / "peg.rrd", run="peg_insertion", episodes=2, max_seconds=0.25)
    instants = [0.0, 0.05, 0.10, 0.15, 0.20, 0.25, 0.30, 0.35, 0.40, 0.45, 0.50, 0.55]
    for place in ("/value", "/reward", "/senses/camera", "/scene", "/mounts/tip"):
        np.testing.assert_allclose(tables[place]["time"], instants, atol=1e-6)
    np.testing.assert_allclose(tables["/action"]["time"], instants[:5] + instants[6:11], atol=1e-6)
    # The last 32 of 50 readings of each step, a millisecond apart, and one at each reset.
    wrench = tables["/senses/force_torque/N"]
    assert len(wrench["time"]) == 2 * (1 + 5 * 32)
    np.testing.assert_allclose(np.diff(wrench["time"])[1:32], 0.001, atol=1e-6)
    assert np.shape(wrench["Scalars:scalars"]) == (322, 3)
    ended = [row[0] for row in tables["/events"]["TextLog:text"]]
    assert ended[1] == "episode 1 is cut: no success"
    assert "'clearance_mm'" in ended[0]


def test_what_is_recorded_is_what_the_world_showed(tmp_path: Path) -> None:
    """The same episode in an environment of our own making, action by action."""
    tables = recorded(tmp_path / "peg.rrd", run="peg_insertion", episodes=1, max_seconds=0.1, seed=7)
    with gym.make("mmrl_envs:mmrl/PegInsertion-v0") as env:
        seen, info = env.reset(seed=7)
        for step in range(3):
            blob = tables["/senses/camera"]["EncodedImage:blob"][step][0]
            np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(bytes(blob)))), seen["camera"])
            newest = tables["/senses/force_torque/N"]["Scalars:scalars"][32 * step]
            np.testing.assert_allclose(newest, seen["force_torque"][-1, :3], rtol=1e-6)
            figure = tables["/figures/depth_m"]["Scalars:scalars"][step]
            np.testing.assert_allclose(figure, [info["depth_m"]], rtol=1e-6)
            tip = tables["/mounts/tip"]["Transform3D:translation"][step][0]
            place = np.array(WORKSPACE) + seen["proprioception"][-1, :3]  # a physics step before
            np.testing.assert_allclose(tip, place, atol=2e-4)
            if step < 2:
                seen, _, _, _, info = env.step(np.float32(tables["/action"]["Scalars:scalars"][step]))


def test_a_game_has_probabilities_and_no_bodies(tmp_path: Path) -> None:
    tables = recorded(tmp_path / "pong.rrd", run="pong", episodes=1, max_seconds=0.3)
    probabilities = np.array(tables["/probability"]["Scalars:scalars"])
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-5)
    assert not any(place.startswith("/bodies") for place in tables)


def test_an_unplugged_sense_is_not_recorded(tmp_path: Path) -> None:
    tables = recorded(
        tmp_path / "peg.rrd", run="peg_insertion", episodes=1, max_seconds=0.1, without=("camera", "force_torque")
    )
    assert {place.split("/")[2] for place in tables if place.startswith("/senses")} == {"proprioception"}


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "rerun", None)
    config = WatchConfig(run="peg_insertion", rrd=tmp_path / "peg.rrd", device="cpu")
    with pytest.raises(ImportError, match=r"pip install 'mmrl\[rerun\]'"):
        watch_run(config, Console(file=io.StringIO()))
    assert list(tmp_path.iterdir()) == []


def test_another_ending_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ends in .rrd, got 'peg.mp4'"):
        WatchConfig(rrd=Path("peg.mp4"))
