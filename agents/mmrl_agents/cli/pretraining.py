"""`mmrl pretrain ENV`: the words of the training in which objectives alone teach a perception."""

from __future__ import annotations

import re
import shlex
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from mmrl.policy.config import PolicyConfig
from mmrl_agents.cli.words import training_in, value_of
from mmrl_agents.experience.behaviours import BEHAVIOURS
from mmrl_agents.records.dataset.folder import INFO, Dataset
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.training.train import train
from mmrl_agents.watching.reconstructions import draw_reconstructions
from mmrl_agents.watching.recording.actors import EXPERT
from mmrl_agents.watching.recording.record import RecordConfig, record
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_envs.multimodal import describing

STEPS = 100_000
"""Samples that are learned from, where nothing else is said."""
RECORDED = Path("runs", "recorded")
"""Folder of the episodes that a policy or a script plays for a pretraining."""
_USUAL_LENGTH = 100
"""Steps of an episode, where nobody says how many it has at most."""
_OWN = ("--objective", "--steps", "--data")
_USAGE = f"""usage: mmrl pretrain ENV --objective NAME[=WEIGHT] ... [--steps {STEPS}] [--data SOURCE] [OPTIONS]

Teach encoders and fusion by objectives alone, before any policy; `mmrl list objectives` shows them, NAME.SETTING=VALUE
sets one of theirs. SOURCE is random (actions drawn evenly), contact (pulled down as well), expert (the script of the
task), a run or a policy of `mmrl list pretrained`, or the folder of a data set that mmrl record wrote. Options are
those of mmrl train, such as --fusion, --sensors, --seed, --sense-dropout and --run-dir; mmrl pretrain --resume RUN goes
on.
Then learn a policy on it: mmrl train ENV --init RUN --freeze perception"""


@dataclass(frozen=True)
class _Asked:
    """The words of a command line: those of its own options, and the others."""

    objectives: tuple[str, ...]
    steps: str
    data: str
    others: tuple[str, ...]


def pretrain(words: Sequence[str]) -> bool:
    """Pretrain as the words of a command line say; returns whether somebody interrupted it.

    Episodes of a policy or a script are recorded first, under runs/recorded, and used again if they are there.
    """
    config = training_in(as_training(words))
    if config is None:
        return False
    console = terminal()
    result = train(config, console)
    if result.interrupted:
        return True
    picture = draw_reconstructions(result.run_dir)
    if picture is not None:
        say(console, f"readings that come back: {picture}")
    run = shlex.quote(str(result.run_dir))
    fusion = "" if config.policy.fusion == PolicyConfig.fusion else f" --fusion {config.policy.fusion}"
    say(console, f"learn a policy on it with: mmrl train {config.env} --init {run} --freeze perception{fusion}")
    return False


def as_training(words: Sequence[str]) -> list[str]:
    """The words of `mmrl train` for those of `mmrl pretrain`.

    Ends the process with the usage where it was asked for, or where no environment is named.
    """
    if value_of("--resume", words) is not None:
        return _spelled(words)
    if not words or words[0].startswith("-"):
        print(_USAGE)  # noqa: T201 - as every command answers to --help
        raise SystemExit(0 if {"-h", "--help"} & set(words) else 2)
    env, asked = words[0], _sorted(words[1:])
    training = [env, "--agent", "pretrain", "--total-steps", asked.steps]
    if asked.objectives:
        training += ["--objectives", *map(_with_weight, asked.objectives)]
    return [*training, "--pretrain.data", _recorded(env, asked), *asked.others]


def _spelled(words: Sequence[str]) -> list[str]:
    """The words of a run that goes on, which keeps its data and objectives."""
    asked = _sorted(words)
    steps = ["--total-steps", asked.steps] if any(word.partition("=")[0] == "--steps" for word in words) else []
    return [*asked.others, *steps]


def _sorted(words: Sequence[str]) -> _Asked:
    found: dict[str, list[str]] = {option: [] for option in _OWN}
    others: list[str] = []
    place = others
    for word in words:
        option, equals, value = word.partition("=")
        if option in _OWN:
            place = found[option]
            place += [value] if equals else []
            continue
        if word.startswith("-"):
            place = others
        place.append(word)
    data = (found["--data"] or ["random"])[-1]
    return _Asked(tuple(found["--objective"]), (found["--steps"] or [str(STEPS)])[-1], data, tuple(others))


def _with_weight(word: str) -> str:
    return word if "=" in word else f"{word}=1"


def _recorded(env: str, asked: _Asked) -> str:
    """The data as the agent reads them: a behaviour, or the folder of a data set, which is recorded if need be."""
    if asked.data in BEHAVIOURS or (Path(asked.data) / INFO).exists():
        return asked.data
    steps = int(float(asked.steps))
    folder = RECORDED / re.sub(r"[^\w.-]+", "_", f"{env} {asked.data} {steps}")
    if folder.exists():
        say(terminal(), f"data recorded before: {folder}, {Dataset(folder).frames:,} frames")
        return str(folder)
    of_script = env if asked.data == EXPERT else None
    with closing(WorldSpec(env).make(1)) as envs:
        length = describing(envs).max_episode_steps or _USUAL_LENGTH
    record(RecordConfig(asked.data, folder, episodes=-(-steps // length), env=of_script), terminal())
    return str(folder)
