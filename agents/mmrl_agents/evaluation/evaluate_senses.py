"""The worth of each sense to a trained policy: a table to read, a file to keep, a picture to print."""

import dataclasses
import hashlib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from mmrl.evaluation.rates import divisor_worlds
from mmrl.settings.effects import require_effect
from mmrl.worth import Estimate, SenseRow, SensesReport, Trials, judge_senses
from mmrl.worth.conditions import MOST_SENSES
from mmrl_agents.evaluation.evaluate import EvaluateConfig, describe, differing, judged_context, reset_options
from mmrl_agents.evaluation.figures_table import plain_table, score_cell
from mmrl_agents.evaluation.finished_conditions import FinishedConditions
from mmrl_agents.evaluation.printed_report import incidents, print_figures
from mmrl_agents.evaluation.repeated_games import STICKY, draws_nothing
from mmrl_agents.evaluation.senses_picture import draw_senses
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.imagining import ABSENT
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import require_place, write_json
from mmrl_agents.records.runs import library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.readers import BY_AN_EVALUATION
from mmrl_agents.worlds.incidents import about_clipped, clipped_readings
from mmrl_agents.worlds.making import world_settings


def evaluate_senses(config: EvaluateConfig, console: Console | None = None) -> SensesReport:
    """Judge the policy of a run with every subset of its senses and with each one broken, print and write the table.

    A run folder gets senses.json, senses.png and senses.pdf. An evaluation that is interrupted keeps what is finished,
    and goes on from there when it is asked for again with the same settings. Raises CheckpointError or
    FileNotFoundError where `config.run` holds no usable policy.
    """
    console = console or terminal()
    require_effect(config, BY_AN_EVALUATION, EvaluateConfig())
    trained = load_policy(config.run, choose_device(config.device), config.checkpoint, config.trust)
    acting = ABSENT[config.absent](trained, config.run, config.checkpoint)
    num_worlds = divisor_worlds(config.episodes, config.num_worlds)
    path = _output(config)
    if path is not None:
        require_place(path)
    changes = _against_repetition(config, trained)
    finished = (
        None
        if path is None
        else FinishedConditions(path.parent / f".{path.stem}-unfinished", _identity(config, trained, changes))
    )
    if finished is not None and finished.count:
        console.print("going on with an evaluation that was interrupted")
    changed = {**config.world_changes, **changes}
    with closing(trained.worlds.make(num_worlds, **changed)) as envs, _progress(console) as progress:
        space = envs.single_action_space

        def make_policy() -> TorchPolicy:
            return TorchPolicy(acting, space, deterministic=config.deterministic, seed=config.seed)

        options = reset_options(trained, config.context, envs)
        world = world_settings(envs, judged_context(config, trained))
        trials = Trials(envs, make_policy, config.episodes, config.seed, options, config.episode_limit)
        report = judge_senses(trials, tuple(trained.document["senses"]), config.faults, finished, progress)
        clipped = clipped_readings(envs)
    _show(report, config, trained, console)
    if changes:
        say(console, f"Played with sticky actions {STICKY}: without, a policy that draws nothing repeats its games.")
    if clipped:
        say(console, about_clipped(clipped), "yellow")
    if path is not None and finished is not None:
        write_json(path, describe(report, config, trained, world, clipped))
        pictures = draw_senses(report, path, f"{trained.env_id}, {len(report.rows[0].row.episodes)} episodes a row")
        finished.discard()
        say(console, f"wrote {', '.join(map(str, (path, *pictures)))}")
    return report


def _output(config: EvaluateConfig) -> Path | None:
    """Where to write: a policy shipped with the package has no run folder."""
    folder = Path(config.run)
    if config.output is not None or not folder.is_dir():
        return config.output
    return folder / f"senses{differing(config)}.json"


def _against_repetition(config: EvaluateConfig, trained: TrainedPolicy) -> dict[str, Any]:
    """Sticky actions for games that would repeat each other otherwise, as settings of the worlds."""
    with closing(trained.worlds.make(1, **config.world_changes)) as envs:
        return {"sticky": STICKY} if config.deterministic and draws_nothing(envs) else {}


def _identity(config: EvaluateConfig, trained: TrainedPolicy, changes: dict[str, Any]) -> dict[str, Any]:
    """All that the episodes depend on; what only adds conditions does not change those there are."""
    document = dataclasses.asdict(config)
    for name in ("faults", "output", "trust", "without"):
        document.pop(name)
    weights = hashlib.sha256(trained.source.read_bytes()).hexdigest()
    document |= changes
    return {"config": document, "weights": weights, "train": trained.document["train"], "versions": library_versions()}


@contextmanager
def _progress(console: Console) -> Iterator[Callable[[str, int, int], None]]:
    """One bar over all episodes, with the condition under way, on a terminal; silence elsewhere."""
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}", markup=False))
    shown = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
    with shown as progress:
        task = progress.add_task("")

        def update(label: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, description=label)

        yield update


