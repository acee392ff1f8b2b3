"""A page that goes with published weights: how they were made and what they can do.

The shape of the page follows Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmrl.evaluation.figures import Figure, decimals_for, with_ends
from mmrl_agents.records.figures_on_record import cell_on_record, figures_on_record
from mmrl_agents.records.files import in_one_line, read_json, read_json_lines
from mmrl_agents.records.marks import EVALUATION, is_marked
from mmrl_agents.records.runs import RunFolder


def model_card(title: str, run: RunFolder, checkpoint: Path, step: int, digest: str) -> str:
    """Markdown about the weights of a checkpoint, `digest` theirs.

    It says so where these weights were never evaluated, or by somebody else.
    """
    judgement = _judgement(run.evaluation_path, checkpoint, digest)
    lines = [f"# {title}", "", *_origin(run.read_config(), run, step), "", *judgement, ""]
    return "\n".join(map(in_one_line, lines))


def _origin(document: Mapping[str, Any], run: RunFolder, step: int) -> list[str]:
    train = document["train"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    senses = ", ".join(f"`{name}` {_window(sense)}" for name, sense in document["senses"].items())
    minutes = _minutes(run, step)
    return [
        "| | |",
        "|---|---|",
        f"| environment | {' '.join((_code(train['env']), _settings(train['env_kwargs']))).strip()} |",
        f"| context | {_settings(train['context']) or 'the default'} |",
        f"| senses | {senses} |",
        f"| agent | {train['agent']}, {_recipe(train)}seed {train['seed']} |",
        f"| training | {step:,} environment steps{minutes}{_machine(document)} |",
        f"| versions | {versions} |",
    ]


def _settings(values: Mapping[str, Any]) -> str:
    return " ".join(_code(f"{name}={value}") for name, value in values.items())


def _code(text: str) -> str:
    return f"`{text}`"


def _recipe(train: Mapping[str, Any]) -> str:
    return f"recipe {train['recipe']}, " if train.get("recipe") else ""


def _window(sense: Mapping[str, Any]) -> tuple[int, ...]:
    history = () if sense["history"] is None else (sense["history"],)
    return (*history, *sense["shape"])


def _minutes(run: RunFolder, step: int) -> str:
    if not os.path.lexists(run.metrics_path):
        return ""
    reached = [line for line in read_json_lines(run.metrics_path) if line["step"] <= step]
    return f", {reached[-1]['wall_time_s'] / 60:.1f} minutes" if reached else ""


def _machine(document: Mapping[str, Any]) -> str:
    """On what the training was begun or last gone on with; older runs do not say."""
    machine = document.get("machine")
    return f", on {_cores(machine)}" if machine else ""


def _cores(machine: Mapping[str, Any]) -> str:
    count = machine["cpus"]
    kind = f" of {machine['processor']}" if "processor" in machine else ""  # older documents do not tell
    return f"{count} core{'' if count == 1 else 's'}{kind} ({machine['device']})"


_HEARSAY = (
    "These figures came with the weights, or were written by an older version of mmrl: whoever exported this page did "
    "not measure them. To do so, run `mmrl evaluate`."
)


def _judgement(path: Path, checkpoint: Path, digest: str) -> list[str]:
    report: dict[str, Any] = read_json(path) if os.path.lexists(path) else {"weights": ""}
    # older reports have no digest
    if Path(report["weights"]).name != checkpoint.name or report.get("weights_sha256", digest) != digest:
        return [f"{checkpoint.name} was not evaluated: run `mmrl evaluate` on it and export it again."]
    manner = "the most probable action" if report["config"]["deterministic"] else "actions drawn as in training"
    given = _settings(report["config"].get("context", {}))
    manner += f", context {given}" if given else ""
    about = f"{report['episodes']} episodes a row, seed {report['seed']}, {manner}, on {_cores(report['machine'])}; "
    judged = report["rows"][0]["success_at_end"]["trials"] > 0
    lines = _successes(report) if judged else _returns(report)
    unplugged = [
        "",
        "A sense is unplugged only when the policy is judged. These weights were trained with all of them, so the rows "
        "say what the policy relies on.",
    ]
    if different := report["rows"][0].get("different_episodes"):
        lines += [
            "",
            f"Without sticky actions a policy that draws nothing repeats its games: {different} were different, "
            "and the figures count each once.",
        ]
    lines += _figures(report)
    lines += _spoilt(report)
    lines = [about + lines[0], *lines[1:], *(unplugged if any(row["absent"] for row in report["rows"]) else [])]
    return lines if is_marked(EVALUATION, report) else [_HEARSAY, "", *lines]


def _spoilt(report: Mapping[str, Any]) -> list[str]:
    """Lines on episodes that did not come to an end of their own, over all rows; older reports count none."""
    cut, lost = (sum(row.get(f"{name}_episodes", 0) for row in report["rows"]) for name in ("cut", "not_finite"))
    limit = report["config"].get("episode_limit", 0)
    lines = [f"{cut} episodes still went on after {limit:,} steps and were cut there."] if cut else []
    lines += [f"{lost} episodes met a number that is not finite and count as failures."] if lost else []
    return ["", *lines] if lines else []


def _successes(report: Mapping[str, Any]) -> list[str]:
    lines = ["95 % Wilson intervals.", "", "| senses | success at end | success once |", "|---|---|---|"]
    for row in report["rows"]:
        lines.append(f"| {row['label']} | {_rate(row['success_at_end'])} | {_rate(row['success_once'])} |")
    return lines


def _figures(report: Mapping[str, Any]) -> list[str]:
    """A table of what the task reports besides, with its score first; nothing where it reports nothing."""
    figures = sorted(figures_on_record(report), key=lambda figure: not figure.score)
    if not figures:
        return []
    titles = [f"{figure.heading}{f', {figure.which_way}' if figure.better else ''}" for figure in figures]
    lines = [
        "",
        "Medians of the episodes, in brackets their quartiles; of a score the mean with its 95 % bootstrap interval, "
        "of what either happens or not the share of the episodes.",
        "",
        f"| senses | {' | '.join(titles)} |",
        f"|---|{'---|' * len(titles)}",
    ]
    for row in report["rows"]:
        cells = [_mean(row, figure) if figure.score else cell_on_record(row, figure) for figure in figures]
        lines.append(f"| {row['label']} | {' | '.join(cells)} |")
    return lines


def _mean(row: Mapping[str, Any], figure: Figure) -> str:
    mean = row.get(f"mean_{figure.name}")
    if mean is None:
        return ""
    low, high = row[f"mean_{figure.name}_bootstrap_95"]
    return with_ends(mean, low, high, decimals_for([mean, low, high]))


def _returns(report: Mapping[str, Any]) -> list[str]:
    lines = ["95 % intervals: bootstrap, Wilson.", "", "| senses | mean return | return > 0 |", "|---|---|---|"]
    for row in report["rows"]:
        low, high = row["mean_return_bootstrap_95"]
        mean = f"{row['mean_return']:.2f} [{low:.2f}, {high:.2f}]"
        lines.append(f"| {row['label']} | {mean} | {_rate(row['positive_return'])} |")
    return lines


def _rate(rate: Mapping[str, Any]) -> str:
    if rate["rate"] is None:
        return "undefined"
    low, high = rate["wilson_95"]
    return f"{100 * rate['rate']:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"
