import math

import torch

from mmrl.fusion import make_fusion


def test_by_hand() -> None:
    fusion = make_fusion("gated", {"camera": 1, "wrench": 1}, 1)
    values = {"absent": [3.0, 5.0], "contents./camera.weight": [[1.0]], "contents./wrench.weight": [[-2.0]]}
    values |= {"gates./camera.weight": [[0.5, 1.0]], "gates./wrench.weight": [[-1.0, 0.0]]}
    with torch.no_grad():
        for name, value in values.items():
            fusion.get_parameter(name).copy_(torch.tensor(value))
    camera, wrench = torch.tensor([[0.3], [0.3]]), torch.tensor([[0.7], [0.7]])
    fused = fusion({"camera": camera, "wrench": wrench}, {"wrench": torch.tensor([True, False])})

    def sigmoid(x: float) -> float:
        return 1 / (1 + math.exp(-x))

    both = sigmoid(0.5 * 0.3 + 1.0 * 0.7) * math.tanh(0.3) + sigmoid(-1.0 * 0.3) * math.tanh(-2.0 * 0.7)
    # the camera's gate sees 5 in place of the wrench, the wrench's own is shut
    alone = sigmoid(0.5 * 0.3 + 1.0 * 5.0) * math.tanh(0.3)
    torch.testing.assert_close(fused, torch.tensor([[both], [alone]]))


def test_without_any_sense_nothing_passes() -> None:
    fusion = make_fusion("gated", {"camera": 2, "wrench": 3}, 4)
    nowhere = {"camera": torch.zeros(2, dtype=torch.bool), "wrench": torch.zeros(2, dtype=torch.bool)}
    assert torch.equal(fusion({}, nowhere), torch.zeros(2, 4))
