"""Judging a trained policy from its run folder: a table to read and a file to keep."""

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import gymnasium as gym
import tyro
from gymnasium.vector import VectorEnv
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from mmrl.documents import fit
from mmrl.effects import require_effect
from mmrl.evaluation.episodes import LONGEST_EPISODE, Episodes
from mmrl.evaluation.rates import Report, Row, divisor_worlds, evaluate
from mmrl.worth import BrokenWays, SensesReport
from mmrl_agents.evaluation.figures_table import about_figures, figures_table, plain_table, score_cell
from mmrl_agents.machine.description import machine
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.checkpoint import weights_digest
from mmrl_agents.records.files import require_place, write_json
from mmrl_agents.records.marks import EVALUATION, marked
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import Settings
from mmrl_agents.settings.readers import BY_AN_EVALUATION
from mmrl_agents.worlds.incidents import about_clipped, clipped_readings
from mmrl_agents.worlds.making import require_context_known, world_settings
from mmrl_envs.multimodal import describing

STICKY = 0.25
"""Probability of Machado et al. 2018, "Revisiting the Arcade Learning Environment", section 5."""
_STICKY_LABEL = f"sticky actions {STICKY}"


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge a trained policy: how often it succeeds, what its episodes come to, what each sense adds."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run, or the name of a pretrained policy."""
    episodes: int = 500
    """Episodes of every row of the report, the same number in each world."""
    num_worlds: int = 50
    """Most worlds side by side; taken is the largest number up to this that divides episodes."""
    seed: int = 10_000
    """Decides every initial state; training draws its own elsewhere."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    device: str = "auto"
    """Where the network lives: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    without: bool = True
    """Also run the same episodes without each sense, one after another."""
    senses: bool = False
    """Say instead what each sense is worth: every subset of the senses, and each sense broken in each way."""
    faults: BrokenWays = field(default_factory=BrokenWays)
    """Faults that each sense has for that, one after another."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    engine: str | None = None
    """Physics engine to judge in, mujoco or pybullet, in place of that of the training."""
    episode_limit: int = LONGEST_EPISODE
    """Most steps of an episode; one that still goes on is cut there, and the report says so."""
    deterministic: bool = True
    """Take the mean action, or the most probable one, instead of drawing."""
    output: Path | None = None
    """The JSON file to write; unset is evaluation.json in the run folder, or evaluation_ENGINE.json; with `senses` the
    name begins with that."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self)
        for name in ("episodes", "num_worlds", "episode_limit"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")

    @property
    def world_changes(self) -> dict[str, Any]:
        """Keyword arguments of the environment in place of those of the training."""
        return {} if self.engine is None else {"engine": self.engine}


def reset_options(
    trained: TrainedPolicy,
    context: Mapping[str, Any],
    worlds: gym.Env[Any, Any] | VectorEnv[Any, Any, Any],
) -> dict[str, Any] | None:
    """Options of `reset` with the context that the training aims at, overridden; None without any.

    After a curriculum this is the whole target distribution, whatever was practised last.

    Raises ValueError for a context given to worlds that have none.
    """
    require_context_known(trained.env_id, context, worlds)
    merged = {**trained.config.target_context, **context}
    return {"context": merged} if merged else None


def evaluate_run(config: EvaluateConfig, console: Console | None = None) -> Report:
    """Judge the policy of a run, print the report and write it to the run folder as JSON.

    What `config.senses` asks for is `mmrl_agents.evaluation.evaluate_senses`.

    Raises CheckpointError or FileNotFoundError where `config.run` holds no usable policy.
    """
    console = console or terminal()
    require_effect(config, BY_AN_EVALUATION, EvaluateConfig())
    device = choose_device(config.device)
    trained = load_policy(config.run, device, config.checkpoint, config.trust)
    num_worlds = divisor_worlds(config.episodes, config.num_worlds)
    senses = tuple(trained.document["senses"])
    without = senses if config.without and len(senses) > 1 else ()
    if num_worlds != config.num_worlds:
        say(
            console,
            f"{config.episodes} episodes do not spread evenly over {config.num_worlds} worlds: taking {num_worlds}",
        )
    path = _output(config)
    if path is not None:
        require_place(path)
    with _progress(config, console) as progress:
        judged = _judge(trained, config, num_worlds, without, progress)
        report = judged.report
        if judged.repeats:
            renamed = partial(_under, _STICKY_LABEL, progress)
            report = _beside(report, _judge(trained, config, num_worlds, (), renamed, sticky=STICKY).report)
    _show(report, config, trained, console)
    if judged.clipped:
        say(console, about_clipped(judged.clipped), "yellow")
    if path is not None:
        write_json(path, describe(report, config, trained, judged.world, judged.clipped))
        say(console, f"wrote {path}")
    return report


class _Judged(NamedTuple):
    """The results of playing in one kind of worlds."""

    report: Report
    world: dict[str, Any]
    """Their settings."""
    repeats: bool
    """Whether nothing is drawn in them, so that episodes of one start repeat each other."""
    clipped: dict[str, int]
    """Readings by sense that were beyond its declared bounds."""


def _judge(
    trained: TrainedPolicy,
    config: EvaluateConfig,
    num_worlds: int,
    without: Sequence[str],
    progress: Callable[[str, int], None],
    **changes: Any,
) -> _Judged:
    """Plays in the worlds of the training, some arguments changed."""
    with closing(trained.worlds.make(num_worlds, **config.world_changes, **changes)) as envs:
        space = envs.single_action_space

        def make_policy() -> TorchPolicy:
            return TorchPolicy(trained.policy, space, deterministic=config.deterministic, seed=config.seed)

        options = reset_options(trained, config.context, envs)
        world = world_settings(envs, judged_context(config, trained))
        report = evaluate(
            envs, make_policy, config.episodes, config.seed, without, options, progress, config.episode_limit
        )
        repeats, clipped = games_repeat(envs, config), clipped_readings(envs)
    return _Judged(report, world, repeats, clipped)


def games_repeat(envs: VectorEnv[Any, Any, Any], config: EvaluateConfig) -> bool:
    """Whether neither policy nor worlds draw anything after the start, so that episodes of one start are the same."""
    return config.deterministic and describing(envs).different_games is not None


def _beside(report: Report, sticky: Report) -> Report:
    """The report on games that repeat each other, with a row of those that sticky actions make all different."""
    rows = [dataclasses.replace(row, repeats=True) for row in report.rows]
    return dataclasses.replace(report, rows=(*rows, dataclasses.replace(sticky.rows[0], label=_STICKY_LABEL)))


def _under(label: str, progress: Callable[[str, int], None], _: str, done: int) -> None:
    """Progress under another label."""
    progress(label, done)


def judged_context(config: EvaluateConfig, trained: TrainedPolicy) -> dict[str, Any]:
    """The context that the training aims at, overridden."""
    return {**trained.config.target_context, **config.context}


def describe(
    report: Report | SensesReport,
    config: EvaluateConfig,
    trained: TrainedPolicy,
    world: Mapping[str, Any],
    clipped: Mapping[str, int],
) -> dict[str, Any]:
    """The document of evaluation.json or senses.json: the report, all that is needed to repeat it, and our mark."""
    document = {
        **report.to_json(),
        "env_id": trained.env_id,
        "env_kwargs": {**trained.worlds.kwargs, **config.world_changes},
        "weights": str(trained.source),
        "weights_sha256": weights_digest(trained.policy.state_dict()),
        "senses": trained.document["senses"],
        "context": judged_context(config, trained),
        "world": world,
        "clipped_readings": dict(clipped),
        "config": dataclasses.asdict(config) | {"output": config.output and str(config.output)},
        "versions": library_versions(),
        "machine": machine(next(trained.policy.parameters()).device),
    }
    return marked(EVALUATION, document)


def _output(config: EvaluateConfig) -> Path | None:
    """Where to write: a policy shipped with the package has no run folder."""
    folder = Path(config.run)
    if config.output is not None or not folder.is_dir():
        return config.output
    path = RunFolder(folder).evaluation_path
    return path if config.engine is None else path.with_name(f"{path.stem}_{config.engine}{path.suffix}")


@contextmanager
def _progress(config: EvaluateConfig, console: Console) -> Iterator[Callable[[str, int], None]]:
    """A bar per row of the report on a terminal, silence elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    bars: dict[str, TaskID] = {}
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:

        def update(label: str, done: int) -> None:
            if label not in bars:
                bars[label] = progress.add_task(label, total=config.episodes)
            progress.update(bars[label], completed=done)

        yield update


# With the longest label they fill 80 columns.
_HEADINGS = ("success at end", "once", "change", "p", "score", "mean return", "return > 0")
_OF_RETURNS = ("mean return", "return > 0")


_ABOUT_SUCCESS = "In brackets the 95 % Wilson interval."
_ABOUT_SCORE = "The score has the bootstrap interval of its mean."
_ABOUT_RETURNS = (
    "In brackets 95 % intervals: bootstrap of the mean, Wilson of the share of episodes with a positive return, "
    "which are the games won where two play each other."
)


def _show(report: Report, config: EvaluateConfig, trained: TrainedPolicy, console: Console) -> None:
    say(console, f"{trained.env_id}, {trained.source}")
    table = plain_table()
    columns = zip(*(_cells(row) for row in report.rows), strict=True)
    told = {head: cells for head, cells in zip(_HEADINGS, columns, strict=True) if any(cells)}
    judged = bool(report.rows[0].success_at_end.trials)
    for heading in _OF_RETURNS if judged else _HEADINGS[:2]:
        told.pop(heading, None)  # returns say less than the success, and 80 columns are full without them
    for heading in told:
        table.add_column(_titled(heading, report), justify="right", no_wrap=True)
    for index, row in enumerate(report.rows):
        table.add_row(Text(row.label), *(cells[index] for cells in told.values()))
    console.print(table)
    episodes = len(report.rows[0].episodes)
    console.print(
        f"{episodes} episodes a row ({episodes // report.num_worlds} in each of "
        f"{report.num_worlds} worlds, seed {report.seed}). " + _about(told)
    )
    print_figures(report.rows, console)
    if report.rows[0].repeats:
        console.print(
            f"A policy that draws nothing repeats its games: {len(report.rows[0].returns)} of these {episodes} were "
            "different, and the figures count each once. With sticky actions every frame repeats the action before it "
            f"with probability {STICKY}, so that no game is like another."
        )
    if any(row.absent for row in report.rows):
        console.print(
            "change and p compare the same episodes with and without the sense (exact McNemar "
            "test). A sense is unplugged only now: a policy trained to lose it may lose less."
        )
    for sentence in incidents([row.episodes for row in report.rows], config.episode_limit):
        say(console, sentence, "yellow")


def print_figures(rows: Sequence[Row], console: Console) -> None:
    """The figures of the task, if it has any."""
    table = figures_table(rows)
    if table is not None:
        console.print(table)
        console.print(about_figures(rows[0].episodes.declared))


def _titled(heading: str, report: Report) -> str:
    """The score goes by the name that the task gives it."""
    score = report.rows[0].score
    return f"mean {score.figure.heading}" if heading == "score" and score is not None else heading


def _about(headings: Collection[str]) -> str:
    """An explanation of the columns with these headings."""
    about = _ABOUT_RETURNS if "mean return" in headings else _ABOUT_SUCCESS
    return f"{about} {_ABOUT_SCORE}" if "score" in headings else about


def incidents(rows: Sequence[Episodes], limit: int) -> list[str]:
    """Sentences on what happened to episodes of some conditions besides succeeding and failing."""
    broken, cut, lost = (
        sum(int(getattr(table, name).sum()) for table in rows) for name in ("physics_error", "cut", "not_finite")
    )
    told = {
        f"the physics broke in {broken} episodes, which count as failures": broken,
        f"{cut} episodes still went on after {limit:,} steps and were cut there (--episode-limit)": cut,
        f"in {lost} episodes a reading or a reward was not finite: they count as failures, with the rewards before "
        "that": lost,
    }
    return [sentence for sentence, count in told.items() if count]


def _cells(row: Row) -> tuple[str, ...]:
    """A row under `_HEADINGS`; what the environment does not tell is empty."""
    once = row.success_once.rate
    pair = row.versus_all
    return (
        str(row.success_at_end),
        "undefined" if once is None else f"{once:.0%}",
        _number(None if pair is None else pair.difference, "{:+.0%}"),
        _p_value(None if pair is None else pair.p_value),
        score_cell(row),
        "{:.2f} [{:.2f}, {:.2f}]".format(*row.mean_return),
        str(row.positive_return),
    )


def _number(value: float | None, form: str) -> str:
    return "" if value is None else form.format(value)


def _p_value(value: float | None) -> str:
    return "<.001" if value is not None and value < 0.001 else _number(value, "{:.3f}")
