"""Code that a config file may import: mmrl, what is installed and registered, and modules that the user names.

A config is data, but its environment may be "module:function", and an encoder `Custom("module:factory")`: names of code
to import and call. Where somebody else wrote the file, that is a program of theirs. So a name in a file counts only if
this user trained with it on this machine, which a mark in the file shows, or names it now.
"""

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import gymnasium as gym
from torch import nn

from mmrl.modality.foreign import overrides_from
from mmrl_agents.records.marks import FIELD, canonical, is_ours, mark
from mmrl_envs.sensors.sensing.spec import parse_sensor

_KIND = "config.json"
_OURS = "mmrl/"
_NATIVE = "pybullet"


class Untrusted(ValueError):
    """A file names code that nobody allowed."""


@dataclass(frozen=True)
class Target:
    """Code that a config names."""

    name: str
    """As it stands there: module:name."""
    base: type
    """A class with this base may be called, and a function."""

    @property
    def module(self) -> str:
        """The module that would be imported."""
        return self.name.rpartition(":")[0]


def targets_of(train: Mapping[str, Any]) -> list[Target]:
    """All code that the settings of a training name, `train` as config.json has it."""
    env = str(train.get("env", ""))
    encoders = [*_in_modalities(train.get("modalities")), *_in_sensors(train)]
    return [*([Target(env, gym.Env)] if ":" in env else []), *(Target(name, nn.Module) for name in encoders)]


def marked_config(document: Mapping[str, Any], *, portable: bool = False) -> dict[str, Any]:
    """A config.json that this user stands for, with where the modules it names were found.

    A portable one leaves that out, for others to whom it says nothing.
    """
    train = document.get("train", {})
    found_in = [] if portable else sorted({place for target in targets_of(train) for place in _origin(target.module)})
    return {**document, FIELD: {"found_in": found_in, "digest": mark(_KIND, _meaning(train, found_in))}}


def is_marked_config(document: Mapping[str, Any]) -> bool:
    """Whether this user trained what the document says, on this machine."""
    given = document.get(FIELD)
    if not isinstance(given, Mapping):
        return False
    return is_ours(given.get("digest"), _KIND, _meaning(document.get("train", {}), given.get("found_in")))


def require_trusted(document: Mapping[str, Any], source: str, trust: Sequence[str] = ()) -> None:
    """Raise Untrusted where a document names code that is neither this user's own nor in `trust`, before any import.

    `trust` has names of modules or packages, and ids of environments that may be given names of files.
    """
    train = document.get("train")
    if not isinstance(train, Mapping):
        return
    targets, outside = targets_of(train), _reaching_outside(train)
    if not targets and outside is None:
        return
    if is_marked_config(document):
        _let_be_found(targets, document[FIELD]["found_in"])
        return
    for target in targets:
        _require_named(target, source, trust)
    if outside is not None and train["env"] not in trust and not _is_named(str(train["env"]).rpartition(":")[0], trust):
        raise Untrusted(
            f"{source} gives {train['env']} {outside}, which may name a file or a module, and it was not trained by "
            f"you on this machine; allow it with --trust {train['env']}"
        )
    for target in targets:
        _require_callable(target)


def trusted_state(
    state: Mapping[str, Any], document: Mapping[str, Any], env_kwargs: Mapping[str, Any], trust: Sequence[str] = ()
) -> dict[str, Any]:
    """The state of a training without what PyBullet would read of somebody else's run, so that new episodes begin.

    `document` is the config.json beside it, `env_kwargs` what the worlds are made with now. PyBullet's format is read
    by native code that was not made for hostile files.
    """
    safe = env_kwargs.get("engine") != _NATIVE or is_marked_config(document) or _NATIVE in trust
    return dict(state) if safe else {**state, "worlds": None}


def let_modules_here_be_found() -> None:
    """Search the current folder for modules that the user names, as `python -m` does; last, where it hides nothing."""
    _search(os.getcwd())


