"""`mmrl clone DIR`: the words of the training that imitates a data set."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from mmrl_agents.records.dataset.folder import Dataset
from mmrl_agents.watching.recording.replay import recorded_worlds

EPOCHS = 40
"""Times that every frame is learned from, where nothing else is said."""
_USAGE = f"""usage: mmrl clone DIR [OPTIONS]

Imitate the episodes that mmrl record wrote into DIR: behaviour cloning in the worlds of the recording, {EPOCHS} times
over all frames. Options are those of mmrl train, such as --fusion, --sensors, --seed, --run-dir, --total-steps (frames
that are learned from) and --clone.learning-rate; mmrl train --help-all shows them."""


def as_training(words: Sequence[str]) -> list[str]:
    """The words of `mmrl train` for those of `mmrl clone`.

    Raises ValueError for a folder that is no data set, Untrusted where it names code of somebody else's; ends the
    process with the usage where it was asked for, or where no folder is named.
    """
    if not words or words[0].startswith("-"):
        print(_USAGE)  # noqa: T201 - as every command answers to --help
        raise SystemExit(0 if {"-h", "--help"} & set(words) else 2)
    folder, *options = words
    trust, options = _trusted(options)
    data = Dataset(Path(folder))
    worlds = recorded_worlds(data, trust)  # nobody typed the name of the environment: it is the data's
    given = {word.partition("=")[0].replace("_", "-") for word in options}
    training = [worlds.env, "--agent", "clone", "--clone.data", folder]
    kwargs = dict(worlds.kwargs)
    sensors = kwargs.pop("sensors", None)
    if kwargs and "--set" not in given:
        training += ["--set", *(f"{name}={json.dumps(value)}" for name, value in kwargs.items())]
    if sensors and "--sensors" not in given:
        training += ["--sensors", *sensors]
    if "--total-steps" not in given:
        training += ["--total-steps", str(EPOCHS * data.frames)]
    return [*training, *options]


def _trusted(options: Sequence[str]) -> tuple[list[str], list[str]]:
    """The modules that `--trust` names, and the other words."""
    if "--trust" not in options:
        return [], list(options)
    start = options.index("--trust")
    end = next((i for i in range(start + 1, len(options)) if options[i].startswith("-")), len(options))
    return list(options[start + 1 : end]), [*options[:start], *options[end:]]
