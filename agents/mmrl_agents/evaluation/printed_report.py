"""The report of an evaluation as it is printed: a table of success and returns, one of figures, sentences on both."""

from collections.abc import Collection, Sequence

from rich.console import Console
from rich.text import Text

from mmrl.evaluation.episodes import Episodes
from mmrl.evaluation.rates import Report, Row
from mmrl_agents.evaluation.figures_table import about_figures, figures_table, plain_table, score_cell
from mmrl_agents.evaluation.repeated_games import about_repeats
from mmrl_agents.records.terminal import say

# With the longest label they fill 80 columns.
_HEADINGS = ("success at end", "once", "change", "p", "score", "mean return", "return > 0")
_OF_RETURNS = ("mean return", "return > 0")

_ABOUT_SUCCESS = "In brackets the 95 % Wilson interval."
_ABOUT_SCORE = "The score has the bootstrap interval of its mean."
_ABOUT_RETURNS = (
    "In brackets 95 % intervals: bootstrap of the mean, Wilson of the share of episodes with a positive return, "
    "which are the games won where two play each other."
)
_ABOUT_CHANGE = (
    "change and p compare the same episodes with and without the sense (exact McNemar "
    "test). A sense is unplugged only now: a policy trained to lose it may lose less."
)


def print_report(report: Report, episode_limit: int, console: Console) -> None:
    """Print the tables of a report and sentences on them; episodes were cut after `episode_limit` steps."""
    first, columns = report.rows[0], _columns(report)
    table = plain_table()
    for heading in columns:
        table.add_column(_titled(heading, first), justify="right", no_wrap=True)
    for row, *cells in zip(report.rows, *columns.values(), strict=True):
        table.add_row(Text(row.label), *cells)
    console.print(table)
    episodes = len(first.episodes)
    console.print(
        f"{episodes} episodes a row ({episodes // report.num_worlds} in each of "
        f"{report.num_worlds} worlds, seed {report.seed}). " + _about(columns)
    )
    print_figures(report.rows, console)
    if first.repeats:
        console.print(about_repeats(len(first.returns), episodes))
    if any(row.absent for row in report.rows):
        console.print(_ABOUT_CHANGE)
    for sentence in incidents([row.episodes for row in report.rows], episode_limit):
        say(console, sentence, "yellow")


def print_figures(rows: Sequence[Row], console: Console) -> None:
    """Print the figures of the task, if it has any."""
    table = figures_table(rows)
    if table is not None:
        console.print(table)
        console.print(about_figures(rows[0].episodes.declared))


def incidents(rows: Sequence[Episodes], limit: int) -> list[str]:
    """Sentences on what happened to episodes of some conditions besides succeeding and failing."""
    broken, cut, lost = (
        sum(int(getattr(table, name).sum()) for table in rows) for name in ("physics_error", "cut", "not_finite")
    )
    sentences = {
        f"the physics broke in {broken} episodes, which count as failures": broken,
        f"{cut} episodes still went on after {limit:,} steps and were cut there (--episode-limit)": cut,
        f"in {lost} episodes a reading or a reward was not finite: they count as failures, with the rewards before "
        "that": lost,
    }
    return [sentence for sentence, count in sentences.items() if count]


def _columns(report: Report) -> dict[str, tuple[str, ...]]:
    """The cells of the columns that the report fills, by their headings."""
    columns = zip(*(_cells(row) for row in report.rows), strict=True)
    filled = {head: cells for head, cells in zip(_HEADINGS, columns, strict=True) if any(cells)}
    judged = bool(report.rows[0].success_at_end.trials)
    for heading in _OF_RETURNS if judged else _HEADINGS[:2]:
        filled.pop(heading, None)  # returns say less than the success, and 80 columns are full without them
    return filled


def _titled(heading: str, first: Row) -> str:
    """The heading of a column; the score goes by the name that the task gives it."""
    score = first.score
    return f"mean {score.figure.heading}" if heading == "score" and score is not None else heading


def _about(headings: Collection[str]) -> str:
    """An explanation of the columns with these headings."""
    about = _ABOUT_RETURNS if "mean return" in headings else _ABOUT_SUCCESS
    return f"{about} {_ABOUT_SCORE}" if "score" in headings else about


def _cells(row: Row) -> tuple[str, ...]:
    """A row under `_HEADINGS`; a cell is empty where the environment reports nothing for it."""
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
