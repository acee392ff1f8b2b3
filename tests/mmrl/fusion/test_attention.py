from collections.abc import Mapping

import pytest
import torch
from torch import Tensor, nn

from mmrl.fusion import Fusion, find_fusion, make_fusion
from mmrl.fusion.attention import Attention, Block
from mmrl.modality import MLP, Custom, ImageConv, Modality, TemporalConv

SIZES: Mapping[str, int | tuple[int, int]] = {"camera": (4, 5), "wrench": (3, 2), "arm": 6}
SMALL = {"dim": 8, "heads": 2}
NAMES = ["attention", "transformer"]


def build(name: str, senses: Mapping[str, int | tuple[int, int]] = SIZES) -> Fusion:
    torch.manual_seed(0)
    fusion = make_fusion(name, senses, 6, SMALL)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return fusion


def encodings(rows: int = 3) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = {"camera": (4, 5), "wrench": (3, 2), "arm": (6,)}
    return {name: torch.randn(rows, *shape, generator=generator) for name, shape in shapes.items()}


@pytest.mark.parametrize("name", NAMES)
def test_encoders_give_tokens_where_a_reading_has_parts(name: str) -> None:
    senses = {
        "camera": Modality("camera", (8, 8, 3), 20, ImageConv((4,), (4,), (2,)), dtype="uint8"),
        "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 5)), history=8),
        "arm": Modality("arm", (4,), 500, MLP(features=7), history=3),
    }
    fusion, options = find_fusion(name)
    encoders = fusion.make_encoders(senses, options)
    # (8 - 4) / 2 + 1 = 3 positions along each side; 8 readings halved twice
    assert {key: encoder.size for key, encoder in encoders.items()} == {"camera": (9, 4), "wrench": (2, 5), "arm": 7}


def test_a_custom_encoder_gives_one_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn, "whisker_net", lambda modality: nn.Linear(3, 5), raising=False)
    whiskers = Modality("whiskers", (3,), 100, Custom("torch.nn:whisker_net", features=5))
    fusion, options = find_fusion("transformer")
    assert fusion.make_encoders({"whiskers": whiskers}, options)["whiskers"].size == 5


@pytest.mark.parametrize("name", NAMES)
def test_without_a_sense_it_is_the_fusion_of_the_others(name: str) -> None:
    whole = build(name)
    rest = build(name, {sense: size for sense, size in SIZES.items() if sense != "wrench"})
    rest.load_state_dict({key: x for key, x in whole.state_dict().items() if "./wrench" not in key})
    nowhere = {"wrench": torch.zeros(3, dtype=torch.bool)}
    torch.testing.assert_close(whole(encodings(), nowhere), rest(encodings()))


@pytest.mark.parametrize("name", NAMES)
def test_a_token_is_known_by_its_place_alone(name: str) -> None:
    fusion, features, order = build(name), encodings(), torch.tensor([2, 0, 3, 1])
    before, moved = fusion(features), features | {"camera": features["camera"][:, order]}
    assert not torch.allclose(fusion(moved), before)
    with torch.no_grad():
        position = fusion.get_parameter("positions./camera")
        position.copy_(position[order].clone())
    torch.testing.assert_close(fusion(moved), before)


@pytest.mark.parametrize("name", NAMES)
def test_a_sense_is_known_by_its_type_alone(name: str) -> None:
    fusion = build(name, {"left": (3, 4), "right": (3, 4)})
    features = dict(zip(("left", "right"), torch.randn(2, 3, 3, 4), strict=True))
    swapped = {"left": features["right"], "right": features["left"]}
    with torch.no_grad():
        for kind in ("embeddings./{}.weight", "embeddings./{}.bias", "positions./{}"):
            fusion.get_parameter(kind.format("right")).copy_(fusion.get_parameter(kind.format("left")))
        assert not torch.allclose(fusion(swapped), fusion(features))
        fusion.get_parameter("types./right").copy_(fusion.get_parameter("types./left"))
    torch.testing.assert_close(fusion(swapped), fusion(features))


@pytest.mark.parametrize("name", NAMES)
def test_a_vector_is_one_token(name: str) -> None:
    fusion, features = build(name), encodings()
    torch.testing.assert_close(fusion(features | {"arm": features["arm"].unsqueeze(1)}), fusion(features))


def copy_attention(theirs: nn.MultiheadAttention, ours: Attention) -> None:
    with torch.no_grad():
        theirs.in_proj_weight.copy_(torch.cat([ours.query.weight, ours.key_value.weight]))
        theirs.in_proj_bias.copy_(torch.cat([ours.query.bias, ours.key_value.bias]))
        theirs.out_proj.load_state_dict(ours.output.state_dict())


def test_attention_is_that_of_torch() -> None:
    torch.manual_seed(0)
    ours, theirs = Attention(8, 2), nn.MultiheadAttention(8, 2, batch_first=True)
    copy_attention(theirs, ours)
    queries, tokens, mask = torch.randn(3, 2, 8), torch.randn(3, 5, 8), torch.rand(3, 5) < 0.7
    expected, _ = theirs(queries, tokens, tokens, key_padding_mask=~mask)
    torch.testing.assert_close(ours(queries, tokens, mask), expected)


def test_a_block_is_that_of_torch_normalised_first() -> None:
    torch.manual_seed(0)
    ours = Block(8, 2, mlp_ratio=3)
    theirs = nn.TransformerEncoderLayer(8, 2, 24, dropout=0.0, activation="gelu", batch_first=True, norm_first=True)
    copy_attention(theirs.self_attn, ours.attention)
    with torch.no_grad():
        for norm in (ours.attention_norm, ours.mlp_norm):
            norm.weight.add_(0.3 * torch.randn(8))
    theirs.norm1.load_state_dict(ours.attention_norm.state_dict())
    theirs.norm2.load_state_dict(ours.mlp_norm.state_dict())
    theirs.linear1.load_state_dict(ours.mlp[0].state_dict())
    theirs.linear2.load_state_dict(ours.mlp[2].state_dict())
    x, mask = torch.randn(3, 5, 8), torch.tensor([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [0, 0, 1, 1, 0]]).bool()
    torch.testing.assert_close(ours(x, x, mask), theirs(x, src_key_padding_mask=~mask))


def test_heads_must_divide_the_tokens() -> None:
    with pytest.raises(ValueError, match=r"TransformerOptions.dim must be a multiple of heads \(4\), got 10"):
        make_fusion("transformer", SIZES, 6, {"dim": 10})