def _meaning(train: Any, found_in: Any) -> bytes:
    """All that decides what is imported and what it is given."""
    settings = train if isinstance(train, Mapping) else {}
    names = ("env", "env_kwargs", "modalities", "sensors")
    return canonical({"found_in": found_in, **{name: settings.get(name) for name in names}})


def _in_modalities(modalities: Any) -> Iterator[str]:
    settings = overrides_from(modalities) if isinstance(modalities, Mapping) else {}
    return (str(options["target"]) for options in settings.values() if "target" in options)


def _in_sensors(train: Mapping[str, Any]) -> Iterator[str]:
    """Sensors are texts, with settings of their encoders behind a colon."""
    kwargs = train.get("env_kwargs")
    more = kwargs.get("sensors") if isinstance(kwargs, Mapping) else ()
    texts = [
        text
        for texts in (train.get("sensors"), more)
        for text in (texts if isinstance(texts, list | tuple) else [texts])
    ]
    specs = (parse_sensor(text) for text in texts if isinstance(text, str))
    return (str(spec.encoder["target"]) for spec in specs if "target" in spec.encoder)


def _reaching_outside(train: Mapping[str, Any]) -> str | None:
    """An argument of another package's environment that may name a file or a module, such as xml_file of MuJoCo's."""
    if str(train.get("env", "")).startswith(_OURS):
        return None
    kwargs = train.get("env_kwargs")
    found = (name for name, value in (kwargs.items() if isinstance(kwargs, Mapping) else ()) if _names_a_place(value))
    name = next(found, None)
    return None if name is None else f"{name}={kwargs[name]!r}"  # type: ignore[index]  # found in it


def _names_a_place(value: Any) -> bool:
    if isinstance(value, str):
        return any(letter in value for letter in "/\\:") or Path(value).suffix != ""
    if isinstance(value, Mapping):
        return any(_names_a_place(part) for pair in value.items() for part in pair)
    return isinstance(value, list | tuple) and any(map(_names_a_place, value))


def _require_named(target: Target, source: str, trust: Sequence[str]) -> None:
    top = target.module.partition(".")[0]
    if top in sys.stdlib_module_names:
        raise Untrusted(f"{source} names {target.name!r}, of Python itself: no environment and no encoder, so refused")
    if not _is_named(target.module, trust):
        raise Untrusted(
            f"{source} names {target.name!r}: it would be imported and run, and it was not trained by you on this "
            f"machine; read that code, and allow it with --trust {target.module}"
        )


def _is_named(module: str, trust: Sequence[str]) -> bool:
    return any(module == name or module.startswith(f"{name}.") for name in trust)


def _require_callable(target: Target) -> None:
    """Raise Untrusted where a module that is trusted has another's function under that name; imports the module."""
    let_modules_here_be_found()
    name = target.name.rpartition(":")[2]
    try:
        found = getattr(importlib.import_module(target.module), name, None)
    except ModuleNotFoundError:  # said with more words where it is needed
        return
    if found is None or name in gym.registry:
        return
    its_own = getattr(found, "__module__", "").partition(".")[0] == target.module.partition(".")[0]
    allowed = issubclass(found, target.base) if inspect.isclass(found) else inspect.isfunction(found) and its_own
    if not allowed:
        raise Untrusted(f"{target.name!r} is no {target.base.__name__} and no function of {target.module}")


def _origin(module: str) -> Iterator[str]:
    """The folder in which a module that was imported was found; nothing for one that was not."""
    top = sys.modules.get(module.partition(".")[0])
    if isinstance(top, ModuleType) and top.__file__ is not None:
        levels = 2 if hasattr(top, "__path__") else 1
        yield str(Path(top.__file__).resolve().parents[levels - 1])


def _let_be_found(targets: Sequence[Target], places: Sequence[str]) -> None:
    """Search where modules were found when this user trained, if they are not installed."""
    tops = {target.module.partition(".")[0] for target in targets}
    if any(top not in sys.modules and importlib.util.find_spec(top) is None for top in tops):
        for place in places:
            _search(place)


def _search(folder: str) -> None:
    if folder not in sys.path:
        sys.path.append(folder)
