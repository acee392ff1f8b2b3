"""Which frames of a recording are looked at."""

import numpy as np

from mmrl_agents.evaluation.glove.choosing import AnyFrames, FramesOfClusters


def recording_of_patterns() -> np.ndarray:
    """One recording: three patterns, pressed with 2, 3, and 4 forces, in turns; (1, 9, 4, 4)."""
    rng = np.random.default_rng(0)
    patterns = rng.random((3, 4, 4))
    which = np.array([0, 1, 2, 0, 1, 2, 1, 2, 2])
    return (patterns[which] * rng.uniform(0.2, 5.0, (9, 1, 1)))[None]


def test_any_frames_are_different_ones_and_all_come_in_turn() -> None:
    choice, rng = AnyFrames(np.zeros((50, 6, 2, 2))), np.random.default_rng(0)
    chosen = choice.choose(4, rng)
    assert chosen.shape == (50, 4)
    assert all(len(set(row)) == 4 for row in chosen.tolist())
    assert set(chosen.ravel().tolist()) == set(range(6))


def test_one_frame_of_each_cluster_whatever_its_force() -> None:
    choice, rng = FramesOfClusters(recording_of_patterns()), np.random.default_rng(0)
    which = np.array([0, 1, 2, 0, 1, 2, 1, 2, 2])
    seen = np.concatenate([choice.choose(3, rng) for _ in range(20)])
    assert (np.sort(which[seen], axis=1) == [0, 1, 2]).all()
    assert set(seen.ravel().tolist()) == set(range(9))  # any frame of a cluster


def test_a_frame_that_feels_nothing_is_a_frame() -> None:
    frames = recording_of_patterns()
    frames[0, 4] = 0.0
    chosen = FramesOfClusters(frames).choose(9, np.random.default_rng(0))
    assert sorted(chosen[0].tolist()) == list(range(9))
