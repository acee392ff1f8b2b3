"""The commands by name. Each imports what it needs when it runs, so that `mmrl --help` answers at once."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.table import Table
from rich.text import Text

from mmrl_agents.cli.catalogue import CATALOGUE
from mmrl_agents.records.terminal import exit_status, say, terminal

INTERRUPTED = 130
"""Exit status of a command that ^C ended, as shells report a program that SIGINT ended."""


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
            "probes",
            "aligners",
            "agents",
            "curricula",
            "pretrained",
        ]
    ] = "overview"
    """Which kind of thing; overview has a sentence on each, all every detail, which takes seconds to find."""


@dataclass(frozen=True)
class ExportConfig:
    """Write a policy to give away, with a model card: weights for this suite, or a graph that acts without it."""

    run: tyro.conf.Positional[str]
    """Folder of the run."""
    folder: tyro.conf.Positional[Path]
    """Where to write; a new or empty folder."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    format: Literal["safetensors", "onnx", "pt2"] = "safetensors"
    """safetensors: weights and config.json, to evaluate, watch and export again. onnx (extra onnx) and pt2
    (torch.export): the policy as a graph, with policy.json, for mmrl.deploy and other programs."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""


def _train(words: Sequence[str]) -> int:
    from mmrl_agents.cli.words import training_in
    from mmrl_agents.machine.launching import is_a_rank, launch

    config = training_in(words)
    if config is None:
        return 0
    if config.processes > 1 and not is_a_rank():
        status, asked = launch(config.processes, "train", words)
        return INTERRUPTED if asked else status
    from mmrl_agents.cli.restarting import going_on
    from mmrl_agents.machine.torch_ranks import joined_ranks
    from mmrl_agents.training.train import train

    with joined_ranks(config.rank_timeout_s) as ranks:
        # The first one may be the only one that sees the folder.
        config = ranks.agree(going_on(config, words) if ranks.is_first else config)
        interrupted = train(config, ranks=ranks).interrupted
    # What would follow in a script or a Makefile wants a finished training. Torchrun would start a rank again that
    # ends with any other status than 0.
    return INTERRUPTED if interrupted and not is_a_rank() else 0


def _clone(words: Sequence[str]) -> int:
    """`mmrl clone DIR` is a training of the agent clone in the worlds of the data."""
    from mmrl_agents.cli.cloning import as_training

    return _train(as_training(words))


def _pretrain(words: Sequence[str]) -> int:
    """`mmrl pretrain ENV` is a training of the agent pretrain, and a picture at its end."""
    from mmrl_agents.cli.pretraining import pretrain

    return INTERRUPTED if pretrain(words) else 0


def _ablate(words: Sequence[str]) -> int:
    from mmrl_agents.ablation.ablation import ablate
    from mmrl_agents.cli.words import ablation_in

    config = ablation_in(words)
    return INTERRUPTED if config is not None and ablate(config).interrupted else 0


def _evaluate(words: Sequence[str]) -> int:
    from mmrl.settings.effects import require_effect, written
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
    from mmrl_agents.watching.viewing.config import WatchConfig
    from mmrl_agents.watching.viewing.live import show_live
    from mmrl_agents.watching.watch import watch_run

    config = ask_plain(WatchConfig, words, "watch")
    if config is not None:
        (show_live if config.live else watch_run)(config)
    return 0


def _report(args: Sequence[str]) -> int:
    from mmrl.settings.effects import written
    from mmrl_agents.watching.report.report import ReportConfig, report

    report(tyro.cli(ReportConfig, args=args, prog="mmrl report"), given=written(args))
    return 0


def _export(args: Sequence[str]) -> int:
    from mmrl_agents.policies.exporting import export

    config = tyro.cli(ExportConfig, args=args, prog="mmrl export")
    folder = export(config.run, config.folder, config.checkpoint, config.format, config.trust)
    say(terminal(), f"wrote {folder}")
    return 0


def _push(args: Sequence[str]) -> int:
    from mmrl_agents.policies.pushing import PushConfig, push

    name = push(tyro.cli(PushConfig, args=args, prog="mmrl push"))
    say(terminal(), f"pushed; evaluate it with: mmrl evaluate {name}")
    return 0


def _record(args: Sequence[str]) -> int:
    from mmrl_agents.watching.recording.record import RecordConfig, record

    record(tyro.cli(RecordConfig, args=args, prog="mmrl record"))
    return 0


def _replay(args: Sequence[str]) -> int:
    from mmrl_agents.watching.recording.replay import ReplayConfig, replay

    played = replay(tyro.cli(ReplayConfig, args=args, prog="mmrl replay"))
    return 1 if played.difference else 0


def _sweep(words: Sequence[str]) -> int:
    from mmrl_agents.cli.words import sweep_in
    from mmrl_agents.comparing.sweeping.sweep import sweep

    config = sweep_in(words)
    return INTERRUPTED if config is not None and not sweep(config) else 0


def _compare(args: Sequence[str]) -> int:
    from mmrl_agents.comparing.compare import CompareConfig, compare

    compare(tyro.cli(CompareConfig, args=args, prog="mmrl compare"))
    return 0


def _align(args: Sequence[str]) -> int:
    from mmrl_agents.watching.alignment.align import AlignConfig, align_senses

    align_senses(tyro.cli(AlignConfig, args=args, prog="mmrl align"))
    return 0


def _probe(args: Sequence[str]) -> int:
    from mmrl_agents.evaluation.probes.probe import ProbeConfig, probe_policy

    probe_policy(tyro.cli(ProbeConfig, args=args, prog="mmrl probe"))
    return 0


def _diagnose(args: Sequence[str]) -> int:
    from mmrl_agents.evaluation.diagnosis.diagnose import DiagnoseConfig, diagnose

    diagnose(tyro.cli(DiagnoseConfig, args=args, prog="mmrl diagnose"))
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


COMMANDS: Mapping[str, tuple[str, Callable[[Sequence[str]], int]]] = {
    "train": ("train a policy, or resume a run", _train),
    "evaluate": ("judge a trained policy", _evaluate),
    "pretrain": ("teach encoders and fusion by objectives alone, before any policy", _pretrain),
    "ablate": ("train a policy per subset of the senses, and say what each comes to", _ablate),
    "watch": ("see a trained policy act", _watch),
    "report": ("write one page about runs, to read, print and send", _report),
    "runs": ("list runs with status, steps, success", _runs),
    "list": (
        "environments, sensors, encoders, fusions, objectives, probes, aligners, agents, curricula, policies",
        _list,
    ),
    "export": ("write the weights of a run for publication", _export),
    "push": ("put the weights of a run on the Hugging Face Hub", _push),
    "record": ("record episodes of a policy, a script or chance as a LeRobotDataset", _record),
    "clone": ("imitate recorded episodes", _clone),
    "replay": ("play a recorded episode again, bit for bit", _replay),
    "sweep": ("search settings: many runs, of which those that come to nothing end early", _sweep),
    "compare": ("draw the curves of several runs or groups of seeds, and say how they differ", _compare),
    "probe": ("say what can be read off the senses of a policy", _probe),
    "diagnose": ("say where a training stands: curvature, noise, dead units, rank of features", _diagnose),
    "align": ("estimate how late each sense is beside the others", _align),
}
