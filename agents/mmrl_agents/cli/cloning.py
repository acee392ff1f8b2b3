"""`mmrl clone DIR`: the words of the training that imitates a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmrl_agents.records.dataset.folder import Dataset
from mmrl_agents.records.files import read_json

EPOCHS = 40
"""Times that every frame is learned from, where nothing else is said."""
_USAGE = f"""usage: mmrl clone DIR [OPTIONS]

Imitate the episodes that mmrl record wrote into DIR: behaviour cloning in the worlds of the recording, {EPOCHS} times
over all frames. Options are those of mmrl train, such as --fusion, --sensors, --seed, --run-dir, --total-steps (frames
that are learned from) and --clone.learning-rate; mmrl train --help-all shows them."""


def as_training(words: Sequence[str]) -> list[str]:
    """The words of `mmrl train` for those of `mmrl clone`.

    Raises ValueError for a folder that is no data set; ends the process with the usage where it was asked for, or where
    no folder is named.
    """
    if not words or words[0].startswith("-"):
        print(_USAGE)  # noqa: T201 - as every command answers to --help
        raise SystemExit(0 if {"-h", "--help"} & set(words) else 2)
    folder, *options = words
    data = Dataset(Path(folder))
    training = [data.ours["env"], "--agent", "clone", "--clone.data", folder, "--seed", "1"]
    if "--seed" in options:
        del training[-2:]
    if data.ours["env_kwargs"] and "--set" not in options:
        settings = (
            f"{name}={json.dumps(value)}" for name, value in data.ours["env_kwargs"].items() if name != "sensors"
        )
        training += ["--set", *settings]
    if not any(word.replace("_", "-").startswith("--total-steps") for word in options):
        frames = int(read_json(Path(folder) / "meta/info.json")["total_frames"])
        training += ["--total-steps", str(EPOCHS * frames)]
    return [*training, *options]
