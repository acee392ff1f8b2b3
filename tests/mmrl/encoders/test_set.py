"""Sets: their order, padding and whatever missing elements hold change nothing; worked by hand where it can be."""

import itertools

import pytest
import torch
from torch import Tensor, nn

from mmrl.encoders import Encoder, SetEncoder, SetTokens, Unplaced, build_encoder, build_signal, build_token_encoder
from mmrl.encoders.clock import Clock
from mmrl.modality import DeepSets, Modality

SPEC = DeepSets(hidden=(16, 12), features=10)


def sense(elements: int, spec: DeepSets = SPEC) -> Modality:
    return Modality("cloud", (elements, 4), 20, spec)


def drawn(rows: int, elements: int) -> Tensor:
    """Sets of which some elements are missing, not all."""
    x = torch.randn(rows, elements, 4, generator=torch.Generator().manual_seed(3))
    x[..., 3] = (x[..., 3] > -0.5).float()
    x[:, 0, 3] = 1.0
    return x


def learned(encoder: Encoder) -> Encoder:
    """With statistics that are not those of the beginning."""
    encoder.update_statistics(3.0 + 2.0 * drawn(50, 7) * torch.tensor([1.0, 1.0, 1.0, 0.5]) - 1.0)
    return encoder


@pytest.mark.parametrize("squash", [(), (2.0, (1.0, 10.0, 30.0))])
def test_order_padding_and_garbage_change_nothing(squash: tuple[float | tuple[float, ...], ...]) -> None:
    spec = DeepSets(hidden=(16, 12), features=10, squash=squash)
    torch.manual_seed(0)
    encoder = learned(build_encoder(sense(7, spec)))
    x = drawn(5, 7)
    seen = encoder(x)
    assert len(torch.unique(seen.detach(), dim=0)) == 5  # it tells sets apart
    for order in itertools.islice(itertools.permutations(range(7)), 0, 5040, 611):
        assert (encoder(x[:, list(order)]) - seen).abs().max() == 0.0
    garbage = torch.where(x[..., 3:] > 0, x, torch.tensor([1e30, -7.0, 4.0, 0.0]))
    assert (encoder(garbage) - seen).abs().max() == 0.0
    padded = torch.cat([x, torch.full((5, 9, 4), 0.25)], dim=1)
    wider = build_encoder(sense(16, spec))
    wider.load_state_dict(encoder.state_dict())
    assert (wider(padded) - seen).abs().max() == 0.0


def test_a_missing_element_counts_for_nothing_by_hand() -> None:
    encoder = SetEncoder(DeepSets(hidden=(1,), features=1, squash=(1.0,)), Modality("set", (3, 2), 20, SPEC))
    with torch.no_grad():
        for layer in (encoder.layers[0], encoder.linear):
            assert isinstance(layer, nn.Linear)
            layer.weight.fill_(2.0)
            layer.bias.fill_(1.0)
    sets = torch.tensor([[[0.5, 1.0], [-0.5, 1.0], [9.0, 0.0]], [[0.5, 0.0], [-0.5, 0.0], [9.0, 0.0]]])
    # elements are relu(2 tanh(x) + 1): 1.92423 for 0.5, 0.07577 for -0.5; then 2 x 1.92423 + 1, and 1 without any
    torch.testing.assert_close(encoder(sets), torch.tensor([[4.84847], [1.0]]), atol=1e-5, rtol=0)


def test_gradients_are_finite_whatever_missing_elements_hold() -> None:
    encoder = build_encoder(sense(3))
    x = drawn(4, 3)
    x[:, 2] = torch.tensor([torch.nan, torch.inf, 0.0, 0.0])
    x.requires_grad_()
    encoder(x).square().sum().backward()
    assert all(bool(torch.isfinite(p.grad).all()) for p in encoder.parameters() if p.grad is not None)
    assert x.grad is not None
    assert (x.grad[:, 2] == 0.0).all()


def test_statistics_are_those_of_the_elements_that_exist() -> None:
    encoder = build_encoder(sense(2))
    assert isinstance(encoder, SetEncoder)
    encoder.update_statistics(torch.tensor([[[1.0, 2.0, 3.0, 1.0], [1e9, 1e9, 1e9, 0.0]], [[3.0, 4.0, 7.0, 1.0]] * 2]))
    mean, var = encoder.normalizer.mean, encoder.normalizer.var
    # (1, 2, 3), (3, 4, 7) and (3, 4, 7)
    torch.testing.assert_close(mean, torch.tensor([7 / 3, 10 / 3, 17 / 3], dtype=torch.float64))
    torch.testing.assert_close(var, torch.tensor([8 / 9, 8 / 9, 32 / 9], dtype=torch.float64))
    encoder.update_statistics(torch.zeros(3, 2, 4))  # sets without elements teach nothing
    torch.testing.assert_close(encoder.normalizer.mean, mean)


def test_tokens_are_the_elements_without_places() -> None:
    torch.manual_seed(0)
    encoder = build_token_encoder(sense(7))
    assert isinstance(encoder, SetTokens)
    assert isinstance(encoder.size, Unplaced)
    assert encoder.size == (7, 12)
    x, order = drawn(5, 7), [3, 1, 6, 0, 2, 5, 4]
    assert (encoder(x[:, order]) - encoder(x)[:, order]).abs().max() == 0.0
    mask = encoder.mask(x)
    assert torch.equal(mask, x[..., 3] == 1.0)
    assert 5 < mask.sum() < 35
    assert (encoder(x)[~mask] == 0.0).all()


def test_the_signal_of_a_set_is_its_elements_side_by_side() -> None:
    signal = build_signal(sense(2, DeepSets(squash=(1.0,))), Clock(3, 0.05), pixels=4)
    x = torch.tensor([[[0.5, 0.0, -0.5, 1.0], [8.0, 8.0, 8.0, 0.0]]])
    assert signal.size == (3, 8)
    expected = torch.tensor([0.46212, 0.0, -0.46212, 1.0, 0.0, 0.0, 0.0, 0.0])  # tanh(0.5)
    torch.testing.assert_close(signal(x), expected.expand(1, 3, 8), atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Modality("cloud", (8, 1), 20, DeepSets()), r"'cloud': DeepSets reads float32 sets \(K, d \+ 1\)"),
        (lambda: Modality("cloud", (8,), 20, DeepSets()), r"got shape \(8,\) of float32 and history None"),
        (lambda: Modality("cloud", (8, 4), 20, DeepSets(), history=3), "and history 3"),
        (lambda: Modality("cloud", (8, 4), 20, DeepSets(), dtype="uint8"), "of uint8"),
        (lambda: Modality("cloud", (0, 4), 20, DeepSets()), r"'cloud': shape must be integers >= 1, got \(0, 4\)"),
        (lambda: sense(8, DeepSets(squash=((1.0, 2.0, 3.0, 4.0),))), "DeepSets.squash gives 4 values for 3 features"),
        (lambda: DeepSets(hidden=()), r"DeepSets\.hidden must be integers >= 1, got \(\)"),
        (lambda: DeepSets(features=0), r"DeepSets\.features must be integers >= 1"),
        (lambda: DeepSets(squash=(-1.0,)), r"DeepSets\.squash must be finite scales > 0, got -1\.0"),
    ],
)
def test_what_is_no_set_is_refused(make: "object", message: str) -> None:
    assert callable(make)
    with pytest.raises(ValueError, match=message):
        make()
