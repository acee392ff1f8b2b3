"""The reader of lerobot itself reads what is written here, where its packages can be had."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmrl_agents.records.dataset.folder import Dataset
from mmrl_agents.watching.recording.record import RecordConfig, record

PACKAGES = (
    *("lerobot==0.4.4", "datasets==4.1.1", "torchvision==0.22.1", "pandas==3.1.1", "accelerate", "draccus==0.11.6"),
    *("dill==0.4.0", "multiprocess==0.70.16", "xxhash", "jsonlines", "attrs", "python-dateutil", "six", "tzdata"),
)
"""The reader and what it imports that this suite does not bring; without their own, which would bring another torch."""
READER = """
import sys

import numpy as np
import torch

# The compiled part of torchvision fits one release of torch, and no reader needs it: its Python wants this name.
library = torch.library.Library("torchvision", "DEF")
library.define("nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from lerobot.datasets.lerobot_dataset import LeRobotDataset

data = LeRobotDataset("any/name", root=sys.argv[1], video_backend="pyav")
assert data.num_episodes == 2, data.num_episodes
rows = [data[number] for number in range(len(data))]
assert {row["task"] for row in rows} == {"mmrl/PegInsertion-v0"}
np.savez(sys.argv[2], **{name: np.stack([np.asarray(row[name]) for row in rows]) for name in rows[0] if name != "task"})
"""

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lerobot")
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    done = subprocess.run(install, capture_output=True, text=True, check=False, timeout=900)
    if done.returncode:
        pytest.skip(f"lerobot cannot be installed here: {done.stderr.strip().splitlines()[-1]}")
    return folder


@pytest.mark.parametrize("pictures", ["image", "video"])
def test_lerobot_gives_what_was_recorded(packages: Path, pictures: str, tmp_path: Path) -> None:
    folder, read = tmp_path / "data", tmp_path / "read.npz"
    env = "mmrl/PegInsertion-v0"
    record(RecordConfig("random", folder, episodes=2, env=env, pictures=pictures))  # type: ignore[arg-type]
    paths = os.pathsep.join([str(packages), *filter(None, [os.environ.get("PYTHONPATH")])])
    reading = {**os.environ, "PYTHONPATH": paths, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", READER, str(folder), str(read)], capture_output=True, text=True, check=False, env=reading
    )
    assert done.returncode == 0, done.stderr
    theirs, data = np.load(read), Dataset(folder)
    assert (theirs["episode_index"] == np.repeat([0, 1], 100)).all()
    for name, feature in data.features.items():
        ours = np.concatenate([data.episode(number).frames[name] for number in (0, 1)])
        if feature.dtype in ("image", "video"):  # (C, H, W), 0 to 1
            np.testing.assert_allclose(theirs[name].transpose(0, 2, 3, 1), ours / 255.0, atol=1e-6)
        else:
            np.testing.assert_array_equal(theirs[name].reshape(ours.shape), ours)
