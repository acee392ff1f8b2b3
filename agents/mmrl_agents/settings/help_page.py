"""The options of a command that are used most, by theme: what `--help` shows; `--help-all` shows every option."""

import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, make_dataclass
from functools import reduce
from types import MappingProxyType
from typing import Annotated, Any

import tyro

from mmrl_agents.settings.sources import documented

EVERY_OPTION = "--help-all"


@dataclass(frozen=True)
class MostUsed:
    """The settings of a command that its short help shows, with dots within a part, such as "ppo.learning_rate"."""

    environment: str
    """The setting that stands first on the command line, without an option."""
    themes: Mapping[str, Sequence[str]]
    """The settings by theme."""


OF_A_TRAINING = MostUsed(
    "env",
    MappingProxyType(
        {
            "environment": ("env_kwargs", "context", "num_worlds"),
            "senses": ("sensors", "sense_dropout"),
            "network": ("policy.fusion", "policy.fusion_options"),
            "algorithm": ("agent", "recipe", "seed", "total_steps", "ppo.learning_rate", "device"),
            "curriculum": ("curriculum", "vary"),
            "evaluation": ("evaluate_episodes", "judge_every"),
            "run folder": ("run_dir", "runs_root", "resume"),
        }
    ),
)
"""The twenty options of `mmrl train` that are used most."""

# An ablation chooses these for each training.
_OF_ONE_TRAINING = ("run_dir", "resume", "seed", "sensors", "evaluate_episodes")
OF_AN_ABLATION = MostUsed(
    "train.env",
    MappingProxyType(
        {
            "ablation": ("subsets", "seeds", "episodes", "folder"),
            **{
                theme: tuple(f"train.{name}" for name in names if name not in _OF_ONE_TRAINING)
                for theme, names in OF_A_TRAINING.themes.items()
            },
        }
    ),
)
"""The options of `mmrl ablate` that are used most."""


OF_A_SWEEP = MostUsed(
    "train.env",
    MappingProxyType(
        {
            "sweep": ("space", "trials", "objective", "seeds", "sweep_workers", "prune", "folder"),
            **{
                theme: tuple(
                    f"train.{name}" for name in names if name not in ("run_dir", "resume", "evaluate_episodes")
                )
                for theme, names in OF_A_TRAINING.themes.items()
            },
        }
    ),
)
"""The options of `mmrl sweep` that are used most."""


def asks_for_help(words: Sequence[str]) -> bool:
    """Whether the words of a command ask for its short help."""
    return bool({"-h", "--help"} & set(words)) and EVERY_OPTION not in words


def show_most_used(
    most_used: MostUsed, config: Any, names: Mapping[str, str], command: str, description: str
) -> typing.NoReturn:
    """Print the settings that are used most, with their values in `config`, and end the process.

    `names` has the settings that the command line calls otherwise.
    """
    groups = [
        _group(theme, [_option(config, path, names) for path in paths]) for theme, paths in most_used.themes.items()
    ]
    page = make_dataclass("Page", [_positional(config, most_used.environment), *groups])
    described = f"{description} These are the options used most; {EVERY_OPTION} shows every option."
    tyro.cli(page, args=["--help"], prog=command, description=described)
    raise AssertionError("tyro ends the process when it has shown its help")


def _group(theme: str, options: Sequence[tuple[str, Any, Any]]) -> tuple[str, Any, Any]:
    """A field of the page: the options under one heading."""
    group = make_dataclass("Group", options, namespace={"__doc__": ""})
    return theme.replace(" ", "_"), Annotated[group, tyro.conf.arg(name=theme)], field(default_factory=group)


def _option(config: Any, path: str, names: Mapping[str, str]) -> tuple[str, Any, Any]:
    """A field of a group: a setting, with the type and the sentence that it has in its config."""
    *parts, name = path.split(".")
    owner = reduce(lambda part, key: vars(part)[key], parts, config)
    kind = typing.get_type_hints(type(owner), include_extras=True)[name]
    plain = path.removeprefix("train.")
    shown = tyro.conf.arg(
        name=names.get(plain, plain).replace("_", "-"), prefix_name=False, help=documented(type(owner))[name]
    )
    value = vars(owner)[name]
    return path.replace(".", "_"), Annotated[kind, shown], field(default_factory=lambda: value)


def _positional(config: Any, path: str) -> tuple[str, Any]:
    """A field of the page: the environment."""
    _, kind, _ = _option(config, path, {})
    return "env", typing.cast(Any, tyro.conf.Positional)[kind]
