import torch

from mmrl.encoders import build_encoder
from mmrl.modality import MLP, Modality


def test_mlp_can_read_the_last_reading_only() -> None:
    spec = MLP(hidden=(), features=3, window="last", squash=(1.0,))
    encoder = build_encoder(Modality("proprio", (2,), 500, spec, history=4))
    x = torch.randn(5, 4, 2)
    older_changed = x.clone()
    older_changed[:, :-1] += 1
    newest_changed = x.clone()
    newest_changed[:, -1] += 1
    torch.testing.assert_close(encoder(older_changed), encoder(x), atol=0, rtol=0)
    assert not torch.equal(encoder(newest_changed), encoder(x))
