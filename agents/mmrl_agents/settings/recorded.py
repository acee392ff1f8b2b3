"""Settings of a training on record: as JSON, and from the config.json of this version or an older one."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar, cast

from mmrl.settings.documents import build

Config = TypeVar("Config")

# Settings of older runs that this version does without, by the part they were in.
_RETIRED = MappingProxyType({"reinforce": ("value_coef",), "ppo": ("state_coef",)})


def config_to_dict(config: Any) -> dict[str, Any]:
    """A config as JSON values: tuples become lists and paths strings."""

    def simple(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: simple(item) for key, item in value.items()}
        if isinstance(value, list | tuple):
            return [simple(item) for item in value]
        return str(value) if isinstance(value, Path) else value

    document = cast(dict[str, Any], simple(dataclasses.asdict(config)))
    document.pop("trust", None)  # whoever reads it decides for himself
    return document


def described(cls: type[Config], document: Mapping[str, Any], source: str = "config.json") -> Config:
    """The training run, of the dataclass `cls`, that a config.json or another `source` describes.

    It is to be looked at and not to be run: no code that it names is of any consequence.
    """
    train = document.get("train")
    if not isinstance(train, Mapping):
        raise ValueError(f"{source} has no 'train' with the settings; it has {', '.join(document) or 'nothing'}")
    return from_dict(cls, present_settings(train))


def from_dict(cls: type[Config], document: Mapping[str, Any]) -> Config:
    """Undo `config_to_dict`; raises ValueError naming fields this version does not know and values it refuses."""
    # What an older version has not written was not of a recipe.
    fields = dataclasses.fields(cls)  # type: ignore[arg-type]  # the caller's promise
    missing = {field.name: _default_of(field) for field in fields if field.name != "env"}
    return build(cls, {**missing, **document})


def _default_of(field: dataclasses.Field[Any]) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def present_settings(train: Mapping[str, Any]) -> dict[str, Any]:
    """Of the settings on record, perhaps of an older version, those that this one has."""
    present = {name: value for name, value in train.items() if name != "trust"}
    for name, retired in _RETIRED.items():
        if isinstance(part := train.get(name), Mapping):
            present[name] = {key: value for key, value in part.items() if key not in retired}
    return present | _objectives_of_ppo(train.get("ppo"))


def _objectives_of_ppo(ppo: Any) -> dict[str, Any]:
    """The only objective of older versions, whose weight was a setting of PPO."""
    weight = ppo.get("state_coef") if isinstance(ppo, Mapping) else None
    return {"objectives": {"state": {"weight": weight}}} if weight else {}
