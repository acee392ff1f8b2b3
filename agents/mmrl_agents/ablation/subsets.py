"""Subsets of the senses of an environment, by the words of a command, and how a training is given one of them."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from itertools import combinations
from types import MappingProxyType

from mmrl.modality.kinds import IGNORE
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.worlds.making import senses_of
from mmrl_envs.multimodal import describing

SenseNames = tuple[str, ...]

JOINT = "+"


def _all_subsets(senses: SenseNames) -> list[SenseNames]:
    return [subset for size in range(len(senses), 0, -1) for subset in combinations(senses, size)]


def _singles(senses: SenseNames) -> list[SenseNames]:
    return [senses, *((name,) for name in senses)]


def _leave_one_out(senses: SenseNames) -> list[SenseNames]:
    return [senses, *(tuple(other for other in senses if other != name) for name in senses)]


SUBSETS: Mapping[str, Callable[[SenseNames], list[SenseNames]]] = MappingProxyType(
    {"all": _all_subsets, "single": _singles, "leave-one-out": _leave_one_out}
)
"""Words that stand for several subsets, all of them with the full set."""


def expand(words: Sequence[str], senses: SenseNames) -> list[SenseNames]:
    """The subsets that words stand for, each once, its senses in the order of the environment.

    Raises ValueError for a word that is neither in `SUBSETS` nor made of the senses there are.
    """
    found: list[SenseNames] = []
    for word in words:
        found += SUBSETS[word](senses) if word in SUBSETS else [_subset(word, senses)]
    return list(dict.fromkeys(found))


def _subset(word: str, senses: SenseNames) -> SenseNames:
    names = word.split(JOINT)
    unknown = [name for name in names if name not in senses]
    if unknown or len(set(names)) < len(names):
        raise ValueError(
            f"{word!r} is no subset of the senses; write {', '.join(SUBSETS)}, or some of {', '.join(senses)}, each "
            f"once, joined by {JOINT}"
        )
    return tuple(name for name in senses if name in names)


Choose = Callable[[TrainConfig, SenseNames, SenseNames], TrainConfig]


def senses_and_choice(config: TrainConfig) -> tuple[SenseNames, Choose]:
    """The senses of an environment, and how a training is given some of them.

    Raises ValueError where there is nothing to leave out.
    """
    with closing(config.worlds.in_this_process().make(1)) as envs:
        names = tuple(senses_of(envs))
        chosen_by = describing(envs).senses_chosen_by
    if chosen_by not in _CHOICES or len(names) < 2:
        raise ValueError(f"{config.env} has {', '.join(names)} and no choice of senses: there is nothing to ablate")
    return names, _CHOICES[chosen_by]


def _with_sensors(config: TrainConfig, senses: SenseNames, subset: SenseNames) -> TrainConfig:
    """Robots are built with the sensors that they have; what a missing one would suffer from goes with it."""
    gone = {f"{name}_noise" for name in senses if name not in subset}
    context = {name: value for name, value in config.context.items() if name not in gone}
    vary = {name: value for name, value in config.vary.items() if name not in gone}
    written = dict(zip(senses, config.sensors or senses, strict=True))  # one may be written with options
    sensors = tuple(written[name] for name in subset)
    read = {word: value for word, value in config.modalities.items() if word.partition(".")[0] in subset}
    return replace(config, sensors=sensors, context=context, vary=vary, modalities=read)


def _with_keys(config: TrainConfig, senses: SenseNames, subset: SenseNames) -> TrainConfig:
    """Of worlds of other packages the policy does not read some keys."""
    ignored = {f"{name}.kind": IGNORE for name in senses if name not in subset}
    return replace(config, modalities={**config.modalities, **ignored})


_CHOICES: Mapping[str, Choose] = MappingProxyType({"sensors": _with_sensors, "modalities": _with_keys})
