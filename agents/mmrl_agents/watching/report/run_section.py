"""The section of a page about one run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from mmrl.arrays import FloatArray
from mmrl.evaluation.figures import decimals_for
from mmrl_agents.watching.panels import Trace
from mmrl_agents.watching.report.curves import main_curves, other_curves, panes_of
from mmrl_agents.watching.report.filming import FilmedEpisode, smaller
from mmrl_agents.watching.report.page import EpisodeView, PageSection, PageTable
from mmrl_agents.watching.report.playing import PlayedEpisodes
from mmrl_agents.watching.report.provenance import commands_table, film_command, incidents_table, origin_table
from mmrl_agents.watching.report.record import UNREADABLE, RunOnRecord
from mmrl_agents.watching.report.sections import by_sense, context_tables, success_table, worth_table

NAMES_OF_EPISODES = ("Worst", "Median", "Best")
_MOST_OF_A_CONTEXT = 6


def section_of(
    record: RunOnRecord,
    played: PlayedEpisodes | None,
    films: Sequence[FilmedEpisode],
    problems: Sequence[str],
    most_bytes: int,
) -> PageSection:
    """All about a run; `problems` are sentences on what could not be played, a film takes `most_bytes` at most."""
    notes = [*record.problems, *problems]
    first_film = film_command(record.source, films[0].seed) if films else None
    makers: list[Callable[[], PageTable | None]] = [
        lambda: success_table(record.evaluation or record.senses, played),
        lambda: worth_table(record.senses) if record.senses else None,
        lambda: by_sense(judged) if (judged := record.senses or record.evaluation) else None,
    ]
    closing: list[Callable[[], PageTable | None]] = [
        lambda: incidents_table(record),
        lambda: commands_table(record, first_film),
        lambda: origin_table(record),
    ]
    return PageSection(
        record.name,
        anchor_of(record),
        facts=list(facts_of(record)),
        tables=[*_made(makers, notes), *(context_tables(played) if played is not None else ())],
        charts=main_curves(record.metrics),
        more_charts=other_curves(record.metrics),
        episodes=_views(played, films, most_bytes, notes),
        closing=list(_made(closing, notes)),
        notes=notes,
    )


def anchor_of(record: RunOnRecord) -> str:
    """The name that a link to the section has."""
    return f"run-{record.name}"


def facts_of(record: RunOnRecord) -> Iterator[tuple[str, str]]:
    """Short entries about a run with their names."""
    document = record.document
    train = document.get("train")
    train = train if isinstance(train, Mapping) else {}
    yield "environment", str(document.get("env_id", "not on record"))
    recipe = [f"recipe {train['recipe']}"] if train.get("recipe") else []
    yield "agent", ", ".join([str(train.get("agent", "")), *recipe])
    yield "seed", str(train.get("seed", "not on record"))
    if record.step is not None:
        yield "steps of the weights", f"{record.step:,}"
    senses = document.get("senses")
    yield "senses", ", ".join(map(str, senses)) if isinstance(senses, Mapping) else ""
    network = train.get("policy")
    yield "fusion", str(network.get("fusion", "")) if isinstance(network, Mapping) else ""
    seconds = record.metrics[-1].get("wall_time_s") if record.metrics else None
    if isinstance(seconds, int | float):
        yield "training time", f"{seconds / 60:.1f} minutes"


def _made(makers: Sequence[Callable[[], PageTable | None]], notes: list[str]) -> Iterator[PageTable]:
    """The tables; a sentence in place of one whose document is not as this version writes it."""
    for make in makers:
        try:
            table = make()
        except UNREADABLE as error:
            reason = f"{type(error).__name__}: {error}"
            notes.append(f"A table is left out: a file of the run is not as this version writes it ({reason}).")
            continue
        if table is not None:
            yield table


def _views(
    played: PlayedEpisodes | None, films: Sequence[FilmedEpisode], most_bytes: int, notes: list[str]
) -> list[EpisodeView]:
    if played is None:
        return []
    views: list[EpisodeView] = []
    for name, film in zip(names_for(len(films)), films, strict=True):
        coded = smaller(film.film, most_bytes)
        if coded is None:
            notes.append(f"The film of the episode with seed {film.seed} is too large for the page: use mmrl watch.")
        span = film.shown / film.control_hz
        views.append(
            EpisodeView(
                f"{name} of {len(played)} episodes",
                _about(film, played),
                coded,
                film.first,
                film.still,
                panes_of(film.panes, span),
                film.control_hz,
                [_plain(values, pane) for values, pane in zip(film.at_steps, film.panes, strict=True)],
            )
        )
    return views


def names_for(count: int) -> Sequence[str]:
    """The names of the episodes that are shown, fewer where fewer are different."""
    return {0: (), 1: ("Only one",), 2: ("Worst", "Best")}.get(count, NAMES_OF_EPISODES)


def _about(film: FilmedEpisode, played: PlayedEpisodes) -> str:
    """ "success, return 6.76, 5.0 s, seed 10003, shape square"."""
    number = int((played.seeds == film.seed).argmax())
    ended = "" if not played.judged[number] else "success" if played.success[number] else "no success"
    seconds = film.length / film.control_hz
    words = [ended, f"return {played.returns[number]:.4g}", f"{film.length} steps, {seconds:.1f} s"]
    if film.shown < film.length:
        words.append(f"shown are the first {film.shown / film.control_hz:.1f} s")
    words.append(f"seed {film.seed}")
    varying = {name: values[number] for name, values in played.contexts.items() if len(set(map(str, values))) > 1}
    words += [
        f"{name} {value:.3g}" if isinstance(value, float) else f"{name} {value}"
        for name, value in list(varying.items())[:_MOST_OF_A_CONTEXT]
    ]
    return ", ".join(filter(None, words))


def _plain(values: FloatArray, pane: Trace) -> list[list[float | None]]:
    """Numbers as the page shows them, to a thousandth of the largest on their axis; None for what is none."""
    decimals = decimals_for(pane.bounds) + 1
    return [[round(value, decimals) if math.isfinite(value) else None for value in row] for row in values.tolist()]
