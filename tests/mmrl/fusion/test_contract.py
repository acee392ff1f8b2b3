import pytest
import torch

from mmrl.fusion import FUSIONS, ConcatFusion, Fusion, make_fusion

SIZES = {"camera": 4, "wrench": 3, "proprio": 2}


def encodings(rows: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(rows, size, generator=generator) for name, size in SIZES.items()}


@pytest.fixture(params=sorted(FUSIONS))
def fusion(request: pytest.FixtureRequest) -> Fusion:
    """Every registered fusion, as if after some training."""
    torch.manual_seed(0)
    fusion = make_fusion(request.param, SIZES, 6)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fusion


def test_maps_to_features(fusion: Fusion) -> None:
    assert fusion(encodings(5)).shape == (5, 6) == (5, fusion.features)


def test_order_of_the_dict_does_not_matter(fusion: Fusion) -> None:
    features = encodings(5)
    shuffled = dict(reversed(features.items()))
    assert torch.equal(fusion(features), fusion(shuffled))


def test_a_mask_of_ones_is_no_mask(fusion: Fusion) -> None:
    features = encodings(5)
    present = {name: torch.ones(5, dtype=torch.bool) for name in SIZES}
    assert torch.equal(fusion(features, present), fusion(features))
    assert torch.equal(fusion(features, {}), fusion(features, None))


def test_absent_rows_are_as_a_missing_sense(fusion: Fusion) -> None:
    features = encodings(5)
    mask = torch.tensor([True, False, True, False, False])
    mixed = fusion(features, {"wrench": mask})
    nowhere = {"wrench": torch.zeros(5, dtype=torch.bool)}
    without = fusion({"camera": features["camera"], "proprio": features["proprio"]}, nowhere)
    expected = torch.where(mask[:, None], fusion(features), without)
    torch.testing.assert_close(mixed, expected)
    assert not torch.allclose(mixed, fusion(features))


def test_no_sense_at_all_still_gives_a_vector(fusion: Fusion) -> None:
    nowhere = {name: torch.zeros(3, dtype=torch.bool) for name in SIZES}
    fused = fusion({}, nowhere)
    assert fused.shape == (3, 6)
    assert torch.isfinite(fused).all()


def test_absent_encodings_get_no_gradient(fusion: Fusion) -> None:
    features = {name: x.requires_grad_() for name, x in encodings(4).items()}
    mask = torch.tensor([True, False, True, False])
    fusion(features, {"wrench": mask}).square().sum().backward()
    gradient = features["wrench"].grad
    assert gradient is not None
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).any()


def test_what_stands_for_an_absent_sense_is_learned(fusion: Fusion) -> None:
    nowhere = {"wrench": torch.zeros(4, dtype=torch.bool)}
    before = fusion(encodings(4), nowhere).detach()
    optimizer = torch.optim.SGD(fusion.parameters(), 0.1)
    only_absent = [p for name, p in fusion.named_parameters() if "absent" in name]
    fusion(encodings(4), nowhere).square().sum().backward()
    assert any((p.grad != 0).any() for p in only_absent if p.grad is not None)
    optimizer.step()
    assert not torch.allclose(fusion(encodings(4), nowhere), before)


def test_gradients_are_right(fusion: Fusion) -> None:
    fusion = fusion.double()
    inputs = [x.double().requires_grad_() for x in encodings(3).values()]
    present = {"camera": torch.tensor([True, False, True])}

    def run(*values: torch.Tensor) -> torch.Tensor:
        fused: torch.Tensor = fusion(dict(zip(SIZES, values, strict=True)), present)
        return fused

    assert torch.autograd.gradcheck(run, inputs)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"'outer'.*concat"):
        make_fusion("outer", SIZES, 6)


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one sense"):
        ConcatFusion({}, 6)
    with pytest.raises(ValueError, match=r"'wrench'.*0"):
        ConcatFusion({"wrench": 0}, 6)
