"""Frames brought to codes, and back."""

import pytest
import torch
from scipy.ndimage import gaussian_filter

from mmrl.encoders import build_decoder, build_encoder
from mmrl.encoders.code import CodeEncoder, FrameScale
from mmrl.modality import FrameCodes, Modality

SMALL = FrameCodes(size=2, channels=(4,), kernel=3, hidden=(8,), blur=0.5)


def frames(rows: int = 5, channels: int = 2) -> torch.Tensor:
    return torch.randint(50, 200, (rows, 9, 7, channels), generator=torch.Generator().manual_seed(0)).to(torch.uint8)


def sense(spec: FrameCodes = SMALL, channels: int = 2) -> Modality:
    return Modality("film", (9, 7, channels), 10, spec, dtype="uint8")


def test_frames_differ_from_their_mean_by_one_on_average() -> None:
    scale, images = FrameScale(9, 7, 0.5), frames()
    scale.update(images)
    scaled = scale(images)
    assert scaled.shape == (10, 9, 7)
    torch.testing.assert_close(scaled.mean(dim=0), torch.zeros(9, 7), rtol=0, atol=1e-5)
    assert float(scaled.square().mean()) == pytest.approx(1, abs=1e-4)


def test_frames_are_blurred_by_a_gaussian() -> None:
    """Away from the borders, where there is nothing beyond to be blurred in."""
    image = torch.full((1, 31, 31, 1), 100.0)
    image[0, 15, 14] = 200.0
    blurred = FrameScale(31, 31, 1.5)(image)[0].numpy()
    bright = (image / image.mean())[0, ..., 0].numpy()
    inside = slice(8, -8)
    assert blurred[inside, inside] == pytest.approx(gaussian_filter(bright, 1.5, truncate=6)[inside, inside], abs=1e-4)
    sharp = FrameScale(31, 31, 0.0)(image)[0].numpy()
    assert sharp == pytest.approx(bright, abs=1e-5)


def test_a_brighter_lamp_changes_nothing() -> None:
    scale, images = FrameScale(9, 7, 0.5), frames()
    scale.update(images)
    torch.testing.assert_close(scale(images.float() * 1.25), scale(images), rtol=1e-4, atol=1e-4)


def test_every_channel_gets_the_same_code_whichever_it_is() -> None:
    torch.manual_seed(0)
    encoder = build_encoder(sense())
    assert isinstance(encoder, CodeEncoder)
    assert encoder.features == 4
    images = frames()
    codes, other = encoder.codes(images), encoder.codes(images.flip(-1))
    torch.testing.assert_close(codes, other.flip(1))
    # The code of the newest, then by how much the one before differs.
    torch.testing.assert_close(encoder(images), torch.cat([codes[:, 1], codes[:, 0] - codes[:, 1]], dim=1))


def test_the_decoder_gives_back_each_channel_from_its_code() -> None:
    torch.manual_seed(0)
    encoder, decoder = build_encoder(sense()), build_decoder(sense(), 4)
    images = frames()
    decoder.update_statistics(images)
    assert decoder.scaled(images).shape == (5, 2 * 9 * 7)
    back = decoder(encoder(images)).view(5, 2, 63)
    torch.testing.assert_close(back.flip(1).flatten(1), decoder(encoder(images.flip(-1))), rtol=1e-4, atol=1e-4)


def test_readings_come_back_on_half_of_the_brightness() -> None:
    decoder = build_decoder(sense(), 4)
    images = frames()
    decoder.update_statistics(images)
    back = decoder.readings(decoder.scaled(images))
    assert back.shape == images.shape
    # Blurred frames of 1 on average, times 127.5; the blur spreads no light beyond the picture.
    torch.testing.assert_close(back.mean(dim=(1, 2)), torch.full((5, 2), 127.5), rtol=0.1, atol=0)
    with pytest.raises(ValueError, match="have 4 numbers, got 5"):
        build_decoder(sense(), 5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: sense(FrameCodes()), r"2 convolutions of 7 x 7 pixels need at least 19 a side, got \(9, 7\)"),
        (lambda: Modality("pose", (3,), 10, SMALL), r"'pose': FrameCodes reads uint8 images \(H, W, C\) without"),
        (lambda: FrameCodes(size=0), r"FrameCodes\.size"),
        (lambda: FrameCodes(blur=-1), r"FrameCodes\.blur must be finite and not negative, got -1"),
    ],
)
def test_what_has_no_code_is_refused(make: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()  # type: ignore[operator]  # it is called to raise
