"""Noise: how much, of what, and never the same twice."""

import torch

from mmrl.perception import Perception
from mmrl.representation import objective_configs
from mmrl.representation.denoising import DenoisedReconstruction, noised
from tests.mmrl.representation.samples import SENSES, Samples, readings


def test_noise_is_in_deviations_of_the_readings_and_new_each_time() -> None:
    torch.manual_seed(0)
    pose = {"pose": SENSES["pose"]}
    perception = Perception(pose, features=8)
    config = objective_configs({"denoising": {"noise": [0.5]}})["denoising"]
    objective = config.start(perception, pose)
    assert isinstance(objective, DenoisedReconstruction)
    batch = Samples({"pose": torch.tensor([3.0, 0.3, 30.0]) * readings(1500, **pose)["pose"]}, torch.zeros(1500))
    perception.update_statistics(batch.observations)
    objective.update_statistics(batch.observations)
    seen = []
    perception.encoder("pose").register_forward_pre_hook(lambda module, given: seen.append(given[0]))
    before = perception(batch.observations)
    for _ in range(2):
        objective(batch, before)
    clean, first, second = seen
    # readings have a deviation of 3; half of it is the noise
    ratio = (first - clean).std(dim=0) / clean.std(dim=0)
    torch.testing.assert_close(ratio, torch.full((3,), 0.5), rtol=0.05, atol=0)
    assert not torch.equal(first, second)


def test_words_get_lost_and_elements_keep_their_place() -> None:
    draw = torch.Generator().manual_seed(0)
    words = torch.full((2000, 4), 2, dtype=torch.uint8)
    lost = noised(SENSES["speech"].encoder, words, torch.ones(2000, 4), torch.full((2000, 1), 0.3), draw)
    assert set(lost.unique().tolist()) == {0, 2}
    assert abs(float((lost == 0).float().mean()) - 0.3) < 0.02
    points = readings(50)["points"]
    shaken = noised(SENSES["points"].encoder, points, torch.ones(50, 3, 3), torch.ones(50, 1, 1), draw)
    assert torch.equal(shaken[..., -1], points[..., -1])
    assert not torch.isclose(shaken[..., :-1], points[..., :-1]).any()
