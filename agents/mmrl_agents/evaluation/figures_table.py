"""The figures that a task declares, in tables to read: medians and quartiles of the episodes of every row."""

from collections.abc import Sequence

from rich import box
from rich.table import Table
from rich.text import Text

from mmrl.evaluation.figures import Figure, decimals_for, with_ends
from mmrl.evaluation.rates import Row


def plain_table() -> Table:
    """A table without a frame; its first column names the rows."""
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False, show_edge=False)
    table.add_column("", overflow="fold")
    return table


def figures_table(rows: Sequence[Row]) -> Table | None:
    """Each declared figure in each row; None where no episode reported any."""
    shown = [figure for figure in rows[0].episodes.declared if any(row.quartiles(figure) for row in rows)]
    if not shown:
        return None
    table = plain_table()
    for figure in shown:
        table.add_column(figure.heading, justify="right")
    columns = [_cells(rows, figure) for figure in shown]
    for row, *cells in zip(rows, *columns, strict=True):
        table.add_row(Text(row.label), *cells)
    return table


def _cells(rows: Sequence[Row], figure: Figure) -> list[str]:
    """Shares of an event, else medians [quartiles] with the same decimals; empty where nothing was reported."""
    if figure.event:
        return [str(row.share(figure) or "") for row in rows]
    column = [row.quartiles(figure) for row in rows]
    decimals = decimals_for([number for cell in column if cell for number in (cell.median, cell.low, cell.high)])
    return [with_ends(cell.median, cell.low, cell.high, decimals) if cell else "" for cell in column]


def about_figures(declared: Sequence[Figure]) -> str:
    """A sentence on the table, with the way in which each figure is better."""
    ways = dict.fromkeys(figure.which_way for figure in declared if figure.better)
    named = {way: ", ".join(figure.heading for figure in declared if figure.which_way == way) for way in ways}
    sentences = [f" {way.capitalize()}: {names}." for way, names in named.items()]
    events = ", ".join(figure.heading for figure in declared if figure.event)
    shares = f" Of {events} the share of the episodes, with its Wilson interval." if events else ""
    return f"Medians of the episodes, in brackets their quartiles.{shares}{''.join(sentences)}"


def score_cell(row: Row) -> str:
    """Mean and 95 % interval of the task's score; empty where it has none."""
    if (score := row.score) is None:
        return ""
    return with_ends(score.mean, score.low, score.high, decimals_for([score.mean, score.low, score.high]))
