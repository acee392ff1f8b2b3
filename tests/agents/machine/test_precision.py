import pytest
import torch

from mmrl_agents.machine.precision import Precision, computing_in, multiplies_bfloat16

CPU = torch.device("cpu")


def product(precision: Precision) -> torch.Tensor:
    with computing_in(precision, CPU):
        return torch.ones(2, 3) @ torch.ones(3, 2)


@pytest.mark.parametrize(("precision", "dtype"), [("float32", torch.float32), ("bfloat16", torch.bfloat16)])
def test_layers_multiply_in_the_precision_asked_for(precision: Precision, dtype: torch.dtype) -> None:
    assert product(precision).dtype == dtype


def test_auto_asks_the_processor() -> None:
    assert product("auto").dtype == (torch.bfloat16 if multiplies_bfloat16(CPU) else torch.float32)


def test_where_layers_stay_as_they_are_no_instructions_are_claimed() -> None:
    assert not multiplies_bfloat16(torch.device("meta"))
