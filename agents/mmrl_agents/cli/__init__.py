"""The command line: `mmrl train | evaluate | ablate | watch | runs | list | export`.

Every command imports what it needs when it runs, so that `mmrl --help` answers at once.
"""

import importlib.metadata
import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl_agents.records.refusals import PACKAGES, explained, is_for_the_user
from mmrl_agents.records.terminal import exit_status, release_output, say, terminal
from mmrl_agents.training.interruption import interrupted_once

# As shells report a program that SIGINT ended.
INTERRUPTED = 130


@dataclass(frozen=True)
class ListConfig:
    """Show what can be chosen by name."""

    what: tyro.conf.Positional[
        Literal[
            "overview",
            "all",
            "environments",
            "context",
            "figures",
            "sensors",
            "encoders",
            "fusions",
            "objectives",
            "agents",
            "curricula",
            "pretrained",
        ]
    ] = "overview"
    """Which kind of thing; overview has a sentence on each, all every detail, which takes seconds to find."""


@dataclass(frozen=True)
class ExportConfig:
    """Write the weights of a run as safetensors, with its config beside them."""

    run: tyro.conf.Positional[str]
    """Folder of the run."""
    folder: tyro.conf.Positional[Path]
    """Where to write; a new or empty folder."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""


def _train(words: Sequence[str]) -> int:
    from mmrl_agents.cli.words import training_in
    from mmrl_agents.training.train import train

    config = training_in(words)
    # What would follow in a script or a Makefile wants a finished training.
    return INTERRUPTED if config is not None and train(config).interrupted else 0


def _ablate(words: Sequence[str]) -> int:
    from mmrl_agents.ablation.ablation import ablate
    from mmrl_agents.cli.words import ablation_in

    config = ablation_in(words)
    return INTERRUPTED if config is not None and ablate(config).interrupted else 0


def _evaluate(words: Sequence[str]) -> int:
    from mmrl.effects import require_effect, written
    from mmrl_agents.cli.words import ask_plain
    from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
    from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
    from mmrl_agents.settings.readers import BY_AN_EVALUATION

    config = ask_plain(EvaluateConfig, words, "evaluate")
    if config is not None:
        require_effect(config, BY_AN_EVALUATION, EvaluateConfig(), written(words))
        (evaluate_senses if config.senses else evaluate_run)(config)
    return 0


def _watch(words: Sequence[str]) -> int:
    from mmrl_agents.cli.words import ask_plain
    from mmrl_agents.watching.watch import WatchConfig, watch_run

    config = ask_plain(WatchConfig, words, "watch")
    if config is not None:
        watch_run(config)
    return 0


def _export(args: Sequence[str]) -> int:
    from mmrl_agents.policies.trained import export

    config = tyro.cli(ExportConfig, args=args, prog="mmrl export")
    folder = export(config.run, config.folder, config.checkpoint)
    say(terminal(), f"wrote {folder}")
    return 0


def _runs(args: Sequence[str]) -> int:
    from mmrl_agents.records.list_runs import RunsConfig, list_runs

    config, console = tyro.cli(RunsConfig, args=args, prog="mmrl runs"), terminal()
    list_runs(config, console)
    return exit_status(console)


def _list(args: Sequence[str]) -> int:
    config = tyro.cli(ListConfig, args=args, prog="mmrl list")
    console = terminal()
    if config.what == "overview":
        from mmrl_agents.cli.overview import show_overview

        show_overview(console)
        return exit_status(console)
    chosen = CATALOGUE if config.what == "all" else {config.what: CATALOGUE[config.what]}
    for title, rows in chosen.items():
        table = Table("name", "", title=title, title_justify="left", show_header=False)
        for name, text in rows():
            table.add_row(Text(name), Text(text))
        console.print(table)
    return exit_status(console)


def _environments() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl_agents.recipes import all_recipes
    from mmrl_envs.tasks.registry import registrations

    tasks, recipes = registrations(), all_recipes()
    ours = [name for name, spec in gym.registry.items() if spec.namespace == "mmrl"]
    for name in sorted({*ours, *recipes, *tasks}):
        named = f"recipes: {', '.join(recipes[name])}" if name in recipes else ""
        yield name, " ".join(filter(None, (tasks[name].help if name in tasks else "", named)))


def _sensors() -> Iterable[tuple[str, str]]:
    from mmrl_envs import make_sensor, sensor_names

    for name in sensor_names():
        modality = make_sensor(name).modality
        unit = ", ".join(filter(None, dict.fromkeys(modality.units)))
        rate = f"{modality.rate_hz:g} Hz, {type(modality.encoder).__name__}"
        kind = f"{modality.window_shape} {modality.dtype}{f' in {unit}' if unit else ''} at {rate}"
        yield name, f"{kind}: {_first_line(make_sensor(name))}"


def _context() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl_envs import task_ids
    from mmrl_envs.multimodal import describing

    for env_id in task_ids():
        with closing(gym.make_vec(env_id, num_envs=1)) as envs:
            for name, parameter in describing(envs).context_parameters.items():
                yield name, f"{env_id}: {parameter.describe()}"


def _figures() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl.evaluation.figures import Figure, figures_of
    from mmrl_envs import task_ids

    declared_by: dict[Figure, list[str]] = {}
    for env_id in task_ids():
        with closing(gym.make_vec(env_id, num_envs=1)) as envs:
            for figure in figures_of(envs):
                declared_by.setdefault(figure, []).append(env_id)
    return ((figure.heading, f"{figure.describe()} Of {', '.join(ids)}.") for figure, ids in declared_by.items())


def _encoders() -> Iterable[tuple[str, str]]:
    from mmrl.modality.kinds import KINDS

    return ((kind.spec.__name__, f"{kind.name}: {_first_line(kind.spec)}") for kind in KINDS.values())


def _fusions() -> Iterable[tuple[str, str]]:
    from mmrl.fusion import FUSIONS

    return ((name, _first_line(fusion)) for name, fusion in FUSIONS.items())


def _objectives() -> Iterable[tuple[str, str]]:
    from mmrl.representation import OBJECTIVES

    return ((name, _first_line(config)) for name, config in OBJECTIVES.items())


def _agents() -> Iterable[tuple[str, str]]:
    from mmrl_agents.algorithms import algorithms

    return ((name, algorithm.summary) for name, algorithm in algorithms().items())


def _curricula() -> Iterable[tuple[str, str]]:
    from dataclasses import fields

    from mmrl.curriculum import CURRICULA

    for name, config in CURRICULA.items():
        options = ", ".join(f"{field.name}={field.default}" for field in fields(config))  # type: ignore[arg-type]
        yield name, f"{_first_line(config)}{f' Options: {options}.' if options else ''}"


def _pretrained() -> Iterable[tuple[str, str]]:
    from mmrl_agents.policies.shipped import pretrained_names

    return ((f"pretrained:{name}", "") for name in pretrained_names())


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


CATALOGUE: Mapping[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "environments": _environments,
    "context": _context,
    "figures": _figures,
    "sensors": _sensors,
    "encoders": _encoders,
    "fusions": _fusions,
    "objectives": _objectives,
    "agents": _agents,
    "curricula": _curricula,
    "pretrained": _pretrained,
}

COMMANDS: Mapping[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "train": ("train a policy, or resume a run", _train),
    "evaluate": ("judge a trained policy", _evaluate),
    "ablate": ("train a policy per subset of the senses, and say what each comes to", _ablate),
    "watch": ("see a trained policy act", _watch),
    "runs": ("list runs with status, steps, success", _runs),
    "list": ("environments, sensors, encoders, fusions, objectives, agents, curricula, pretrained policies", _list),
    "export": ("write the weights of a run for publication", _export),
}


def _usage(console: Console) -> None:
    say(console, "usage: mmrl COMMAND ...   (mmrl COMMAND --help for its options; mmrl --version)\n")
    width = max(map(len, COMMANDS))
    for name, (text, _) in COMMANDS.items():
        say(console, f"  {name:<{width}}  {text}")


@contextmanager
def _warnings_in_one_line(console: Console) -> Iterator[None]:
    """Shows warnings about a user's files without the place in our code that gives them."""

    def show(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
        if category.__module__.partition(".")[0] in PACKAGES:
            say(console, f"warning: {message}", "yellow")
        else:
            usual(message, category, *place, **more)  # type: ignore[arg-type]  # handed on as they came

    with warnings.catch_warnings():
        usual, warnings.showwarning = warnings.showwarning, show
        yield


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command; returns the exit status: 0, 2 where the user has something to mend, 130 on ^C."""
    with interrupted_once(for_good=argv is None):
        try:
            return _run(list(sys.argv[1:] if argv is None else argv))
        finally:
            release_output()


def _run(args: Sequence[str]) -> int:
    errors = terminal(stderr=True)
    if not args or args[0] in ("-h", "--help"):
        _usage(terminal())
        return 0 if args else 2
    if args[0] == "--version":
        say(terminal(), f"mmrl {importlib.metadata.version('mmrl')}")
        return 0
    if args[0] not in COMMANDS:
        say(errors, f"no command {args[0]!r}; there are {', '.join(COMMANDS)}", "red")
        return 2
    try:
        with _warnings_in_one_line(errors):
            return COMMANDS[args[0]][1](args[1:])
    except KeyboardInterrupt:
        say(errors, "interrupted", "red")
        return INTERRUPTED
    except Exception as error:
        if os.environ.get("MMRL_DEBUG") == "1" or not is_for_the_user(error):
            raise
        say(errors, f"error: {explained(error)}", "red")
        return 2
