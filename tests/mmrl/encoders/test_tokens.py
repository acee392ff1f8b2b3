import torch

from mmrl.encoders import CausalTemporalEncoder, ImageEncoder, build_encoder, build_token_encoder
from mmrl.modality import MLP, ImageConv, Modality, TemporalConv
from tests.mmrl.encoders.drawn import readings

CAMERA = Modality("camera", (12, 14, 3), 20, ImageConv((3, 4), (4, 3), (2, 1), features=5), dtype="uint8")
WRENCH = Modality("wrench", (6,), 1000, TemporalConv((8, 9), features=7), history=32)
PROPRIO = Modality("proprio", (4,), 500, MLP((8,), features=6), history=3)


def test_tokens_of_an_image_are_its_positions() -> None:
    torch.manual_seed(0)
    whole, parts = build_encoder(CAMERA), build_token_encoder(CAMERA)
    assert isinstance(whole, ImageEncoder)
    parts.load_state_dict({key: x for key, x in whole.state_dict().items() if not key.startswith("linear")})
    # 12 x 14 pixels, kernel 4 stride 2: 5 x 6; kernel 3: 3 x 4
    assert parts.size == (12, 4)
    tokens, maps = parts(readings(CAMERA, 3)), whole.convolve(readings(CAMERA, 3))
    for row, column in ((0, 0), (1, 2), (2, 3)):
        torch.testing.assert_close(tokens[:, 4 * row + column], maps[:, :, row, column])


def test_tokens_of_a_window_are_its_positions_in_time() -> None:
    torch.manual_seed(0)
    whole, parts = build_encoder(WRENCH), build_token_encoder(WRENCH)
    assert isinstance(whole, CausalTemporalEncoder)
    parts.load_state_dict({key: x for key, x in whole.state_dict().items() if not key.startswith("linear")})
    assert parts.size == (8, 9)  # 32 readings, halved twice
    torch.testing.assert_close(parts(readings(WRENCH, 3)), whole.convolve(readings(WRENCH, 3)))


def test_token_encoders_learn_their_statistics() -> None:
    encoder = build_token_encoder(WRENCH)
    before = encoder(readings(WRENCH, 4))
    encoder.update_statistics(5 + readings(WRENCH, 50))
    assert not torch.allclose(encoder(readings(WRENCH, 4)), before)


def test_other_senses_are_one_token() -> None:
    torch.manual_seed(0)
    encoder = build_token_encoder(PROPRIO)
    assert encoder.size == 6
    assert encoder(readings(PROPRIO, 3)).shape == (3, 6)
