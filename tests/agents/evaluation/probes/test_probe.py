"""`mmrl probe`: what a policy's senses know, as table, picture and document."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mmrl.evaluation.probes import OTHER_EPISODE, PROBES, SHUFFLED, ProbeRows
from mmrl_agents.cli import main
from mmrl_agents.evaluation.probes.collect import JOINT, RAW, SENSES
from mmrl_agents.evaluation.probes.probe import (
    COMPONENTS,
    DOCUMENT,
    PICTURE,
    ProbeConfig,
    compressed,
    probe_policy,
    shared_by,
)
from tests.trainings import POLE, moment_in, trained_quietly


def rows(seed: int = 0) -> ProbeRows:
    """Touch and sight show one number each way; raw readings have more numbers than components."""
    rng = np.random.default_rng(seed)
    number, noise = rng.normal(size=(200, 1)), rng.normal(size=(200, 100))
    touch, sight = np.hstack([number, noise[:, :1]]), np.hstack([noise[:, 1:2], -3 * number + 0.01 * noise[:, 2:3]])
    return ProbeRows(
        {SENSES: {"touch": touch, "sight": sight}, RAW: {"touch": np.hstack([noise, number])}},
        {"number": number[:, 0]},
        np.repeat(np.arange(20), 10),
    )


def test_senses_share_what_both_show() -> None:
    train, test = rows().split(0.3, seed=0)
    (pair,) = shared_by(train, test)
    assert pair.senses == ("touch", "sight")
    assert pair.correlations[0] > 0.98
    assert abs(pair.correlations[1]) < 0.4


def test_raw_readings_are_compressed_by_the_rows_learned_from() -> None:
    found = compressed(rows(), 0.3, seed=0).sources[RAW]["touch"]
    assert found.shape == (200, COMPONENTS)
    changed = rows()
    _, test = changed.split(0.3, seed=0)
    judged = np.isin(changed.episodes, test.episodes)
    changed.sources[RAW]["touch"][judged] *= 100
    np.testing.assert_allclose(compressed(changed, 0.3, seed=0).sources[RAW]["touch"][~judged], found[~judged])


@pytest.mark.slow
def test_a_policy_is_probed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    short = {"max_episode_steps": 6, "sensors": ("force_torque", "proprioception")}
    run = trained_quietly(replace(moment_in("mmrl/PegInsertion-v0"), env_kwargs=short, run_dir=tmp_path / "run"))
    words = ["--episodes", "6", "--every", "3", "--num-worlds", "3", "--probes", "linear", "neighbours"]
    assert main(["probe", str(run), *words]) == 0
    printed = capsys.readouterr().out
    assert "learned from" in printed
    document = json.loads((run / DOCUMENT).read_text())
    sources = {answer["source"] for answer in document["answers"]}
    assert {JOINT, SENSES, RAW, SHUFFLED, OTHER_EPISODE} <= sources
    assert {answer["probe"] for answer in document["answers"]} == {"linear", "neighbours"}
    assert (run / PICTURE).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"episodes": 0}, "episodes must be at least 1, got 0"),
        ({"test_share": 1.0}, "test_share must lie between 0 and 1, got 1"),
        ({"probes": ("oracle",)}, f"unknown probes oracle; there are {', '.join(PROBES)}"),
    ],
)
def test_bad_settings_are_refused_by_name(change: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ProbeConfig("run", **change)  # type: ignore[arg-type]


def test_worlds_without_anything_to_read_off_are_refused(tmp_path: Path) -> None:
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    with pytest.raises(ValueError, match="neither a privileged state nor declared figures to read off"):
        probe_policy(ProbeConfig(str(run), episodes=2, num_worlds=2))
