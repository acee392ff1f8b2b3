"""Sensors as one writes them on a command line: a name, and options of it behind a colon.

    camera
    camera:height=96,width=96,fovy=70
    camera:name=side,position=[0.5,0.4,0.3],view=fixed,encoder.features=32

A value is written as in YAML. An option is an argument of what makes the sensor; `encoder.FIELD` is a field of the
encoder that the sensor declares.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from mmrl.modality import EncoderSpec
from mmrl.settings.named import parse_settings
from mmrl_envs.sensors.base import Sensor

_COMMA = re.compile(r",(?![^\[(]*[\])])")
"""A comma that is not within brackets."""
_ENCODER = "encoder."


@dataclass(frozen=True)
class SensorSpec:
    """A sensor that a text asks for."""

    name: str
    """Of the sensor, as it is registered."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of what makes it."""
    encoder: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its encoder that differ from the declared ones."""

    def make(self, factory: Callable[..., Sensor]) -> Sensor:
        """The sensor. Raises ValueError for an option or a field of the encoder that there is not."""
        _require_options(self.name, factory, self.options)
        sensor = factory(**self.options)
        if self.encoder:
            encoder = _changed(self.name, sensor.modality.encoder, self.encoder)
            sensor.modality = replace(sensor.modality, encoder=encoder)
        return sensor


def parse_sensor(text: str) -> SensorSpec:
    """Reads "name" or "name:key=value,key=value". Raises ValueError for what is neither."""
    name, colon, rest = text.partition(":")
    if not colon:
        return SensorSpec(name)
    words = [word.strip() for word in _COMMA.split(rest)]
    keys = [word.partition("=")[0] for word in words]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise ValueError(f"sensor {text!r} gives {twice} more than once")
    try:
        settings = {key: _frozen(value) for key, value in parse_settings(words).items()}
    except ValueError as error:
        raise ValueError(f"sensor {text!r} must read name:key=value,key=value: {error}") from error
    options = {key: value for key, value in settings.items() if not key.startswith(_ENCODER)}
    encoder = {key.removeprefix(_ENCODER): value for key, value in settings.items() if key not in options}
    return SensorSpec(name, options, encoder)


def _frozen(value: Any) -> Any:
    """Lists as tuples, as frozen declarations hold them."""
    return tuple(_frozen(entry) for entry in value) if isinstance(value, list) else value


def _require_options(name: str, factory: Callable[..., Sensor], options: Mapping[str, Any]) -> None:
    parameters = inspect.signature(factory).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    positional = {inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.VAR_POSITIONAL}
    known = [parameter.name for parameter in parameters if parameter.kind not in positional]
    _require_known(f"sensor {name!r}", "option", options, known)


def _changed(name: str, encoder: EncoderSpec, settings: Mapping[str, Any]) -> EncoderSpec:
    known = [entry.name for entry in fields(encoder) if entry.init]
    _require_known(f"the encoder of sensor {name!r}, {type(encoder).__name__},", "field", settings, known)
    return replace(encoder, **settings)


def _require_known(what: str, kind: str, given: Mapping[str, Any], known: list[str]) -> None:
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise ValueError(f"{what} has no {kind} {', '.join(unknown)}; it has {', '.join(known) or 'none'}")
