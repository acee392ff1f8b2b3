"""Recordings of things and how surely these are recognised."""

import numpy as np
import pytest

from mmrl_agents.evaluation.glove.learning import GloveLearning
from mmrl_agents.evaluation.glove.probe import (
    ANY,
    CLUSTERS,
    FORCE_AND_AREA,
    RAW,
    GloveProbe,
    force_and_area,
    probe_recordings,
    recorded,
)
from mmrl_agents.evaluation.glove.recordings import record
from mmrl_envs.sensors.tactile.glove import glove_mask

SMALL = GloveProbe(
    learned=6,
    judged=3,
    grasps=2,
    most_frames=2,
    things=("ball", "tile"),
    learning=GloveLearning(width=2, epochs=1, head_steps=5),
)


def test_a_recording_is_of_one_thing_grasped_anew_each_time() -> None:
    recordings = record(("ball", "cube"), recordings=2, grasps=3, seed=0)
    assert recordings.frames.shape == (4, 9, 32, 32)
    assert recordings.things.tolist() == [0, 0, 1, 1]
    assert (recordings.frames[:, :, ~glove_mask()] == 0).all()
    # The ball stays where it is while it is pressed, and lies elsewhere in the next grasp.
    flat = recordings.frames[:2].reshape(2, 9, -1).astype(np.float64)
    unit = flat / np.linalg.norm(flat, axis=2, keepdims=True)
    alike = unit @ unit.transpose(0, 2, 1)  # cosines
    grasp = np.arange(9) // 3
    same = (grasp[:, None] == grasp) & ~np.eye(9, dtype=bool)
    assert alike[:, same].mean() > 0.8
    assert alike[:, grasp[:, None] != grasp].mean() < 0.6


def test_the_same_seed_gives_the_same_bits_and_another_one_does_not() -> None:
    first, again, other = (record(("star",), 2, 1, seed).frames for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max(axis=(1, 2, 3)).min() > 0.05


def test_nothing_that_is_judged_by_was_learned_from() -> None:
    learned, judged = recorded(SMALL)
    assert (len(learned.things), len(judged.things)) == (12, 6)
    known = {frame.tobytes() for frame in learned.frames.reshape(-1, 32, 32)}
    assert not known & {frame.tobytes() for frame in judged.frames.reshape(-1, 32, 32)}


def test_the_report_counts_every_judged_recording() -> None:
    stages = []
    report = probe_recordings(SMALL, *recorded(SMALL), lambda stage, done, total: stages.append((stage, done, total)))
    assert {name: len(rates) for name, rates in report.by_frames.items()} == {CLUSTERS: 2, ANY: 2}
    assert report.confusion.sum(axis=1).tolist() == [3, 3]
    assert report.confusion.trace() == report.by_frames[CLUSTERS][1].successes
    assert report.controls.keys() == {FORCE_AND_AREA, RAW}
    assert {rate.trials for rates in report.controls.values() for rate in rates.values()} == {6}
    # 12 recordings of 6 frames are a batch of 64 and one of 8.
    assert stages == [("trunk", 1, 2), ("trunk", 2, 2), ("heads", 1, 2), ("heads", 2, 2)]


def test_force_and_area_do_not_depend_on_place_or_order() -> None:
    frames = np.zeros((2, 2, 4, 4))
    frames[0, 0, 0, :3], frames[0, 1, 1, 1] = 0.1, 0.5
    frames[1, 1, 2:, 0], frames[1, 1, 3, 3], frames[1, 0, 3, 3] = 0.1, 0.1, 0.5
    np.testing.assert_allclose(force_and_area(frames), [[0.3, 0.5, 1, 3]] * 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"judged": 0}, "judged must be at least 1, got 0"),
        ({"most_frames": 9}, "most_frames must be at most the number of grasps, 8: 9"),
        ({"things": ("ball",)}, "things must be at least two that differ"),
        ({"things": ("ball", "ball")}, "things must be at least two that differ"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GloveProbe(**settings)  # type: ignore[arg-type]


@pytest.mark.slow
def test_it_learns_to_tell_things_apart_that_force_and_area_do_not() -> None:
    """Four things with contacts of much the same size, and far too few recordings for more than this."""
    probe = GloveProbe(
        learned=60,
        judged=20,
        grasps=4,
        most_frames=4,
        things=("cross", "angle", "T", "star"),
        learning=GloveLearning(width=8, epochs=8, head_steps=300),
    )
    report = probe_recordings(probe, *recorded(probe))
    one, *_, four = report.by_frames[CLUSTERS]
    simple = max(rate.successes for rate in report.controls[FORCE_AND_AREA].values())
    assert four.successes > 0.75 * four.trials
    assert four.successes > max(one.successes, simple + 0.15 * four.trials)
    assert report.shuffled.successes < 0.45 * four.trials  # a quarter by chance
