import torch
from torch import Tensor

from mmrl.fusion import Fusion, make_fusion

SIZES = {"camera": 4, "wrench": 3, "proprioception": 2}


def encodings(seed: int) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(5, size, generator=generator) for name, size in SIZES.items()}


def build(name: str) -> Fusion:
    torch.manual_seed(0)
    fusion = make_fusion(name, SIZES, 6)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fusion


def test_a_sum_knows_no_interaction() -> None:
    fusion, here, there = build("sum"), encodings(0), encodings(1)
    # what the wrench changes is the same wherever the camera looks
    change = fusion(here | {"wrench": there["wrench"]}) - fusion(here)
    elsewhere = here | {"camera": there["camera"]}
    torch.testing.assert_close(fusion(elsewhere | {"wrench": there["wrench"]}) - fusion(elsewhere), change)


def test_a_product_without_a_sense_is_the_product_of_the_others() -> None:
    fusion = build("product")
    rest = make_fusion("product", {name: size for name, size in SIZES.items() if name != "wrench"}, 6)
    rest.load_state_dict({key: x for key, x in fusion.state_dict().items() if "wrench" not in key})
    nowhere = {"wrench": torch.zeros(5, dtype=torch.bool)}
    torch.testing.assert_close(fusion(encodings(0), nowhere), rest(encodings(0)))


def test_a_product_turns_its_sign_with_each_sense() -> None:
    fusion, features = build("product"), encodings(0)
    with torch.no_grad():
        for name, parameter in fusion.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
    # without biases it is odd in every sense, and so even in two of them
    turned = features | {"camera": -features["camera"]}
    torch.testing.assert_close(fusion(turned), -fusion(features))
    torch.testing.assert_close(fusion(turned | {"wrench": -features["wrench"]}), fusion(features))


def test_concatenation_by_hand() -> None:
    fusion = make_fusion("concat", {"camera": 1, "wrench": 1}, 2)
    with torch.no_grad():
        fusion.get_parameter("linear.weight").copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
    fused = fusion({"camera": torch.tensor([[1.0]]), "wrench": torch.tensor([[1.0]])})
    # rows give 3 and 7; normalised -1 and 1 (mean 5, deviation 2)
    torch.testing.assert_close(fused, torch.tensor([[-1.0, 1.0]]).tanh(), atol=1e-4, rtol=0)
