"""docs/objectives.md is true: its table names every objective and setting, its code runs."""

import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest
import torch

from mmrl.modality import MLP, Modality
from mmrl.perception import Perception
from mmrl.representation import OBJECTIVES, objective_configs
from tests.mmrl.representation.samples import Samples

TEXT = (Path(__file__).parents[3] / "docs" / "objectives.md").read_text()
ROWS = {
    cells[1].strip(" `"): cells for line in TEXT.splitlines() if line.startswith("| `") and (cells := line.split("|"))
}


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    before = dict(OBJECTIVES)
    yield
    OBJECTIVES.clear()
    OBJECTIVES.update(before)


def test_the_table_has_every_objective_with_its_settings() -> None:
    assert list(ROWS) == list(OBJECTIVES)
    for name, config in OBJECTIVES.items():
        for setting in fields(config):
            assert f"`{setting.name}`" in ROWS[name][3]


def test_the_objective_of_ones_own_works() -> None:
    (block,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(block, {})
    senses = {"proprioception": Modality("proprioception", (4,), 20, MLP((5,), features=6), history=3)}
    perception = Perception(senses, features=7)
    config = objective_configs({"reconstruction": {"weight": 0.1}})["reconstruction"]
    objective = config.start(perception, senses)
    samples = Samples({"proprioception": torch.randn(5, 3, 4)}, torch.zeros(5))
    loss = objective(samples, perception(samples.observations))
    loss.backward()
    assert all(weight.grad is not None for weight in objective.parameters())
