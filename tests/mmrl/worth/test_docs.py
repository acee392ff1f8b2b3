"""docs/senses.md is true: its tables name every fault and every option, its code runs."""

import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mmrl.faults import Fault
from mmrl.worth import BrokenWays
from mmrl.worth.conditions import unplugged
from mmrl_agents.settings.config import TrainConfig

TEXT = (Path(__file__).parents[3] / "docs" / "senses.md").read_text()


def test_every_fault_is_in_the_table() -> None:
    documented = re.findall(r"^\| `(\w+)\(", TEXT, re.MULTILINE)
    classes, found = [Fault], []
    while classes:
        subclasses = classes.pop().__subclasses__()
        classes += subclasses
        found += [fault.__name__ for fault in subclasses if fault.__module__ == "mmrl.faults.faults"]
    assert sorted(documented) == sorted(found)


@pytest.mark.parametrize("field", fields(BrokenWays), ids=lambda field: field.name)
def test_every_level_is_an_option_with_its_default(field: Any) -> None:
    option = f"--faults.{field.name.replace('_', '-')}"
    values = " ".join(f"{value:g}" for value in np.ravel(field.default)) if field.default else "K"
    assert f"`{option} {values}`" in TEXT


def test_rows_and_training_are_called_as_they_are() -> None:
    labels = [condition.label for condition in unplugged(("X", "Y", "Z"))]
    assert {"all senses", "without X", "only X", "no senses"} < set(labels)
    assert {"all senses", "without X", "only X", "no senses"} < set(re.findall(r"^\| ([^|]+?) \|", TEXT, re.MULTILINE))
    # 8 subsets, and 7 ways for each of 3 senses
    assert f"With three senses these are {len(labels) + 3 * 7} rows" in TEXT
    assert TrainConfig("a", sense_dropout=0.2).sense_dropout == 0.2
    assert "--sense-dropout 0.2" in TEXT


def test_the_code_runs() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    there: dict[str, Any] = {}
    exec(block, there)
    assert there["env"].reset(seed=0)[0].keys() == there["envs"].reset(seed=0)[0].keys()
    for worlds in (there["env"], there["envs"]):
        worlds.close()
