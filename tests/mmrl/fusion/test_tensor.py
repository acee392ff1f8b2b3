import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from mmrl.fusion import Fusion, make_fusion
from mmrl.fusion.tensor import outer_product

SIZES = {"camera": 4, "wrench": 3, "proprioception": 2}


def encodings(rows: int = 5) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(rows, size, generator=generator) for name, size in SIZES.items()}


def test_outer_product_by_hand() -> None:
    # [2, 3, 1] (x) [5, 1]
    product = outer_product([torch.tensor([[2.0, 3.0]]), torch.tensor([[5.0]])])
    assert product.tolist() == [[10.0, 2.0, 15.0, 3.0, 5.0, 1.0]]


@given(st.lists(st.integers(1, 4), min_size=1, max_size=3), st.integers(0, 2**31))
def test_blocks_of_the_outer_product(sizes: list[int], seed: int) -> None:
    """Every subset of the senses has its own block, the products of their features."""
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(2, size, generator=generator) for size in sizes]
    tensor = outer_product(parts).view(2, *(size + 1 for size in sizes))
    for subset in range(2 ** len(sizes)):
        inside = [bool(subset >> axis & 1) for axis in range(len(sizes))]
        # x_s at the indices before the last, the appended 1 at the last
        index = [slice(size) if here else slice(size, size + 1) for size, here in zip(sizes, inside, strict=True)]
        block = tensor[(slice(None), *index)]
        operands = [part if here else torch.ones(2, 1) for part, here in zip(parts, inside, strict=True)]
        letters = "xyz"[: len(sizes)]
        expected = torch.einsum(",".join(f"b{x}" for x in letters) + f"->b{letters}", *operands)
        torch.testing.assert_close(block, expected)


@pytest.mark.parametrize("senses", [("camera",), ("camera", "wrench"), tuple(SIZES)], ids=len)
def test_low_rank_equals_the_tensor_at_full_rank(senses: tuple[str, ...]) -> None:
    sizes, d, features = {name: SIZES[name] for name in senses}, 2, 6
    rank = (d + 1) ** (len(senses) - 1)
    torch.manual_seed(0)
    tensor = make_fusion("tensor", sizes, features, {"projection": d})
    low = make_fusion("lowrank", sizes, features, {"projection": d, "rank": rank})
    with torch.no_grad():
        for name, parameter in tensor.named_parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
            if name in dict(low.named_parameters()):
                low.get_parameter(name).copy_(parameter)
        # One term for each choice of a product of all senses but the last: their factors select it,
        # the last one's holds the weights. W is (d + 1, ..., d + 1, features).
        weight = tensor.get_parameter("linear.weight").T.view(*(d + 1,) * len(senses), features)
        *selecting, last = (low.get_parameter(f"factors./{name}") for name in senses)
        for term, chosen in enumerate(itertools.product(range(d + 1), repeat=len(selecting))):
            for factor, row in zip(selecting, chosen, strict=True):
                factor[term] = 0
                factor[term, row] = 1
            last[term] = weight[chosen]
        low.get_parameter("weights").fill_(1)
        low.get_parameter("bias").copy_(tensor.get_parameter("linear.bias"))
    seen = {name: x for name, x in encodings().items() if name in senses}
    torch.testing.assert_close(low(seen), tensor(seen))
    present = {senses[0]: torch.tensor([True, False, True, False, False])}
    torch.testing.assert_close(low(seen, present), tensor(seen, present))


@pytest.mark.parametrize("name", ["tensor", "lowrank"])
def test_without_a_sense_it_is_the_fusion_of_the_others(name: str) -> None:
    torch.manual_seed(0)
    whole = make_fusion(name, SIZES, 6, {"projection": 3})
    rest = make_fusion(name, {"wrench": 3, "proprioception": 2}, 6, {"projection": 3})
    rest.load_state_dict(
        {key: _without_camera(key, x) for key, x in whole.state_dict().items() if "./camera" not in key}
    )
    scale_by_the_appended_one(whole, rest)
    nowhere = {"camera": torch.zeros(5, dtype=torch.bool)}
    torch.testing.assert_close(whole(encodings(), nowhere), rest(encodings()))


def _without_camera(key: str, parameter: Tensor) -> Tensor:
    """The columns of the products with the 1 of the camera, which runs slowest."""
    return parameter.view(6, 4, 16)[:, 3] if key == "linear.weight" else parameter


def scale_by_the_appended_one(whole: Fusion, rest: Fusion) -> None:
    """The 1 of the camera contributes a constant factor to each term of a low rank."""
    factors = dict(whole.named_parameters()).get("factors./camera")
    if factors is not None:
        with torch.no_grad():
            rest.get_parameter("factors./wrench").mul_(factors[:, -1:])


def test_too_many_products_are_refused() -> None:
    with pytest.raises(ValueError, match=r"4 senses with projection 16 makes 83521 products, more than 32768"):
        make_fusion("tensor", dict.fromkeys("abcd", 20), 6)
    few = make_fusion("tensor", dict.fromkeys("abcd", 20), 6, {"projection": 4})
    assert few.get_parameter("linear.weight").shape == (6, math.prod([5] * 4))
