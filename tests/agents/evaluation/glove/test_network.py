"""The network of the glove: what it takes, what it gives, and that every frame counts."""

import numpy as np
import pytest
import torch

from mmrl_agents.evaluation.glove.choosing import AnyFrames
from mmrl_agents.evaluation.glove.learning import GloveLearning, answers_of, learn_head, maps_of
from mmrl_agents.evaluation.glove.network import FramesHead, FrameTrunk, as_input


def test_maps_are_eight_by_eight_and_every_frame_counts() -> None:
    torch.manual_seed(0)
    trunk, head = FrameTrunk(4).eval(), FramesHead((8, 8, 8), 3, 26).eval()
    frames = np.random.default_rng(0).random((2, 3, 32, 32))
    maps = maps_of(trunk, frames)
    assert maps.shape == (2, 3, *trunk.map_shape) == (2, 3, 8, 8, 8)
    scores = head(maps.float())
    assert scores.shape == (2, 26)
    for frame in range(3):
        other = frames.copy()
        other[0, frame] = 0.0
        changed = (head(maps_of(trunk, other).float()) - scores).abs().amax(dim=1)
        assert changed[0] > 1e-4
        assert changed[1] == 0


def test_forces_are_read_up_to_half_a_newton() -> None:
    assert as_input(torch.tensor([-0.1, 0.0, 0.25, 0.5, 3.0])).tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_a_head_learns_what_the_maps_show_and_nothing_of_shuffled_things() -> None:
    """Channel t of the maps of thing t is on in every frame, beside noise."""
    rng, how = np.random.default_rng(0), GloveLearning(head_steps=150, head_batch=32)
    things = np.repeat(np.arange(4), 40)
    maps = torch.as_tensor(rng.normal(size=(160, 5, 6, 2, 2)), dtype=torch.float32)
    maps[torch.arange(160), :, torch.as_tensor(things)] += 3.0
    choice = AnyFrames(np.zeros((160, 5, 1, 1)))
    learned, asked = np.arange(0, 160, 2), np.arange(1, 160, 2)
    half = AnyFrames(np.zeros((80, 5, 1, 1)))
    shares = {}
    for name, labels in (("true", things[learned]), ("shuffled", rng.permutation(things[learned]))):
        head = learn_head(maps[learned], labels, half, 3, how, seed=0)
        chosen = choice.choose(3, np.random.default_rng(1))[asked]
        shares[name] = (answers_of(head, maps[asked], chosen) == things[asked]).mean()
    assert shares["true"] > 0.95
    assert shares["shuffled"] < 0.5  # a quarter by chance


def test_the_same_seed_learns_the_same_and_leaves_torch_as_it_was() -> None:
    maps, things = torch.rand(6, 4, 3, 2, 2), np.array([0, 1, 2, 0, 1, 2])
    choice, how = AnyFrames(np.zeros((6, 4, 1, 1))), GloveLearning(head_steps=3, head_batch=4)
    before = torch.get_rng_state()
    first, again = (learn_head(maps, things, choice, 2, how, seed=5) for _ in range(2))
    torch.testing.assert_close(first.state_dict(), again.state_dict(), rtol=0, atol=0)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", ["width", "epochs", "learning_rate", "head_steps"])
def test_numbers_must_be_above_zero(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must be above 0, got 0"):
        GloveLearning(**{name: 0})  # type: ignore[arg-type]
