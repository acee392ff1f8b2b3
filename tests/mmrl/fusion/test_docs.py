"""docs/fusion.md is true: its table names every fusion and option, its code runs."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from mmrl.fusion import FUSIONS, make_fusion

TEXT = (Path(__file__).parents[3] / "docs" / "fusion.md").read_text()
ROWS = {
    cells[1].strip(" `"): cells for line in TEXT.splitlines() if line.startswith("| `") if (cells := line.split("|"))
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


@pytest.mark.parametrize("name", FUSIONS)
def test_the_table_has_every_option_with_its_default(name: str) -> None:
    options = fields(FUSIONS[name].options_type)
    told = re.findall(r"`(\w+)` \(([^)]*)\)", ROWS[name][4])
    assert [key for key, _ in told] == [option.name for option in options]
    for (_, text), option in zip(told, options, strict=True):
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
