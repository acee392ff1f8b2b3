"""The section of a page that compares several runs, and what an ablation found."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mmrl.worth import Estimate
from mmrl_agents.records.files import UnfitFile, read_json
from mmrl_agents.watching.report.by_context import result_of
from mmrl_agents.watching.report.curves import compared_curves
from mmrl_agents.watching.report.page import PageCell, PageSection, PageTable
from mmrl_agents.watching.report.playing import PlayedEpisodes
from mmrl_agents.watching.report.record import UNREADABLE, RunOnRecord
from mmrl_agents.watching.report.run_section import facts_of
from mmrl_agents.watching.report.sections import axis_of, heading_of, result_cell, result_on_record

ABLATION = "results.json"
"""The file of an ablation's results."""
_FACTS = ("environment", "agent", "seed", "steps of the weights", "training time")


def comparison_of(
    records: Sequence[RunOnRecord], played: Sequence[PlayedEpisodes | None], ablations: Sequence[PageTable]
) -> PageSection:
    """A row and a curve for each run, on top of a page."""
    notes: list[str] = []
    environments = {str(record.document.get("env_id")) for record in records}
    if len(environments) > 1:
        notes.append(f"The runs are of different environments: {', '.join(sorted(environments))}.")
    curves = compared_curves({record.name: record.metrics for record in records})
    return PageSection(
        f"{len(records)} runs",
        "comparison",
        notes=notes,
        tables=[_table(records, played), *ablations],
        charts=curves,
    )


def _table(records: Sequence[RunOnRecord], played: Sequence[PlayedEpisodes | None]) -> PageTable:
    results = [_result(record, episodes) for record, episodes in zip(records, played, strict=True)]
    known = [found for found in results if found is not None]
    is_share = all(share for _, share, _ in known)
    axis = axis_of([result for result, _, _ in known], is_share) if known else axis_of([], True)
    facts = [dict(facts_of(record)) for record in records]
    rows = [
        (
            PageCell(record.name),
            *(
                (PageCell("never judged", -1.0), PageCell(""))
                if found is None
                else (result_cell(found[0], found[1], axis, index), PageCell(found[2]))
            ),
            *(_fact(of_run.get(name, "")) for name in _FACTS),
        )
        for index, (record, found, of_run) in enumerate(zip(records, results, facts, strict=True))
    ]
    return PageTable(
        "Comparison",
        ("run", heading_of(is_share), "of episodes", *_FACTS),
        rows,
        "95 % intervals. Runs of other seeds or settings were judged on the same episodes where their seeds agree.",
    )


def _fact(text: str) -> PageCell:
    """An entry that is sorted as a number where it begins with one."""
    first = text.partition(" ")[0].replace(",", "")
    try:
        return PageCell(text, float(first))
    except ValueError:
        return PageCell(text)


def _result(record: RunOnRecord, played: PlayedEpisodes | None) -> tuple[Estimate, bool, str] | None:
    """The evaluation on record, or else what was played for the page; None without either."""
    judged = record.evaluation or record.senses
    if judged is not None:
        try:
            document = judged.document
            return *result_on_record(document["rows"][0]), f"{document['episodes']} on record"
        except UNREADABLE:  # its own section says so
            pass
    if played is None:
        return None
    return result_of(played, played.returns == played.returns), played.knows_success, f"{len(played)} for this page"


def ablation_table(folder: Path) -> PageTable | None:
    """The results of an ablation by subset of the senses; None where the folder holds none."""
    path = folder / ABLATION
    if not os.path.lexists(path):
        return None
    document = read_json(path)
    try:
        return _ablation(document, folder.name)
    except UNREADABLE as error:
        raise UnfitFile(f"{path} is not what mmrl ablate writes ({type(error).__name__}: {error})") from error


def _ablation(document: Mapping[str, Any], name: str) -> PageTable:
    is_share = document["score"] == "success_at_end"
    scores = {", ".join(subset["senses"]): _score(subset["score"]) for subset in document["subsets"]}
    axis = axis_of(list(scores.values()), is_share)
    seeds = [subset["score"]["by_seed"] for subset in document["subsets"]]
    rows = [
        (
            PageCell(senses),
            result_cell(score, is_share, axis),
            PageCell(", ".join(_of_seed(seed, value, is_share) for seed, value in of.items())),
        )
        for (senses, score), of in zip(scores.items(), seeds, strict=True)
    ]
    note = "A policy is trained for each subset and seed. Interquartile means over seeds with 95 % bootstrap intervals."
    return PageTable(f"Ablation {name}", ("senses", heading_of(is_share), "by seed"), rows, note)


def _of_seed(seed: str, value: float, is_share: bool) -> str:
    return f"{seed}: {100 * value:.0f} %" if is_share else f"{seed}: {value:.4g}"


def _score(entry: Mapping[str, Any]) -> Estimate:
    low, high = entry["bootstrap_95"] or (entry["iqm"], entry["iqm"])
    return Estimate(float(entry["iqm"]), float(low), float(high))
