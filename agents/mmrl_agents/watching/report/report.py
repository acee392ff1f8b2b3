"""`mmrl report RUN [RUN ...]`: one HTML page about runs, to read, to print and to send."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import tyro
from rich.console import Console

import mmrl
from mmrl.evaluation.episodes import LONGEST_EPISODE
from mmrl.settings.documents import fit
from mmrl.settings.effects import Reads, require_effect
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.files import require_place, write_atomically
from mmrl_agents.records.list_runs import run_folders
from mmrl_agents.records.refusals import explained, is_for_the_user
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.watching.report.comparison import ablation_table, comparison_of
from mmrl_agents.watching.report.filming import FilmedEpisode, film_episode
from mmrl_agents.watching.report.page import FOR_FILMS, MOST_BYTES, PageSection, PageTable, ReportPage
from mmrl_agents.watching.report.playing import PlayedEpisodes, play_episodes
from mmrl_agents.watching.report.provenance import as_command
from mmrl_agents.watching.report.record import JudgedOnce, RunOnRecord, names_of, read_judged, read_record
from mmrl_agents.watching.report.run_section import NAMES_OF_EPISODES, section_of
from mmrl_agents.worlds.trust import Untrusted

_TEXT_PER_BYTE = 4 / 3
"""Of a film within a page."""


@dataclass(frozen=True)
class ReportConfig:
    """Write one HTML page about runs: success by sense and context, curves, films, and where everything comes from."""

    runs: tyro.conf.Positional[tuple[str, ...]]
    """Folders of runs, folders that hold runs, an ablation among them, and names of pretrained policies; several are
    compared."""
    output: Path = Path("report.html")
    """The page, which needs no other file and no network."""
    episodes: int = 100
    """Episodes to play for success by context and for the worst, the median and the best; 0 plays and films none."""
    films: bool = True
    """Film three of them."""
    max_seconds: float = 30.0
    """Cut each film after this long, in the episode's own time."""
    seed: int = 20_000
    """Episode number i begins as a world reset with seed + i does."""
    evaluations: tuple[Path, ...] = ()
    """Files that mmrl evaluate --output wrote elsewhere; each goes to the run with its weights."""
    checkpoint: str | None = None
    """best, last or a checkpoint file; unset is best, or last where that is what was judged."""
    device: str = "auto"
    """Where the network lives: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    trust: tuple[str, ...] = ()
    """Modules that the runs may import, where they were not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        if not self.runs:
            raise ValueError("name a run: a folder that mmrl train made, or a policy of mmrl list pretrained")
        if self.episodes < 0:
            raise ValueError(f"episodes must not be negative, got {self.episodes}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if not 0 < self.max_seconds < np.inf:
            raise ValueError(f"max_seconds must be positive, got {self.max_seconds}")


READS = (
    Reads(("films", "seed", "device", "trust"), lambda c: c.episodes > 0, "no episode is played (episodes is 0)"),
    Reads(("max_seconds",), lambda c: c.episodes > 0 and c.films, "nothing is filmed"),
)
"""Settings that only some pages need."""


def report(config: ReportConfig, console: Console | None = None, given: Collection[str] = ()) -> Path:
    """Write the page; returns its path. `given` are settings that somebody wrote out, whatever their values.

    Raises FileNotFoundError for what is no run, Untrusted where one names code that this user neither trained with nor
    trusts, UnfitFile for an evaluation or an ablation that is none, and ValueError for a page that is too large and for
    a setting without effect.
    """
    console = console or terminal()
    require_effect(config, READS, ReportConfig(config.runs), given)
    sources, ablations = _expanded(config.runs)
    evaluations = [read_judged(path) for path in config.evaluations]
    records = [
        read_record(source, name, config.checkpoint, evaluations)
        for source, name in zip(sources, names_of(sources), strict=True)
    ]
    require_place(config.output)
    _require_used(evaluations, records)
    most_bytes = int(MOST_BYTES * FOR_FILMS / _TEXT_PER_BYTE / (len(NAMES_OF_EPISODES) * len(records)))
    shown = [_Shown(record, config, console) for record in records]
    sections = [section_of(one.record, one.played, one.films, one.problems, most_bytes) for one in shown]
    page = _page(config, _in_order(sections, shown, ablations)).html().encode()
    if len(page) > MOST_BYTES:
        raise ValueError(
            f"the page would have {len(page) / 1e6:.1f} MB, at most {MOST_BYTES / 1e6:.0f} are written: name fewer "
            "runs, or leave out the films with --no-films"
        )
    write_atomically(config.output, lambda stream: stream.write(page))
    say(console, f"wrote {config.output}, {len(page) / 1e6:.1f} MB")
    return config.output


class _Shown:
    """A run with what was played of it."""

    def __init__(self, record: RunOnRecord, config: ReportConfig, console: Console) -> None:
        self.record = record
        self.played: PlayedEpisodes | None = None
        self.films: list[FilmedEpisode] = []
        self.problems: list[str] = []
        if config.episodes and record.weights is not None:
            try:
                self._play(config, console)
            except Untrusted:
                raise
            except Exception as error:
                if not is_for_the_user(error):
                    raise
                self.problems.append(f"Not everything could be played: {explained(error)}.")

    def _play(self, config: ReportConfig, console: Console) -> None:
        trained = load_policy(self.record.source, choose_device(config.device), self.record.checkpoint, config.trust)
        say(console, f"playing {config.episodes} episodes of {self.record.name}")
        self.played = play_episodes(trained, config.episodes, config.seed, LONGEST_EPISODE)
        if config.films:
            say(console, "filming the worst, the median and the best")
            self.films += _films(trained, self.played, config.max_seconds)


def _films(trained: TrainedPolicy, played: PlayedEpisodes, max_seconds: float) -> list[FilmedEpisode]:
    """The worst, the median and the best episode, as far as they are different ones."""
    order = played.in_order
    numbers = dict.fromkeys(int(order[place]) for place in (0, len(order) // 2, len(order) - 1))
    with tempfile.TemporaryDirectory() as folder:
        return [film_episode(trained, played, number, max_seconds, Path(folder)) for number in numbers]


def _expanded(named: Sequence[str]) -> tuple[list[str], list[PageTable]]:
    """The runs, those in a folder of runs among them, and the results of ablations."""
    sources: list[str] = []
    ablations: list[PageTable] = []
    for name in named:
        folder = Path(name)
        within = [str(run) for run in run_folders(folder)] if folder.is_dir() else []
        sources += within or [name]
        if within and within != [str(folder)] and (table := ablation_table(folder)) is not None:
            ablations.append(table)
    return list(dict.fromkeys(sources)), ablations


def _require_used(evaluations: Sequence[JudgedOnce], records: Sequence[RunOnRecord]) -> None:
    """Raise ValueError for an evaluation of weights that no run has."""
    used = [judged for record in records for judged in (record.evaluation, record.senses)]
    for judged in evaluations:
        if judged not in used:
            raise ValueError(f"{judged.path} would have no effect: no run has its weights")


def _in_order(
    sections: Sequence[PageSection], shown: Sequence[_Shown], ablations: Sequence[PageTable]
) -> list[PageSection]:
    if len(sections) == 1 and not ablations:
        return list(sections)
    return [comparison_of([one.record for one in shown], [one.played for one in shown], ablations), *sections]


def _page(config: ReportConfig, sections: Sequence[PageSection]) -> ReportPage:
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC")
    return ReportPage(
        f"mmrl: {sections[0].title}", f"{now}, mmrl {mmrl.__version__}", as_command("report", config), sections
    )
