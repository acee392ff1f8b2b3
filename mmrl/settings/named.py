"""Settings by name: a mapping in Python, KEY=VALUE words on a command line."""

import re
from collections.abc import Mapping
from typing import Annotated, Any

import yaml
from tyro.constructors import PrimitiveConstructorSpec

_BOOL = "tag:yaml.org,2002:bool"


class _Loader(yaml.SafeLoader):
    """YAML as one writes it on a command line: `1e-3` is a number, `no` is a word, `{a:1}` a mapping."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML reads it from the class
        first: [(tag, words) for tag, words in resolvers if tag != _BOOL]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        # One that stands within what it names has no end, and a few lines of them fill any memory.
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"an alias, *{self.peek_event().anchor}, is no value of a setting")  # type: ignore[no-untyped-call]
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        entries = super().construct_mapping(node, deep=deep)
        return dict(self._split(key, value) for key, value in entries.items())

    def _split(self, key: Any, value: Any) -> tuple[Any, Any]:
        # To YAML `a:1` is a key of that name, with nothing behind it.
        if value is not None or not isinstance(key, str) or ":" not in key:
            return key, value
        name, _, text = key.partition(":")
        return name, yaml.load(text, type(self))


_Loader.add_implicit_resolver(
    _BOOL, re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)  # those of YAML 1.2
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$"), list("-+.0123456789")
)


def parse_settings(items: list[str]) -> dict[str, Any]:
    """`["clearance=0.001", "shape=square"]` as a dict; values are read as YAML scalars, lists or mappings."""
    settings: dict[str, Any] = {}
    for item in items:
        key, equals, text = item.partition("=")
        if not key or not equals:
            raise ValueError(f"a setting is written key=value, got {item!r}")
        try:
            settings[key] = yaml.load(text, _Loader)
        except yaml.YAMLError as error:
            reason = str(error).replace("\n", " ")
            raise ValueError(f"the value of {key!r} is no YAML, got {text!r}: {reason}") from error
    return settings


def parse_document(content: bytes, name: str) -> dict[str, Any]:
    """A YAML or JSON file of settings, named in messages; raises ValueError where it holds no mapping."""
    try:
        document = yaml.load(content, _Loader)
    except (yaml.YAMLError, UnicodeError, RecursionError) as error:
        reason = str(error).replace("\n", " ")
        raise ValueError(f"{name} is no YAML: {reason}") from error
    if not isinstance(document, Mapping) or not all(isinstance(key, str) for key in document):
        raise ValueError(f"{name} must hold settings by name, got {type(document).__name__}")
    return dict(document)


def nested(settings: Mapping[str, Any]) -> dict[str, Any]:
    """`{"impedance.stiffness": 1000}` as `{"impedance": {"stiffness": 1000}}`, for names without dots of their own.

    Raises ValueError where a name is given a value and parts as well.
    """
    tree: dict[str, Any] = {}
    for key, value in settings.items():
        name, dot, part = key.partition(".")
        if not dot:
            tree = joined(tree, {name: value})
        elif name and part and isinstance(tree.get(name, {}), Mapping):
            tree = joined(tree, {name: nested({part: value})})
        else:
            raise ValueError(f"{key} sets a part of {name!r}, which is {tree.get(name)!r} and has no parts")
    return tree


def joined(base: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings by name over others, those within them likewise."""
    both = {
        name: joined(base[name], value)
        for name, value in given.items()
        if isinstance(value, Mapping) and isinstance(base.get(name), Mapping)
    }
    return {**base, **given, **both}


_SETTINGS = PrimitiveConstructorSpec(
    nargs="*",
    metavar="KEY=VALUE",
    instance_from_str=parse_settings,
    is_instance=lambda instance: isinstance(instance, dict),
    str_from_instance=lambda instance: [f"{key}={value}" for key, value in instance.items()],
)
Settings = Annotated[dict[str, Any], _SETTINGS]
"""The type of a config field that the command line fills with KEY=VALUE words."""