_ABOUT_SUCCESS = (
    "In brackets 95 % intervals: of a rate Wilson's, of a change in points the score interval of paired rates (Tango "
    "1998); p is the exact McNemar test."
)
_ABOUT_RETURNS = "In brackets 95 % bootstrap intervals, of a change over the pairs."
_ABOUT_BOTH = (
    "The policy knows of a missing sense, not of a broken one. Change compares the same episodes with all senses in "
    "order. Lost is what all senses are worth less all others, 0 where those make up for it; alone is the sense and no "
    "other; the Shapley values of all senses add up to what all are worth less none."
)


def _show(report: SensesReport, config: EvaluateConfig, trained: TrainedPolicy, console: Console) -> None:
    say(console, f"{trained.env_id}, {trained.source}")
    console.print(_conditions(report))
    console.print(_worth(report))
    if len(report.worth.lost_without) > 1:
        unit = " points" if report.judged else ""
        together = _estimate(report.worth.complementarity, report.judged)
        say(console, f"complementarity: all senses over {report.worth.best_single} alone {together}{unit}")
    episodes = len(report.rows[0].row.episodes)
    console.print(
        f"{episodes} episodes a row ({episodes // report.num_worlds} in each of {report.num_worlds} worlds, seed "
        f"{report.seed}). {_ABOUT_SUCCESS if report.judged else _ABOUT_RETURNS} {_ABOUT_BOTH}"
    )
    print_figures([row.row for row in report.rows], console)
    if report.num_worlds == 1:
        console.print("a single world has no other to swap senses with: rows of swapped senses are left out")
    if report.worth.shapley is None:
        console.print(f"with more than {MOST_SENSES} senses not all subsets are judged: no Shapley values")
    for sentence in incidents([row.row.episodes for row in report.rows], config.episode_limit):
        say(console, sentence, "yellow")


def _conditions(report: SensesReport) -> Table:
    score = report.rows[0].row.score
    titles = ("success at end", "change", "p") if report.judged else ("mean return", "change")
    headings = (*titles, "" if score is None else f"mean {score.figure.heading}")
    cells_of_rows = [(*_cells(row, report.judged), score_cell(row.row)) for row in report.rows]
    table = plain_table()
    used = [column for column in range(len(headings)) if any(cells[column] for cells in cells_of_rows)]
    for column in used:
        table.add_column(headings[column], justify="right", no_wrap=True)
    section: tuple[str, str | None] = ("all", None)
    for row, cells in zip(report.rows, cells_of_rows, strict=True):
        here = (row.condition.group, row.condition.sense if row.condition.group == "broken" else None)
        if here != section:
            table.add_section()
            section = here
        table.add_row(Text(row.condition.label), *(cells[column] for column in used))
    return table


def _worth(report: SensesReport) -> Table:
    worth = report.worth
    alone = {row.condition.sense: row for row in report.rows if row.condition.group == "only"}
    table = plain_table()
    for heading in ("alone", "lost without it", "Shapley value"):
        table.add_column(heading, justify="right", no_wrap=True)
    for name, lost in worth.lost_without.items():
        cells = _cells(alone.get(name, report.rows[0]), report.judged)
        shapley = "" if worth.shapley is None else _estimate(worth.shapley[name], report.judged)
        table.add_row(Text(name), cells[0], _estimate(lost, report.judged), shapley)
    return table


def _cells(row: SenseRow, judged: bool) -> tuple[str, ...]:
    """A row under the headings of its table; what the environment does not tell is empty."""
    if not judged:
        value = Estimate(*row.row.mean_return)
        return _estimate(value, False, sign=""), "" if row.return_change is None else _estimate(
            row.return_change, False
        )
    pair = row.row.versus_all
    change, p_value = "", ""
    if pair is not None and pair.difference is not None and pair.interval is not None and pair.p_value is not None:
        change = _estimate(Estimate(pair.difference, *pair.interval), True)
        p_value = "<.001" if pair.p_value < 0.001 else f"{pair.p_value:.3f}"
    rate = row.row.success_at_end
    if rate.rate is None or rate.interval is None:
        return str(rate), change, p_value
    low, high = rate.interval  # without decimals, which leave no room for long names in 80 columns
    return f"{rate.rate:.0%} [{100 * low:.0f}, {100 * high:.0f}]", change, p_value


def _estimate(estimate: Estimate, judged: bool, sign: str = "+") -> str:
    """Points of success without decimals, returns with two."""
    scale, form = (100, f"{sign}.0f") if judged else (1, f"{sign}.2f")
    numbers = (np.array([estimate.value, estimate.low, estimate.high]) * scale).tolist()
    value, low, high = (format(number, form) for number in numbers)
    return f"{value} [{low}, {high}]"
