"""From the words of a command line, and the file that they may name, to the settings of a command."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from itertools import dropwhile, takewhile
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, cast

import tyro
import yaml

from mmrl.settings.effects import require_effect, require_given_once, written
from mmrl.settings.named import parse_document
from mmrl_agents.ablation.ablation import AblateConfig, require_effect_of
from mmrl_agents.algorithms import PARTS, find_algorithm
from mmrl_agents.comparing.sweeping.config import SweepConfig
from mmrl_agents.recipes import recipes_for
from mmrl_agents.records.files import read_regular
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.help_page import (
    EVERY_OPTION,
    OF_A_SWEEP,
    OF_A_TRAINING,
    OF_AN_ABLATION,
    MostUsed,
    asks_for_help,
    show_most_used,
)
from mmrl_agents.settings.readers import OPTIONS, by
from mmrl_agents.settings.recorded import config_to_dict, present_settings
from mmrl_agents.settings.starting_points import GENERAL, begun_as, recipe_for, settings_of_run
from mmrl_agents.settings.unset import JOINED_BY_NAME, over
from mmrl_agents.worlds.foreign_worlds import find_maker
from mmrl_agents.worlds.trust import is_marked_config, let_modules_here_be_found, require_trusted

Config = TypeVar("Config")
Trainings = TypeVar("Trainings", AblateConfig, SweepConfig)

MOST_BYTES = 1 << 20
"""Largest file of settings."""

_SHORT = {"--fusion": "--policy.fusion", "--fusion-options": "--policy.fusion-options"}
_SHOWN_AS = {
    **{setting: option for option, setting in OPTIONS.items()},
    **{setting[2:].replace("-", "_"): option[2:] for option, setting in _SHORT.items()},
}
"""Settings by another name than their own in the short help."""
_OF_A_PLACE = ("resume", "run_dir")
"""Settings of a recorded run that are about its own folder."""

# What other programs call our options, by the part that an agent reads.
_CALLED_OTHERWISE: Mapping[str, str] = {
    "lr": "learning_rate",
    "bs": "minibatch_size",
    "batch_size": "minibatch_size",
    "n_epochs": "epochs",
    "n_steps": "num_steps",
    "ent_coef": "entropy_coef",
    "vf_coef": "value_coef",
    "clip_range": "clip",
    "lam": "gae_lambda",
    "envs": "num_worlds",
    "n_envs": "num_worlds",
    "num_envs": "num_worlds",
    "steps": "total_steps",
    "timesteps": "total_steps",
    "total_timesteps": "total_steps",
    "max_steps": "total_steps",
    "eval_episodes": "evaluate_episodes",
    "env_kwargs": "set",
    "output_dir": "run_dir",
    "logdir": "run_dir",
}


@dataclass(frozen=True)
class Asked(Generic[Config]):
    """The settings and the requests of a command line."""

    settings: Annotated[Config, tyro.conf.arg(name="")]
    """Its settings."""
    config: Path | None = None
    """A YAML or JSON file of settings, as --print-config writes them, or of a training the config.json of a run;
    options given besides win."""
    print_config: bool = False
    """Print all settings as they come out, and do nothing else."""


def ask(
    kind: type[Config], words: Sequence[str], command: str, description: str = "", default: Config | None = None
) -> Asked[Config]:
    """The settings of a command; SystemExit, with a message, where the words are none of its options."""
    usual: dict[str, Any] = {} if default is None else {"default": Asked(default)}
    asked = cast(Any, Asked)[kind]
    described = description or (kind.__doc__ or "").partition("\n")[0]
    tyros = ["--help" if word == EVERY_OPTION else word for word in words]
    found: Asked[Config] = tyro.cli(asked, args=tyros, prog=f"mmrl {command}", description=described, **usual)
    return found


def ask_plain(kind: type[Config], words: Sequence[str], command: str) -> Config | None:
    """The settings of a command that needs none, over those of the file; None where they were to be printed only."""
    asked = ask(kind, words, command, default=over(kind(), document_of(words)))
    require_given_once(asked.settings, words)
    if asked.print_config:
        show(asked.settings)
        return None
    return asked.settings


def show(settings: Any) -> None:
    """Print settings as YAML that `--config` reads."""
    say(terminal(), yaml.safe_dump(config_to_dict(settings), sort_keys=False, allow_unicode=True).rstrip())


def spelled_out(words: Sequence[str]) -> list[str]:
    """Options that have a short name, by their full one; that of the optimiser is of the part that the agent reads."""
    algorithm = find_algorithm(value_of("--agent", words) or "ppo")
    short = {**_SHORT, "--optimizer": f"--{algorithm.part or algorithm.name}.optimizer"}
    parts = (word.partition("=") for word in words)
    return [short.get(name.replace("_", "-"), name) + equals + value for name, equals, value in parts]


def require_our_names(words: Sequence[str], agent: str) -> None:
    """Raise ValueError for options that other programs call so, with our name."""
    for word in words:
        name = word.partition("=")[0]
        called = name.lstrip("-").removeprefix(f"{agent}.").replace("-", "_")
        meant = _CALLED_OTHERWISE.get(called) if name.startswith("-") else None
        if meant is not None:
            raise ValueError(f"no option {name}; here it is {_our_name(meant, agent)}")


def _our_name(setting: str, agent: str) -> str:
    algorithm = find_algorithm(agent)
    own = [name for name in PARTS if name != "sb3"]
    parts = [part for part in (algorithm.part, "ppo") if part in own and setting in vars(vars(GENERAL)[part])]
    if algorithm.part == "sb3" and parts:
        return "--sb3.options NAME=VALUE, with Stable-Baselines3's own name, such as learning_rate=3e-4"
    return "--" + ".".join([*parts[:1], setting]).replace("_", "-")


def value_of(option: str, words: Sequence[str]) -> str | None:
    """The value of an option, written as one word or as two."""
    for index, word in enumerate(words):
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
        if word == option and index + 1 < len(words):
            return words[index + 1]
    return None


def values_of(option: str, words: Sequence[str]) -> tuple[str, ...]:
    """All values of an option that takes several."""
    rest = list(dropwhile(lambda word: word.partition("=")[0] != option, words))
    first = [word.partition("=")[2] for word in rest[:1] if "=" in word]
    return (*first, *takewhile(lambda word: not word.startswith("-"), rest[1:]))


def document_of(words: Sequence[str]) -> dict[str, Any]:
    """The settings in the file that `--config` names; those of a recorded run without its folder.

    Raises Untrusted where it names code that is neither this user's own nor in `--trust`, as a run folder does.
    """
    name = value_of("--config", words)
    if name is None:
        return {}
    document = parse_document(read_regular(Path(name), MOST_BYTES), name)
    if document.get("trust"):
        raise ValueError(f"{name} says what is to be trusted; only you can, with --trust")
    train = document.get("train")
    recorded = isinstance(train, Mapping) and "env_id" in document
    settings = train if isinstance(train, Mapping) else {}
    typed = _environment_in(words).rpartition(":")[2]  # which is trusted
    used = settings if recorded else {**settings, **document}  # those of an ablation may stand in both places
    judged = {"train": {**used, "env": typed} if typed else used}
    marked = recorded and is_marked_config(document)
    require_trusted(document if marked else judged, name, values_of("--trust", words))
    if not recorded:
        return document
    return {key: value for key, value in present_settings(settings).items() if key not in _OF_A_PLACE}


def _environment_in(words: Sequence[str]) -> str:
    """The environment that comes first, "" where options do."""
    return words[0] if words and not words[0].startswith("-") else ""


def starting_point(
    words: Sequence[str], document: Mapping[str, Any], environment: Callable[[TrainConfig], str]
) -> TrainConfig | None:
    """The run to be resumed, or the recipe of the environment, under the settings of a file; None without either.

    `environment` finds the environment that comes after options, from settings of which it is the default.
    """
    resume = value_of("--resume", words)
    if resume is not None:
        return over(settings_of_run(Path(resume), values_of("--trust", words)), document)
    if (not words and not document) or _asks_for_help_alone(words):
        return None
    env = _environment_in(words) or environment(over(GENERAL, document))
    if env != document.get("env"):
        let_modules_here_be_found()  # an environment is typed
        if not recipes_for(env):
            find_maker(env)  # imports the module of "module:Id", which may bring a recipe
    if not env:
        raise ValueError("no environment is given; `mmrl list environments` shows those with a recipe")
    agent, recipe = (value_of(f"--{name}", words) or document.get(name) for name in ("agent", "recipe"))
    base = recipe_for(env, agent, recipe or "")
    return over(base, {name: value for name, value in document.items() if name not in ("env", "agent", "recipe")})


def _asks_for_help_alone(words: Sequence[str]) -> bool:
    return bool(words) and words[0].startswith("-") and bool({"-h", "--help", EVERY_OPTION} & set(words))


def merged(base: TrainConfig, asked: TrainConfig) -> TrainConfig:
    """The settings asked for, on top of the settings by name that it started from.

    Raises ValueError where a run that goes on is given another environment.
    """
    named = {asked.env, *(recipe.get("env", asked.env) for recipe in recipes_for(asked.env).values())}
    together = over(base, {name: vars(asked)[name] for name in JOINED_BY_NAME})
    if base.env not in named:
        raise ValueError(f"{asked.env} would have no effect: the run in {base.resume} goes on in {base.env}")
    # "pong" names recipes, not an environment
    return replace(asked, env=base.env, **{name: vars(together)[name] for name in JOINED_BY_NAME})


def training_in(words: Sequence[str]) -> TrainConfig | None:
    """The training that the words of `mmrl train` ask for; None where its settings were to be printed only."""
    words, document = spelled_out(words), document_of(words)
    command, description = "train", "Train a policy; the defaults are those of the environment's recipe."
    base = starting_point(words, document, lambda blank: ask(TrainConfig, words, command, default=blank).settings.env)
    if asks_for_help(words):
        show_most_used(OF_A_TRAINING, base or GENERAL, _SHOWN_AS, f"mmrl {command}", description)
    require_our_names(words, "ppo" if base is None else base.agent)
    asked = ask(TrainConfig, words, command, description, base)
    config, given = asked.settings if base is None else merged(base, asked.settings), written(words, OPTIONS)
    if asked.config is not None and config.resume is None:  # what the file names has been judged by it
        config, given = replace(config, trust=()), given - {"trust"}
    require_given_once(config, words, OPTIONS)
    require_effect(config, by(config), begun_as(config), given)
    if asked.print_config:
        show(config)
        return None
    return config


def ablation_in(words: Sequence[str]) -> AblateConfig | None:
    """The ablation that the words of `mmrl ablate` ask for; None where its settings were to be printed only."""
    description = "Train a policy per subset of the senses and per seed; training options are those of mmrl train."
    config, given, printed = _over_trainings(AblateConfig, words, "ablate", description, OF_AN_ABLATION)
    require_effect_of(config, given)
    return None if printed else config


def sweep_in(words: Sequence[str]) -> SweepConfig | None:
    """The sweep that the words of `mmrl sweep` ask for; None where its settings were to be printed only."""
    description = "Search settings of a training; training options are those of mmrl train."
    parts = (word.partition("=") for word in words)
    words = [{"--workers": "--sweep-workers"}.get(name, name) + equals + value for name, equals, value in parts]
    config, _, printed = _over_trainings(SweepConfig, words, "sweep", description, OF_A_SWEEP)
    return None if printed else config


def _over_trainings(
    kind: type[Trainings], words: Sequence[str], command: str, description: str, most_used: MostUsed
) -> tuple[Trainings, set[str], bool]:
    """The settings of a command with many trainings, which of them are given, and whether they were to be printed."""
    words, document = spelled_out(words), document_of(words)
    own = {field.name for field in fields(kind)}
    trained = {**document.get("train", {}), **{name: value for name, value in document.items() if name not in own}}
    rest = {name: value for name, value in document.items() if name in own and name != "train"}

    def environment(blank: TrainConfig) -> str:
        return ask(kind, words, command, default=kind(blank)).settings.train.env

    if value_of("--resume", words) is not None:
        raise ValueError(f"resume would have no effect: mmrl {command} goes on by itself where its folder is the same")
    base = starting_point(words, trained, environment)
    if asks_for_help(words):
        show_most_used(most_used, kind(base or GENERAL), _SHOWN_AS, f"mmrl {command}", description)
    require_our_names(words, "ppo" if base is None else base.agent)
    asked = ask(kind, words, command, description, None if base is None else over(kind(base), rest))
    train = asked.settings.train if base is None else merged(base, asked.settings.train)
    config = replace(asked.settings, train=train)
    require_given_once(config.train, words, OPTIONS)
    require_given_once(config, words)
    if asked.print_config:
        show(config)
    return config, written(words, OPTIONS), asked.print_config
