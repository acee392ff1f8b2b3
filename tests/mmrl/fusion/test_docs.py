"""docs/fusion.md is true: its table names every fusion and option, its code runs."""

import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from mmrl.fusion import FUSIONS, make_fusion

DOCS = Path(__file__).parents[3] / "docs"
TEXT = (DOCS / "fusion.md").read_text()
# Of the first table; another one compares them.
ROWS = {
    cells[1].strip(" `"): cells
    for line in TEXT.partition("\n## ")[0].splitlines()
    if line.startswith("| `")
    if (cells := line.split("|"))
}
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = dict(FUSIONS)
    yield
    FUSIONS.clear()
    FUSIONS.update(before)


def test_the_table_has_every_fusion() -> None:
    assert list(ROWS) == list(FUSIONS)


def test_the_comparison_is_what_was_measured() -> None:
    measured = json.loads((DOCS / "results" / "fusions.json").read_text())["fusions"]
    documented = re.findall(r"^\| `(\w+)` \| ([\d,]+) \|.* \| ([\d,]+) \| ([\d.]+) % \|$", TEXT, re.MULTILINE)
    assert [name for name, *_ in documented] == list(measured) == list(FUSIONS)
    for name, parameters, steps, success in documented:
        figures = measured[name]
        assert int(parameters.replace(",", "")) == figures["parameters"]
        assert int(steps.replace(",", "")) == figures["steps_to_level"][0]
        assert float(success) == pytest.approx(100 * figures["success"][0])


@pytest.mark.parametrize("name", FUSIONS)
def test_the_table_has_every_option_with_its_default(name: str) -> None:
    options = fields(FUSIONS[name].options_type)
    documented = re.findall(r"`(\w+)` \(([^)]*)\)", ROWS[name][4])
    assert [key for key, _ in documented] == [option.name for option in options]
    for (_, text), option in zip(documented, options, strict=True):
        default = option.default
        if isinstance(default, float):
            numerator, _, denominator = text.partition("/")
            assert float(numerator) / float(denominator or 1) == default
        else:
            assert text.split(" or ")[0] == (
                ", ".join(map(str, default)) if isinstance(default, tuple) else str(default)
            )


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_code_runs(block: str) -> None:
    exec(compile(block, "fusion.md", "exec"), {"__name__": "fusion_md"})


def test_a_fusion_of_ones_own_is_found_by_its_name() -> None:
    exec(compile(BLOCKS[-1], "fusion.md", "exec"), {"__name__": "fusion_md"})
    with pytest.raises(ValueError, match="fusion 'max' has no option 'rank'; it has sharpness"):
        make_fusion("max", {"a": 2}, 3, {"rank": 1})
    assert make_fusion("max", {"a": 2}, 3, {"sharpness": 2.0}).features == 3
