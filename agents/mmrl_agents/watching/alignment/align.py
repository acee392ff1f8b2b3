"""The clocks of senses beside each other: `mmrl align RUN|DATASET --between camera force_torque`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from rich.console import Console
from rich.progress import track
from rich.table import Table

from mmrl.alignment import Aligner, Alignment, Recording, make_aligner
from mmrl.settings.documents import fit
from mmrl.settings.named import Settings
from mmrl_agents.records.files import write_json
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.watching.alignment.alignment_picture import draw
from mmrl_agents.watching.alignment.streams import streams_of

DOCUMENT, PICTURE = "alignment.json", "alignment.png"
_WIDTH_OF_95 = 1.96


@dataclass(frozen=True)
class AlignConfig:
    """Estimate how late the clock of each sense is beside the others', and how much faster it goes."""

    source: tyro.conf.Positional[str]
    """A folder that mmrl record wrote, or who is to act: a run folder, an exported policy, a name of mmrl list
    pretrained."""
    between: tuple[str, ...] = ()
    """Senses to compare; all that have pictures or numbers where none is named."""
    method: str = "information"
    """correlation, dtw, ctw, gtw, dctw or information: docs/alignment.md."""
    options: Settings = field(default_factory=dict)
    """Options of the method, such as most_lag_s=0.5."""
    reference: str | None = None
    """A data set or policy whose clocks are right: what is found there is taken off."""
    episodes: int = 20
    """Episodes to compare: the first of a data set, or played by a policy."""
    resamples: int = 10
    """Estimates from episodes drawn with replacement, which the intervals come from; 0 for no intervals."""
    seed: int = 20_000
    """Of the first episode that a policy plays."""
    checkpoint: str = "best"
    """best, last or a checkpoint file, of a run."""
    output: Path | None = None
    """Folder for alignment.json and alignment.png; unset, that of the source."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self, "")
        if self.episodes < 1:
            raise ValueError(f"episodes must be at least 1, got {self.episodes}")
        if self.resamples < 0 or self.seed < 0:
            raise ValueError(f"resamples and seed must not be negative, got {self.resamples} and {self.seed}")


@dataclass(frozen=True)
class PairLag:
    """How the clocks of two senses go beside each other."""

    sense: str
    """The one that is late where the lag is positive."""
    against: str
    """The other."""
    lag_s: float
    """Seconds at the beginning of an episode."""
    lag_error_s: float | None
    """Half of its 95 % interval over episodes; None without resamples."""
    drift: float
    """Share by which the sense's clock is faster."""
    drift_error: float | None
    """Half of its 95 % interval."""


def align_senses(config: AlignConfig, console: Console | None = None) -> tuple[PairLag, ...]:
    """Estimate, print and write the lags of all pairs of senses.

    Raises ValueError for senses, methods and data sets that there are not, as the parts do.
    """
    console = console or terminal()
    method = make_aligner(config.method, config.options)
    names, recordings = _recordings(config, config.source, config.between, method)
    found = method.align(recordings)
    estimates = [found]
    rng = np.random.default_rng(config.seed)
    for _ in track(range(config.resamples), "episodes drawn again", console=console, transient=True):
        drawn = rng.integers(len(recordings), size=len(recordings))
        estimates.append(method.align([recordings[number] for number in drawn]))
    base = np.zeros((len(names), 2))
    if config.reference is not None:
        base = _clocks(method.align(_recordings(config, config.reference, names, method)[1]))
    lags = lags_of(names, np.stack([_clocks(each) - base for each in estimates]))
    _print(console, config, lags, found, len(recordings))
    _write(console, config, lags, found, recordings[0])
    return lags


def lags_of(names: Sequence[str], clocks: np.ndarray[Any, np.dtype[np.float64]]) -> tuple[PairLag, ...]:
    """The lags of all pairs from estimates of clocks (1 + B, m, 2), B of them from episodes drawn again."""
    pairs = []
    for i, j in combinations(range(len(names)), 2):
        apart = clocks[:, j] - clocks[:, i]  # (1 + B, 2)
        errors = [None, None] if len(apart) < 3 else list(map(float, _WIDTH_OF_95 * apart[1:].std(axis=0, ddof=1)))
        lag, drift = map(float, apart[0])
        pairs.append(PairLag(names[j], names[i], lag, errors[0], drift, errors[1]))
    return tuple(pairs)


def _clocks(found: Alignment) -> np.ndarray[Any, np.dtype[np.float64]]:
    return np.array([(clock.lag_s, clock.drift) for clock in found.clocks])


def _recordings(
    config: AlignConfig, source: str, between: Sequence[str], method: Aligner
) -> tuple[tuple[str, ...], list[list[Recording]]]:
    """The senses, and their encoded streams in each episode: activity alone where numbers are compared."""
    streams = streams_of(source, config.episodes, config.seed, config.checkpoint, config.trust)
    names = streams.chosen(between)
    recordings = streams.recordings(names)
    if method.compares_numbers:
        recordings = [[each.only(slice(0, 1)) for each in episode] for episode in recordings]
    return names, recordings


def _print(console: Console, config: AlignConfig, lags: Sequence[PairLag], found: Alignment, episodes: int) -> None:
    table = Table("sense", "against", "late by, ms", "faster by, %", title=f"{config.source}: {config.method}")
    for lag in lags:
        late, faster = (
            _with_error(1e3 * lag.lag_s, lag.lag_error_s, 1e3),
            _with_error(1e2 * lag.drift, lag.drift_error, 1e2),
        )
        table.add_row(lag.sense, lag.against, late, faster)
    console.print(table)
    say(console, f"over {episodes} episodes; objective {found.objective:.4g}, {len(found.history)} rounds")
    if config.reference is None:
        say(
            console,
            "what one event shows later in one sense than in another counts as its lag: --reference takes it off",
        )


def _with_error(value: float, error: float | None, unit: float) -> str:
    return f"{value:.2f}" if error is None else f"{value:.2f} ± {unit * error:.2f}"


def _write(
    console: Console, config: AlignConfig, lags: Sequence[PairLag], found: Alignment, episode: Sequence[Recording]
) -> None:
    folder = config.output or (Path(config.source) if Path(config.source).is_dir() else None)
    if folder is None:
        say(console, "nothing is written: name a folder, --output DIR")
        return
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / DOCUMENT, document_of(config, lags, found))
    draw(found, episode, folder / PICTURE)
    say(console, f"wrote {folder / DOCUMENT} and {PICTURE}")


def document_of(config: AlignConfig, lags: Sequence[PairLag], found: Alignment) -> Mapping[str, Any]:
    """The document of alignment.json."""
    return {
        "source": config.source,
        "reference": config.reference,
        "method": config.method,
        "options": dict(config.options),
        "episodes": config.episodes,
        "objective": found.objective,
        "history": list(found.history),
        "pairs": [vars(lag) for lag in lags],
    }
