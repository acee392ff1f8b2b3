"""Settings by name: a mapping in Python, KEY=VALUE words on a command line."""

from typing import Annotated, Any

import yaml
from tyro.constructors import PrimitiveConstructorSpec


def parse_settings(items: list[str]) -> dict[str, Any]:
    """`["clearance=0.001", "shape=square"]` as a dict; values are read as YAML scalars or lists."""
    settings: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise ValueError(f"a setting is written key=value, got {item!r}")
        try:
            settings[key] = yaml.safe_load(text)
        except yaml.YAMLError as error:
            reason = str(error).replace("\n", " ")
            raise ValueError(f"the value of {key!r} is no YAML, got {text!r}: {reason}") from error
    return settings


_SETTINGS = PrimitiveConstructorSpec(
    nargs="*",
    metavar="KEY=VALUE",
    instance_from_str=parse_settings,
    is_instance=lambda instance: isinstance(instance, dict),
    str_from_instance=lambda instance: [f"{key}={value}" for key, value in instance.items()],
)
Settings = Annotated[dict[str, Any], _SETTINGS]
"""The type of a config field that the command line fills with KEY=VALUE words."""
