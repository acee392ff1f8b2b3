"""Worlds that ranks share: who may, and one checkpoint of all, from which any number of ranks goes on."""

from collections.abc import Mapping
from typing import Any

from mmrl_agents.algorithms import Algorithm, algorithms
from mmrl_agents.learning.agent import Agent
from mmrl_agents.machine.ranks import Ranks
from mmrl_agents.records.checkpoint import numpy_tree, plain
from mmrl_envs.multimodal import SelfDescribing
from mmrl_envs.snapshot import OtherWorlds, joined, part_of


def require_ranks(algorithm: Algorithm[Any], ranks: Ranks) -> Algorithm[Any]:
    """The algorithm itself; ValueError where it trains in one process and there are several."""
    if ranks.count == 1 or algorithm.shares_worlds:
        return algorithm
    able = [name for name, known in algorithms().items() if known.shares_worlds]
    raise ValueError(
        f"agent {algorithm.name} trains in one process, and there are {ranks.count}: leave --processes, or torchrun, "
        f"out, or train with --agent {' or '.join(able)}"
    )


def saved_worlds(worlds: SelfDescribing, agent: Agent, share: range, ranks: Ranks) -> dict[str, Any]:
    """Where all worlds stand and what is under way in them, in the order of their numbers; None where it is unknown."""
    own = worlds.get_state()
    if ranks.any(own is None):
        return {"worlds": None, "under_way": None}
    sizes = ranks.gather([len(share)])
    states = ranks.gather([numpy_tree({"worlds": own, "under_way": agent.rollout_state()})])
    together: dict[str, Any] = joined(states, sizes)
    return together


def put_back(
    saved: Mapping[str, Any],
    worlds: SelfDescribing,
    agent: Agent,
    share: range,
    ranks: Ranks,
    options: dict[str, Any] | None,
) -> str:
    """Undo `saved_worlds` for the worlds of this rank; returns "" or why those of one of all ranks stand elsewhere."""
    total = sum(ranks.gather([len(share)]))
    own = {name: part_of(numpy_tree(saved[name]), share, total) for name in ("worlds", "under_way")}
    reasons = ranks.gather([_reason(worlds, own["worlds"])])
    reason = next(filter(None, reasons), "")
    if not reason:
        agent.resume_rollout(plain(own["under_way"]), options)
    return reason


def _reason(worlds: SelfDescribing, state: Mapping[str, Any]) -> str:
    """Why worlds cannot be put back, "" where they now are."""
    try:
        worlds.set_state(state)
    except OtherWorlds as error:
        return str(error) or "they were others"
    return ""
