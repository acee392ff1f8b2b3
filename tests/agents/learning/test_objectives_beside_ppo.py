"""Every objective between senses beside PPO: trained with by name, with senses dropped, resumed bit for bit."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmrl.representation import OBJECTIVES
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run
from mmrl_agents.training.trainer import Trainer
from tests.trainings import json_lines, trained_quietly

OF_SENSES = [name for name in OBJECTIVES if name not in ("state", "vision_touch")]
"""Without one that asks for senses in newtons and metres, which tests/agents/learning/test_pretrain.py has."""
SIZES = {"cca.size": 2, "dcca.size": 2, "dccae.size": 2, "clip.negatives": "same_episode", "masked.dim": 16}
FUSION = {"fusion": "transformer", "fused_features": 16, "fusion_options": {"dim": 16, "heads": 2}}


def config(folder: Path, **changes: Any) -> TrainConfig:
    """Two senses in episodes of four steps, of which each is dropped in a fifth; all objectives at once."""
    usual: dict[str, Any] = {
        "num_worlds": 4,
        "total_steps": 4 * 16 * 3,
        "threads": 1,
        "ppo": PPOConfig(num_steps=16, minibatch_size=64, epochs=1, anneal=False),
        "objectives": dict.fromkeys(OF_SENSES, 0.1) | SIZES,
        "modalities": {"eye.features": 8, "ear.features": 8},
        "policy": FUSION,
        "sense_dropout": 0.2,
        "evaluate_episodes": 0,
        "run_dir": folder / "run",
    }
    return TrainConfig("tests.toys.lessons:Guess", recipe="none", **usual | changes)


def test_all_are_trained_with_logged_and_resumed_bit_for_bit(tmp_path: Path) -> None:
    whole = trained_quietly(config(tmp_path / "whole", total_steps=4 * 16 * 5))
    half = trained_quietly(config(tmp_path / "half"))
    trained_quietly(TrainConfig("tests.toys.lessons:Guess", resume=half, total_steps=4 * 16 * 5))
    ours, theirs = (json_lines(run / "metrics.jsonl") for run in (whole, half))
    for name in OF_SENSES:
        losses = [row[f"{name}_loss"] for row in ours]
        assert losses == [row[f"{name}_loss"] for row in theirs]
        assert np.isfinite(losses).all()
    assert not ours[-1]["skipped_updates_in_all"]
    weights = [RunFolder.open(run).load("last")[1]["policy"] for run in (whole, half)]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weight, weights[1][name]) for name, weight in weights[0].items())


def test_a_loss_that_is_not_finite_is_left_out_and_named(tmp_path: Path) -> None:
    settings = config(tmp_path, objectives={"clip": 0.1}, sense_dropout=0.0)
    trainer = Trainer(settings, open_run(settings))
    trainer.begin()
    with torch.no_grad():
        trainer.policy.get_parameter("objectives.clip.scale").fill_(torch.nan)  # type: ignore[attr-defined]
    trainer.advance()
    trainer.close()
    assert trainer.metrics["skipped_updates"] == 1
    assert trainer.agent.last_error.startswith("clip loss (1 of 1 values, such as nan)")
