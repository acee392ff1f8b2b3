"""The overview that `mmrl list` gives: a row for all that can be chosen by name, with one sentence each.

The words and sentences are read from the sources: importing every sensor, fusion and algorithm would load MuJoCo and
torch, which takes seconds.
"""

from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import EntryPoint, distributions

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mmrl.settings.offers import by_name, claimed_by
from mmrl_agents.records.terminal import say
from mmrl_agents.settings.sources import calls_in, modules_in, table_in

Rows = Mapping[str, str]
"""A sentence by name."""
Offers = Sequence[EntryPoint]
"""Entry points of installed packages; they are searched once, which takes a moment."""


@dataclass(frozen=True)
class Topic:
    """A kind of thing that is chosen by name."""

    page: str
    """The page of the documentation that is about it."""
    rows: Callable[[Offers], Rows]
    """Finds what there is of it, given what installed packages offer."""


def environments(offers: Offers) -> Rows:
    """The tasks and games of the suite, environments with a recipe, and the tasks of installed packages."""
    recipes = [table_in(module, "RECIPES") for module in modules_in("mmrl_agents.recipes")]
    tasks = {name: sentence for name, _, sentence in calls_in("mmrl_envs.tasks", "register_task")}
    rows = {**ChainMap(*recipes), **table_in("mmrl_envs.atari", "GAMES"), **tasks}
    return dict(sorted({**rows, **_tasks_of_packages(offers)}.items()))


def _tasks_of_packages(offers: Offers) -> Rows:
    """The tasks that installed packages offer; only importing them says which, and where there are none nothing is."""
    if not any(point.group == "mmrl.tasks" for point in offers):
        return {}
    from mmrl_envs.tasks.registry import registrations

    return {name: task.help for name, task in registrations().items()}


def sensors(offers: Offers) -> Rows:
    """The senses of the suite and those that installed packages offer."""
    return {**table_in("mmrl_envs.sensors", "SENSORS"), **_offered(offers, "mmrl.sensors")}


def encoders(offers: Offers) -> Rows:
    """The ways to encode a sense, with the kind of sense that each is for."""
    calls = [call for module in modules_in("mmrl.modality") for call in calls_in(module, "Kind")]
    return {spec: f"{kind}: {sentence}" for kind, spec, sentence in calls}


def fusions(offers: Offers) -> Rows:
    """The ways to join senses."""
    return table_in("mmrl.fusion", "FUSIONS")


def objectives(offers: Offers) -> Rows:
    """The losses on what a policy perceives, which its encoders learn from besides."""
    return table_in("mmrl.representation", "OBJECTIVES")


def probes(offers: Offers) -> Rows:
    """The ways to read something off features that stay as they are."""
    return table_in("mmrl.evaluation.probes", "PROBES")


def aligners(offers: Offers) -> Rows:
    """The methods that bring recordings onto one clock."""
    return table_in("mmrl.alignment", "ALIGNERS")


def agents(offers: Offers) -> Rows:
    """The learning algorithms, those that installed packages offer among them."""
    native = {name: summary for name, _, summary in calls_in("mmrl_agents.algorithms", "Algorithm")}
    ours = native | table_in("mmrl_agents.learning.sb3_algorithms", "SB3_ALGORITHMS")
    return {**ours, **_offered(offers, "mmrl.algorithms"), **ours}  # which no offer displaces


def curricula(offers: Offers) -> Rows:
    """The ways to choose the context of each episode."""
    return table_in("mmrl.curriculum.registry", "CURRICULA")


def pretrained(offers: Offers) -> Rows:
    """The trained policies that come with the package."""
    from mmrl_agents.policies.shipped import pretrained_names

    return dict.fromkeys(pretrained_names(), "")


TOPICS: Mapping[str, Topic] = {
    "environments": Topic("docs/peg_insertion.md, docs/pong.md, docs/foreign.md", environments),
    "sensors": Topic("docs/sensors.md", sensors),
    "encoders": Topic("docs/sensors.md", encoders),
    "fusions": Topic("docs/fusion.md", fusions),
    "objectives": Topic("docs/objectives.md", objectives),
    "probes": Topic("docs/probes.md", probes),
    "aligners": Topic("docs/alignment.md", aligners),
    "agents": Topic("docs/settings.md", agents),
    "curricula": Topic("docs/curriculum.md", curricula),
    "pretrained": Topic("docs/commands.md", pretrained),
}


def offers_of_packages() -> Offers:
    """All entry points of all installed packages."""
    return [point for package in distributions() for point in package.entry_points]


def show_overview(console: Console) -> None:
    """Print a row for all that can be chosen by name."""
    offers = offers_of_packages()
    for title, topic in TOPICS.items():
        table = Table("name", "", title=f"{title}: {topic.page}", title_justify="left", show_header=False)
        for name, sentence in topic.rows(offers).items():
            table.add_row(Text(name), Text(sentence))
        console.print(table)
    say(console, "`mmrl list KIND` shows more of one kind, and has two kinds more: context and figures.")


def _offered(offers: Offers, group: str) -> Rows:
    """The offers of installed packages by name, with the place of each, or the packages that claim one name."""
    claims = by_name(point for point in offers if point.group == group)
    return {
        name: claimed_by(of) if len(of) > 1 else f"Of another package, {of[0].value}." for name, of in claims.items()
    }
