"""The catalogue of `mmrl list KIND`: the things that can be chosen by name, in every detail.

It asks the things themselves, so it loads torch and MuJoCo where it needs them; `overview.py` reads sources instead.
"""

from collections.abc import Callable, Iterable, Mapping
from contextlib import closing
from typing import Any


def _environments() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl_agents.cli.overview import environments, offers_of_packages
    from mmrl_agents.recipes import all_recipes

    sentences, recipes = environments(offers_of_packages()), all_recipes()
    ours = [name for name, spec in gym.registry.items() if spec.namespace == "mmrl"]
    for name in sorted({*ours, *recipes, *sentences}):
        named = f"recipes: {', '.join(map(_with_its_steps, recipes[name].items()))}" if name in recipes else ""
        yield name, " ".join(filter(None, (sentences.get(name, ""), named)))


def _with_its_steps(recipe: tuple[str, Mapping[str, Any]]) -> str:
    """A recipe by name, with the steps of its training where it says them."""
    name, settings = recipe
    steps = settings.get("total_steps")
    return f"{name} ({steps:,} steps)" if isinstance(steps, int) else name


def _sensors() -> Iterable[tuple[str, str]]:
    from mmrl_envs import make_sensor, sensor_names

    for name in sensor_names():
        try:
            sensor = make_sensor(name)
        except (TypeError, ValueError) as error:  # of anybody's package
            yield name, f"Cannot be used: {error}"
            continue
        modality = sensor.modality
        unit = ", ".join(filter(None, dict.fromkeys(modality.units)))
        rate = f"{modality.rate_hz:g} Hz, {type(modality.encoder).__name__}"
        kind = f"{modality.window_shape} {modality.dtype}{f' in {unit}' if unit else ''} at {rate}"
        yield name, f"{kind}: {_first_line(sensor)}"


def _context() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl_envs import task_ids
    from mmrl_envs.multimodal import describing

    for env_id in task_ids():
        with closing(gym.make_vec(env_id, num_envs=1)) as envs:
            for name, parameter in describing(envs).context_parameters.items():
                yield name, f"{env_id}: {parameter.describe()}"


def _figures() -> Iterable[tuple[str, str]]:
    import gymnasium as gym

    from mmrl.evaluation.figures import Figure, figures_of
    from mmrl_envs import task_ids

    declared_by: dict[Figure, list[str]] = {}
    for env_id in task_ids():
        with closing(gym.make_vec(env_id, num_envs=1)) as envs:
            for figure in figures_of(envs):
                declared_by.setdefault(figure, []).append(env_id)
    return ((figure.heading, f"{figure.describe()} Of {', '.join(ids)}.") for figure, ids in declared_by.items())


def _encoders() -> Iterable[tuple[str, str]]:
    from mmrl.modality.kinds import KINDS

    return ((kind.spec.__name__, f"{kind.name}: {_first_line(kind.spec)}") for kind in KINDS.values())


def _fusions() -> Iterable[tuple[str, str]]:
    from mmrl.fusion import FUSIONS

    return ((name, _first_line(fusion)) for name, fusion in FUSIONS.items())


def _objectives() -> Iterable[tuple[str, str]]:
    from mmrl.representation import OBJECTIVES

    return ((name, _first_line(config)) for name, config in OBJECTIVES.items())


def _probes() -> Iterable[tuple[str, str]]:
    from mmrl.evaluation.probes import PROBES

    return ((name, _first_line(probe)) for name, probe in PROBES.items())


def _aligners() -> Iterable[tuple[str, str]]:
    from mmrl.alignment import ALIGNERS

    return ((name, _first_line(aligner)) for name, aligner in ALIGNERS.items())


def _agents() -> Iterable[tuple[str, str]]:
    from mmrl_agents.algorithms import algorithms, refused_offers

    yield from ((name, algorithm.summary) for name, algorithm in algorithms().items())
    yield from refused_offers().items()


def _curricula() -> Iterable[tuple[str, str]]:
    from dataclasses import fields

    from mmrl.curriculum import CURRICULA

    for name, config in CURRICULA.items():
        options = ", ".join(f"{field.name}={field.default}" for field in fields(config))  # type: ignore[arg-type]
        yield name, f"{_first_line(config)}{f' Options: {options}.' if options else ''}"


def _pretrained() -> Iterable[tuple[str, str]]:
    from mmrl_agents.policies.shipped import pretrained_names

    return ((f"pretrained:{name}", "") for name in pretrained_names())


def _first_line(thing: object) -> str:
    return (thing.__doc__ or "").partition("\n")[0]


CATALOGUE: Mapping[str, Callable[[], Iterable[tuple[str, str]]]] = {
    "environments": _environments,
    "context": _context,
    "figures": _figures,
    "sensors": _sensors,
    "encoders": _encoders,
    "fusions": _fusions,
    "objectives": _objectives,
    "probes": _probes,
    "aligners": _aligners,
    "agents": _agents,
    "curricula": _curricula,
    "pretrained": _pretrained,
}
