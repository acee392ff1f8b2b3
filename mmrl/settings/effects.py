"""Settings that have no effect, which are refused by name: whoever gives one believes that it has."""

import dataclasses
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any


@dataclass(frozen=True)
class Reads:
    """Settings that only some configs read."""

    settings: tuple[str, ...]
    """Their names, dotted within a part; that of a part stands for all in it."""
    holds: Callable[[Any], bool]
    """Whether a config reads them."""
    why: str
    """Why one does not; fields of the config stand in braces."""

    def concerns(self, name: str) -> bool:
        """Whether a dotted name is one of these."""
        return any(name == setting or name.startswith(f"{setting}.") for setting in self.settings)


def require_effect(config: Any, reads: Sequence[Reads], before: Any, given: Collection[str] = ()) -> None:
    """Raise ValueError naming settings that `config` does not read.

    That concerns those in which it differs from `before`, and all in `given`, dotted names that somebody wrote out.
    """
    present, usual = leaves(config), leaves(before)
    asked = [name for name, value in present.items() if name in given or name not in usual or value != usual[name]]
    for rule in reads:
        idle = [name for name in asked if rule.concerns(name)]
        if idle and not rule.holds(config):
            raise ValueError(f"{', '.join(idle)} would have no effect: {rule.why.format(**vars(config))}")


def leaves(config: Any, prefix: str = "") -> dict[str, Any]:
    """The settings of a dataclass by dotted name; those of its parts, and what is set by name, in their place."""
    found: dict[str, Any] = {}
    for field in dataclasses.fields(config):
        name, value = prefix + field.name, getattr(config, field.name)
        if dataclasses.is_dataclass(value):
            found |= leaves(value, f"{name}.")
        elif isinstance(value, Mapping):
            found |= {f"{name}.{key}": item for key, item in value.items()}
        else:
            found[name] = value
    return found


def written(words: Sequence[str], names: Mapping[str, str] = MappingProxyType({})) -> set[str]:
    """The dotted names of the settings that the words of a command line set; `names` are those called otherwise."""
    options = [word[2:].partition("=")[0] for word in words if word.startswith("--") and len(word) > 2]
    spelled = {option.replace("-", "_") for option in options}
    spelled |= {head + tail.removeprefix("no_") for head, tail in map(_split, spelled)}
    return {names.get(name, name) for name in spelled}


def require_given_once(config: Any, words: Sequence[str], names: Mapping[str, str] = MappingProxyType({})) -> None:
    """Raise ValueError for an option of several values that the words give twice, of which only the last would count.

    Of an option with one value the last word counts, as on all command lines.
    """
    options = [word.partition("=")[0] for word in words if word.startswith("--")]
    for option in dict.fromkeys(options):
        name = option[2:].replace("-", "_")
        value = _value_at(config, names.get(name, name))
        if options.count(option) > 1 and isinstance(value, (Mapping, tuple)):
            raise ValueError(f"{option} is given twice, and only the last would count; put all its values behind one")


def _value_at(config: Any, name: str) -> Any:
    """The setting with a dotted name; None where there is none."""
    for part in name.split("."):
        config = vars(config).get(part) if dataclasses.is_dataclass(config) else None
    return config


def _split(name: str) -> tuple[str, str]:
    part, dot, last = name.rpartition(".")
    return part + dot, last
