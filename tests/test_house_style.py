"""House style that no linter checks: first words of docstrings, lengths of files, one meaning for each name."""

import ast
import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SOURCES = ("mmrl", "envs/mmrl_envs", "agents/mmrl_agents", "benchmarks")
MOST_LINES = {**dict.fromkeys(SOURCES, 300), "tests": 400}
"""Lines of a file, by the folder that it is in."""
MOST_ENTRIES = 18
"""Files and folders in a folder of sources: more are no room but a heap."""
NOT_OF_THE_FIELD = {"told", "defeat", "trouble", "take_up", "carry_on", "player"}
"""Names for which the field has others: reported, last_error, resume, policy."""

IS_AN_ENVIRONMENT = re.compile(r"(.*\.)?(Env|\w*VectorEnv|GroupedWorlds)\b")
"""A base class, as it is written."""


def files_in(folder: str) -> Iterator[tuple[str, str]]:
    """Path and text of every Python file."""
    return ((str(path.relative_to(ROOT)), path.read_text()) for path in sorted((ROOT / folder).rglob("*.py")))


@pytest.mark.parametrize("folder", MOST_LINES)
def test_no_docstring_begins_with_what_or_as_of(folder: str) -> None:
    """A docstring says what a thing is: it begins with a noun or a verb."""
    pattern = re.compile(r'^\s*r?"""\s?(?:What|As of)\b.*', re.MULTILINE)
    assert [f"{path}: {line}" for path, text in files_in(folder) for line in pattern.findall(text)] == []


@pytest.mark.parametrize(("folder", "most"), MOST_LINES.items())
def test_no_file_is_too_long_to_read(folder: str, most: int) -> None:
    lengths = {path: len(text.splitlines()) for path, text in files_in(folder)}
    assert {path: length for path, length in lengths.items() if length > most} == {}


@pytest.mark.parametrize("folder", [folder for folder in SOURCES if folder != "benchmarks"])
def test_no_folder_is_too_full_to_look_over(folder: str) -> None:
    """Python's own leavings do not count, nor its mark that a package has types."""
    inside = [
        path for path in (ROOT / folder).rglob("*") if "__pycache__" not in path.parts and path.name != "py.typed"
    ]
    entries = {parent: sum(path.parent == parent for path in inside) for parent in {path.parent for path in inside}}
    assert len(entries) > 5
    assert {str(parent): count for parent, count in entries.items() if count > MOST_ENTRIES} == {}


def test_one_name_means_one_thing() -> None:
    """No two modules define a public class, or an alias of a type, under the same name."""
    places: dict[str, list[str]] = {}
    for path, text in itertools.chain.from_iterable(map(files_in, SOURCES)):
        for name in names_of_types(text):
            places.setdefault(name, []).append(path)
    assert {name: paths for name, paths in places.items() if len(paths) > 1} == {}


def names_of_types(text: str) -> Iterator[str]:
    """The public classes and the aliases of types at the top of a module; a type variable means nothing by itself."""
    for node in ast.parse(text).body:
        if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
            yield node.name
        elif isinstance(node, ast.Assign | ast.AnnAssign) and "TypeVar(" not in ast.unparse(node):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name) and is_a_type(target.id))


def is_a_type(name: str) -> bool:
    """Names of types are in CamelCase; constants are in capitals."""
    return name[0].isupper() and not name.isupper()


def test_environments_side_by_side_have_one_name() -> None:
    spelled_out = [path for folder in SOURCES for path, text in files_in(folder) if "VectorEnv[Any, Any, Any]" in text]
    assert spelled_out == ["mmrl/arrays.py"]  # which calls them Envs


def test_environments_of_tests_stand_together() -> None:
    """A test may vary a toy; only programs that a test writes to a file define an environment of their own."""
    toys = [name for path, text in files_in("tests/toys") for name in environments(text)]
    assert len(toys) > 10
    elsewhere = {
        path: list(environments(text)) for path, text in files_in("tests") if not path.startswith("tests/toys/")
    }
    assert {path: names for path, names in elsewhere.items() if names} == {}


def environments(text: str) -> Iterator[str]:
    """The classes that are environments by the name of a base: of Gymnasium or of `mmrl_envs.multimodal`."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ClassDef) and any(IS_AN_ENVIRONMENT.match(ast.unparse(base)) for base in node.bases):
            yield node.name


@pytest.mark.parametrize("folder", MOST_LINES)
def test_names_are_those_of_the_field(folder: str) -> None:
    pattern = re.compile(rf"(?<![\w])_*({'|'.join(NOT_OF_THE_FIELD)})(?=\s*[:=(,)])")
    found = {path: pattern.findall(text) for path, text in files_in(folder) if not path.endswith("test_house_style.py")}
    assert {path: names for path, names in found.items() if names} == {}


@pytest.mark.parametrize("folder", SOURCES)
def test_many_parameters_have_a_reason_beside_them(folder: str) -> None:
    pattern = re.compile(r".*noqa: PLR0913(?! - \w).*")
    assert [f"{path}: {line}" for path, text in files_in(folder) for line in pattern.findall(text)] == []
