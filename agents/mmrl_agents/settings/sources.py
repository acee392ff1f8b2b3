"""Sentences in source files, read without importing them: torch alone takes seconds to load."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

from mmrl_agents.records.refusals import PACKAGES


def documented(config: type) -> dict[str, str]:
    """The sentences under the fields of a dataclass, by the name of the field."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(config))).body
    assert isinstance(definition, ast.ClassDef)
    return {
        ast.unparse(above.target): " ".join(str(below.value.value).split())
        for above, below in pairwise(definition.body)
        if isinstance(above, ast.AnnAssign) and isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant)
    }


def table_in(module: str, name: str) -> dict[str, str]:
    """The words of a table that a module writes as `name = {"word": value, ...}`, each with the sentence of its value.

    The sentence of a value is its first argument where that is text, else that of what is named in it: the first line
    of the docstring of a class, the first paragraph of the text under a constant.
    """
    body = ast.parse(_text_of(module)).body if name in _text_of(module) else []
    values = [node.value for node in body if isinstance(node, ast.Assign | ast.AnnAssign) and name in _names(node)]
    displays = [part for value in values if value for part in ast.walk(value) if isinstance(part, ast.Dict)][:1]
    return {
        str(key.value): _sentence(module, value)
        for display in displays
        for key, value in zip(display.keys, display.values, strict=True)
        if isinstance(key, ast.Constant)
    }


def calls_in(module: str, name: str) -> Iterator[tuple[str, str, str]]:
    """The calls `name("word", value, ...)` in a module: the word, the value as it is written, and its sentence.

    The sentence is the argument `help` where there is one.
    """
    if f"{name}(" not in _text_of(module):
        return
    for call in ast.walk(ast.parse(_text_of(module))):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == name:
            word, value = call.args[0], call.args[1]
            helps = [_text(keyword.value) for keyword in call.keywords if keyword.arg == "help"]
            if _text(word):
                yield _text(word), ast.unparse(value), (*helps, _sentence(module, value))[0]


def modules_in(package: str) -> list[str]:
    """The modules of a package, sorted."""
    return sorted(f"{package}.{path.stem}" for path in _file(package).parent.glob("[!_]*.py"))


def _names(node: ast.Assign | ast.AnnAssign) -> list[str]:
    return [ast.unparse(target) for target in (node.targets if isinstance(node, ast.Assign) else [node.target])]


def _text(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else ""


def _sentence(module: str, value: ast.expr) -> str:
    first = value.args[0] if isinstance(value, ast.Call) and value.args else value
    if _text(first):
        return _text(first)
    return next(
        filter(None, (_explained(module, part.id) for part in ast.walk(value) if isinstance(part, ast.Name))), ""
    )


def _explained(module: str, name: str) -> str:
    return _docstring(module, name) or _texts_under(module).get(name, "")


@cache
def _texts_under(module: str) -> Mapping[str, str]:
    """The first paragraphs of the texts under the constants of a module of ours, by the name of the constant."""
    body = ast.parse(_text_of(module)).body if module.partition(".")[0] in PACKAGES else []
    return {
        name: " ".join(_text(below.value).partition("\n\n")[0].split())
        for above, below in pairwise(body)
        if isinstance(above, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr)
        for name in _names(above)
    }


def _docstring(module: str, name: str) -> str:
    """The first line of the docstring of a class that a module of ours defines, or imports from one that does."""
    if module.partition(".")[0] not in PACKAGES:
        return ""
    text = _text_of(module)
    if defined := re.search(rf'^class {name}\b[^\n]*:\n    """(.*?)(?:"""|\n)', text, re.MULTILINE):
        return defined[1]
    imported = re.search(rf"^from (\S+) import (?:\([^)]*?|[^\n(]*?)\b{name}\b", text, re.MULTILINE)
    return _docstring(imported[1], name) if imported else ""


@cache
def _text_of(module: str) -> str:
    return _file(module).read_text()


def _file(module: str) -> Path:
    """The source of a module; of its parents only the outermost package is looked up, which imports none of them."""
    package, *parts = module.split(".")
    found = find_spec(package)
    assert found is not None
    assert found.origin is not None
    place = Path(found.origin).parent.joinpath(*parts)
    return place / "__init__.py" if place.is_dir() else place.with_suffix(".py")
