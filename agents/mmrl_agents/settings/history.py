"""The worlds that a run was trained in, defaults included, and how it was resumed: parts of config.json."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from mmrl_agents.records.runs import library_versions
from mmrl_agents.settings.config import TrainConfig, described_config
from mmrl_agents.settings.recorded import config_to_dict

RESUMES = "resumes"
"""Where config.json lists them, the first one first."""
# Where a run lies and what its reader trusts is no part of the training.
_NO_SETTINGS = ("run_dir", "runs_root", "resume", "trust")


def resumes_of(before: Mapping[str, Any], now: TrainConfig, step: int) -> list[Any]:
    """The resumes of a run that goes on from `step`, this one among them.

    `before` is its config.json so far; a folder without `versions` in it holds a training that was never begun.
    """
    earlier = before.get(RESUMES, [])
    resumes: Sequence[Any] = earlier if isinstance(earlier, list) else []
    if "versions" not in before:
        return [*resumes]
    entry = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "step": step,
        "versions": library_versions(),
        "changed": _changes(config_to_dict(described_config(before)), config_to_dict(now)),
    }
    return [*resumes, entry]


def _changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Settings that differ, such as "ppo.epochs", with the old and the new value; None where there is none."""
    old, new = _flat(before), _flat(after)
    return {name: [old.get(name), new.get(name)] for name in {**old, **new} if old.get(name) != new.get(name)}


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{name}.")
        elif f"{prefix}{name}" not in _NO_SETTINGS:
            flat[f"{prefix}{name}"] = value
    return flat
