"""A training that begins with the weights of another policy."""

from dataclasses import replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import Tensor

from mmrl.policy.config import PolicyConfig
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import train
from tests.trainings import POLE, moment_in, trained_quietly

STILL = PPOConfig(num_steps=16, minibatch_size=16, epochs=1, learning_rate=1e-12)
"""Updates that leave the weights as they are."""


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained_quietly(replace(POLE, seed=7, run_dir=tmp_path_factory.mktemp("runs") / "other"))


def weights(run: Path) -> dict[str, Tensor]:
    return load_policy(run, checkpoint="last").policy.state_dict()  # type: ignore[attr-defined]  # it is a module


def followed(config: TrainConfig, run_dir: Path, **changes: Any) -> tuple[dict[str, Tensor], str]:
    """The weights after a training that learns nothing, and what it printed."""
    printed = Console(file=StringIO(), width=500)
    run = train(replace(config, ppo=STILL, run_dir=run_dir, **changes), printed).run_dir
    return weights(run), printed.file.getvalue()  # type: ignore[attr-defined]  # of StringIO


def learned(state: dict[str, Tensor], beginning: str) -> Tensor:
    """The weights of some layers in one row, without statistics, which follow every rollout."""
    kept = [value.flatten() for name, value in state.items() if name.startswith(beginning) and "normalizer" not in name]
    return torch.cat(kept).float()


def test_it_begins_with_them_and_says_so(other: Path, tmp_path: Path) -> None:
    taken, printed = followed(POLE, tmp_path / "run", init=str(other))
    for part in ("perception.", "actor.", "head."):
        torch.testing.assert_close(learned(taken, part), learned(weights(other), part), atol=1e-6, rtol=0)
    assert f"begins with the weights of {other}" in printed.replace("\n", "")


def test_parts_begin_anew(other: Path, tmp_path: Path) -> None:
    untrained, _ = followed(POLE, tmp_path / "untrained")
    taken, printed = followed(POLE, tmp_path / "run", init=str(other), init_except=("head", "critic"))
    before = weights(other)
    torch.testing.assert_close(learned(taken, "perception."), learned(before, "perception."), atol=1e-6, rtol=0)
    for part in ("actor.", "head.", "critic.0."):  # the last layer of the critic follows the scale of returns
        torch.testing.assert_close(learned(taken, part), learned(untrained, part), atol=1e-6, rtol=0)
        assert not torch.allclose(learned(taken, part), learned(before, part), atol=1e-3)
    assert "head, critic begin anew" in printed.replace("\n", "")


def test_a_shipped_policy_will_do(tmp_path: Path) -> None:
    taken, _ = followed(moment_in("mmrl/PegInsertion-v0"), tmp_path / "run", init="peg_insertion")
    shipped = load_policy("peg_insertion").policy.state_dict()  # type: ignore[attr-defined]  # it is a module
    torch.testing.assert_close(learned(taken, "actor."), learned(shipped, "actor."), atol=1e-6, rtol=0)


def test_an_objective_that_it_did_without_begins_anew(tmp_path: Path) -> None:
    plain = replace(moment_in("mmrl/SlotCar-v0"), recipe="none", objectives={})
    before = trained_quietly(replace(plain, run_dir=tmp_path / "before"))
    taken, _ = followed(plain, tmp_path / "run", init=str(before), objectives={"state": {"weight": 1.0}})
    torch.testing.assert_close(learned(taken, "actor."), learned(weights(before), "actor."), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"init": "screwdriver"}, "no such run|screwdriver"),
        ({"init_except": ("nose",)}, "no weight of the network begins with 'nose'; parts are head, critic, perception"),
        (
            {"modalities": {"observation": {"features": 7}}},
            r"has other senses: observation \(\[4\], MLP\(.* there, \[4\], MLP\(.*features=7.* here\)",
        ),
        ({"policy": PolicyConfig(actor_hidden=(5,))}, "the network differs"),
    ],
)
def test_what_does_not_fit_is_refused_and_leaves_no_folder(
    changes: dict[str, Any], message: str, other: Path, tmp_path: Path
) -> None:
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        trained_quietly(replace(POLE, **{"init": str(other), "run_dir": tmp_path / "run"} | changes))
    assert not (tmp_path / "run").exists()


def test_the_perception_may_differ_where_it_begins_anew(other: Path, tmp_path: Path) -> None:
    wider = {"observation": {"features": 7}}
    taken, _ = followed(POLE, tmp_path / "run", modalities=wider, init=str(other), init_except=("perception",))
    torch.testing.assert_close(learned(taken, "actor."), learned(weights(other), "actor."), atol=1e-6, rtol=0)


def test_settings_without_effect_are_refused(other: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="init_except would have no effect: init is not set"):
        trained_quietly(replace(POLE, init_except=("head",), run_dir=tmp_path / "run"))
    with pytest.raises(ValueError, match=r"init would have no effect: the run in .* goes on"):
        trained_quietly(TrainConfig(POLE.env, resume=other, init=str(other)))


def test_a_run_that_began_so_is_resumed(other: Path, tmp_path: Path) -> None:
    run = trained_quietly(replace(POLE, init=str(other), run_dir=tmp_path / "run"))
    before = weights(run)
    again = trained_quietly(TrainConfig(POLE.env, resume=run, total_steps=96))
    assert again == run
    assert not torch.equal(learned(weights(run), "actor."), learned(before, "actor."))
    assert not torch.allclose(learned(weights(run), "actor."), learned(weights(other), "actor."), atol=1e-6)
