"""Tables about a run, from what its evaluations have on record."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from mmrl.evaluation.figures import Figure, decimals_for, with_ends
from mmrl.worth import Estimate
from mmrl_agents.records.figures_on_record import cell_on_record, figures_on_record, median_on_record, value_on_record
from mmrl_agents.watching.report.by_context import ContextGroup, result_of, success_by_context
from mmrl_agents.watching.report.drawing import DrawnAxis, axis_over, bar
from mmrl_agents.watching.report.page import PageCell, PageTable
from mmrl_agents.watching.report.playing import PlayedEpisodes
from mmrl_agents.watching.report.record import JudgedOnce

SHARES = DrawnAxis(0.0, 1.0)
MOST_CONTEXTS = 3
"""Parameters of the context that everybody sees."""
_HEARSAY = "These figures came with the folder: you did not measure them. mmrl evaluate does. "
_INTERVALS = "95 % intervals: Wilson of a share, bootstrap of a mean."


def result_on_record(row: Mapping[str, Any]) -> tuple[Estimate, bool]:
    """Success at the end, or the mean return where no success was reported; and which of both."""
    rate = row["success_at_end"]
    if rate["trials"]:
        return Estimate(float(rate["rate"]), *map(float, rate["wilson_95"])), True
    return Estimate(float(row["mean_return"]), *map(float, row["mean_return_bootstrap_95"])), False


def result_cell(result: Estimate, is_share: bool, axis: DrawnAxis, colour: int = 0) -> PageCell:
    """A bar with its interval, and both in words."""
    return PageCell(in_words(result, is_share), result.value, bar(result, axis, colour))


def in_words(result: Estimate, is_share: bool) -> str:
    """ "96.0 % [92.3, 98.0]", or a mean return with its interval."""
    value, low, high = result.value, result.low, result.high
    if is_share:
        return f"{100 * value:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
    return with_ends(value, low, high, decimals_for([value, low, high]))


def axis_of(results: Sequence[Estimate], are_shares: bool) -> DrawnAxis:
    """The axis of the bars of a table."""
    return SHARES if are_shares else axis_over([end for one in results for end in (one.low, one.high)], 0.0)


def heading_of(is_share: bool) -> str:
    """The heading of results."""
    return "success at end" if is_share else "mean return"


def by_sense(judged: JudgedOnce) -> PageTable:
    """Success with every sense, and without each or as it is broken, with the declared figures."""
    document = judged.document
    rows, figures = document["rows"], figures_on_record(document)
    results = [result_on_record(row)[0] for row in rows]
    is_share = result_on_record(rows[0])[1]
    axis = axis_of(results, is_share)
    shown = [figure for figure in figures if any(median_on_record(row, figure) is not None for row in rows)]
    cells = [
        (
            PageCell(str(row["label"]), index),
            result_cell(result, is_share, axis, 0 if index == 0 else 1),
            _change(row.get("versus_all")),
            *(_figure(row, figure) for figure in shown),
        )
        for index, (row, result) in enumerate(zip(rows, results, strict=True))
    ]
    config = document["config"]
    manner = "the best actions" if config["deterministic"] else "actions drawn as in training"
    note = (
        f"{document['episodes']} episodes a row, the same in all, seed {document['seed']}, {manner}. {_INTERVALS} "
        "Of figures the median and the quartiles, or the share of the episodes. The change has the exact McNemar test."
    )
    return PageTable(
        "Success by sense" if is_share else "Return by sense",
        ("senses", heading_of(is_share), "change", *(_titled(figure) for figure in shown)),
        cells,
        note if judged.is_ours else _HEARSAY + note,
    )


def _titled(figure: Figure) -> str:
    return f"{figure.heading}, {figure.which_way}" if figure.better else figure.heading


def _change(pair: Mapping[str, Any] | None) -> PageCell:
    if pair is None or pair.get("difference") is None:
        return PageCell("", 0.0)
    p_value = float(pair["mcnemar_p"])
    chance = "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
    return PageCell(f"{100 * float(pair['difference']):+.0f} points, {chance}", float(pair["difference"]))


def _figure(row: Mapping[str, Any], figure: Figure) -> PageCell:
    value = value_on_record(row, figure)
    return PageCell(cell_on_record(row, figure), float("-inf") if value is None else value)


def worth_table(judged: JudgedOnce) -> PageTable:
    """The Shapley value of each sense, and what is lost without it."""
    worth = judged.document["worth"]
    lost = {name: _estimate(entry) for name, entry in worth["lost_without"].items()}
    shapley = {name: _estimate(entry) for name, entry in (worth["shapley"] or {}).items()}
    is_share = worth["measure"] == "success_at_end"
    axis = axis_over([end for one in (*lost.values(), *shapley.values()) for end in (one.low, one.high)], 0.0)
    columns = ("sense", *(["Shapley value"] if shapley else []), "lost without it")
    rows = [
        (
            PageCell(name),
            *([_points(shapley[name], is_share, axis, 2)] if shapley else []),
            _points(entry, is_share, axis, 1),
        )
        for name, entry in lost.items()
    ]
    note = (
        "The Shapley value shares the success among the senses by what each adds to every subset of the others. "
        "Lost is what goes when that sense alone is unplugged."
    )
    return PageTable("What each sense is worth", columns, rows, note if judged.is_ours else _HEARSAY + note)


def _estimate(entry: Mapping[str, Any]) -> Estimate:
    return Estimate(float(entry["value"]), *map(float, entry["interval_95"]))


def _points(estimate: Estimate, is_share: bool, axis: DrawnAxis, colour: int) -> PageCell:
    """A difference: in points of success, or of return."""
    ends = (estimate.value, estimate.low, estimate.high)
    words = (
        "{:+.0f} points [{:+.0f}, {:+.0f}]".format(*(100 * end for end in ends))
        if is_share
        else with_ends(*ends, decimals_for(ends))
    )
    return PageCell(words, estimate.value, bar(estimate, axis, colour))


def success_table(judged: JudgedOnce | None, played: PlayedEpisodes | None) -> PageTable | None:
    """The results with all senses: of the evaluation on record, and of the episodes played for the page."""
    found: list[tuple[str, int, Estimate, bool]] = []
    if judged is not None:
        result, is_share = result_on_record(judged.document["rows"][0])
        found.append((f"on record, {judged.path.name}", int(judged.document["episodes"]), result, is_share))
    if played is not None:
        result = result_of(played, played.returns == played.returns)
        found.append(("played for this page", len(played), result, played.knows_success))
    if not found:
        return None
    is_share = found[0][3]
    axis = axis_of([result for _, _, result, _ in found], all(share for *_, share in found))
    rows = [
        (PageCell(name), PageCell(f"{count:,}", count), result_cell(result, share, axis))
        for name, count, result, share in found
    ]
    return PageTable(
        "Success" if is_share else "Return", ("episodes", "number", heading_of(is_share)), rows, _INTERVALS
    )


def context_tables(played: PlayedEpisodes) -> Iterator[PageTable]:
    """Results by what differed between the episodes played for the page; folded but for what mattered most."""
    groups, is_share = success_by_context(played), played.knows_success
    title = "Success by context" if is_share else "Return by context"
    if not groups:
        yield PageTable(title, (), (), "Nothing of the context differs from episode to episode.")
        return
    axis = axis_of([group.result for group in groups], is_share)
    order = sorted(dict.fromkeys(group.parameter for group in groups), key=lambda name: -_spread(name, groups))
    note = (
        f"Of the {len(played)} episodes that were played for this page, first what made the most difference. "
        f"{_INTERVALS} Numbers in groups of a quarter of the episodes each."
    )
    shown, others = order[:MOST_CONTEXTS], order[MOST_CONTEXTS:]
    yield _context_table(title, shown, groups, is_share, axis, note)
    if others:
        rest = _context_table(f"{title}: {len(others)} more", others, groups, is_share, axis, "")
        yield replace(rest, folded=True)


def _context_table(
    title: str, names: Sequence[str], groups: Sequence[ContextGroup], is_share: bool, axis: DrawnAxis, note: str
) -> PageTable:
    chosen = [group for name in names for group in groups if group.parameter == name]
    rows = [
        (
            PageCell(group.parameter),
            PageCell(group.label, index),
            PageCell(str(group.episodes), group.episodes),
            result_cell(group.result, is_share, axis),
        )
        for index, group in enumerate(chosen)
    ]
    return PageTable(title, ("context", "value", "episodes", heading_of(is_share)), rows, note)


def _spread(parameter: str, groups: Sequence[ContextGroup]) -> float:
    """How far the results of the groups of a parameter lie apart."""
    values = [group.result.value for group in groups if group.parameter == parameter]
    return max(values) - min(values)
