"""A policy that imagines absent senses: what it reads in their place, and what it needs for that."""

from dataclasses import replace
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from rich.console import Console

from mmrl.modality import ImageConv, Modality, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.representation.translation import Translation, Translators
from mmrl.worth import BrokenWays
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.policies.imagining import ImaginingPolicy
from mmrl_agents.records.files import read_json
from mmrl_agents.settings.config import TrainConfig
from tests.mmrl.representation.samples import Samples
from tests.trainings import POLE, trained_quietly

TWO = {name: Modality(name, (2,), 20, Unencoded()) for name in ("left", "right")}
TURN = torch.tensor([[2.0, 1.0], [0.0, -3.0]])


@pytest.fixture(scope="module")
def learned() -> tuple[ActorCritic, ImaginingPolicy]:
    """Right is left, turned; the translation has learned it, the policy nothing."""
    torch.manual_seed(0)
    policy = ActorCritic(TWO, spaces.Box(-1, 1, (2,)), objectives={"translation": Translation(hidden=())})
    translators = policy.objectives["translation"]
    assert isinstance(translators, Translators)
    left = torch.randn(128, 2)
    readings = {"left": left, "right": left @ TURN}
    policy.update_statistics(readings)
    optimizer = torch.optim.Adam(translators.parameters(), 5e-2)
    for _ in range(150):
        loss = translators(Samples(readings, torch.zeros(128)), policy.perception(readings))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return policy.eval(), ImaginingPolicy(policy, translators).eval()


def test_an_absent_sense_is_imagined_from_the_other(learned: tuple[ActorCritic, ImaginingPolicy]) -> None:
    policy, imagining = learned
    left = torch.randn(6, 2)
    whole = {"left": left, "right": left @ TURN}
    gone = {"right": torch.zeros(6, dtype=torch.bool)}
    full, lost = (policy.step(whole, None, present=present, deterministic=True).action for present in (None, gone))
    for given in (whole, {"left": left}, {"left": left, "right": torch.full((6, 2), np.nan)}):
        acted = imagining.step(given, None, present=gone, deterministic=True).action
        assert (acted - full).norm() < 0.05 * (lost - full).norm()


def test_what_is_there_is_left_as_it_is(learned: tuple[ActorCritic, ImaginingPolicy]) -> None:
    policy, imagining = learned
    left = torch.randn(6, 2)
    odd = {"left": left, "right": 50 + left}  # unlike what the left one says
    assert torch.equal(
        imagining.step(odd, None, deterministic=True).action, policy.step(odd, None, deterministic=True).action
    )
    some = {"right": torch.arange(6) < 3}
    readings, masks = imagining.imagined(odd, some)
    assert torch.equal(readings["right"][:3], odd["right"][:3])
    torch.testing.assert_close(readings["right"][3:], left[3:] @ TURN, rtol=0.05, atol=0.05)
    assert masks["right"].all()


def test_without_any_sense_nothing_is_imagined(learned: tuple[ActorCritic, ImaginingPolicy]) -> None:
    policy, imagining = learned
    nothing = {name: torch.zeros(2, dtype=torch.bool) for name in TWO}
    ours, theirs = (each.step({}, None, present=nothing, deterministic=True).action for each in (imagining, policy))
    assert torch.equal(ours, theirs)


def test_an_imagined_picture_is_one() -> None:
    torch.manual_seed(0)
    senses = {**TWO, "film": Modality("film", (8, 8, 1), 10, ImageConv((4,), (4,), (2,), features=8), dtype="uint8")}
    policy = ActorCritic(senses, spaces.Discrete(2), objectives={"translation": Translation()})
    translators = policy.objectives["translation"]
    assert isinstance(translators, Translators)
    gone = {"film": torch.tensor([False, True, False])}
    film = torch.randint(256, (3, 8, 8, 1), dtype=torch.uint8)
    given = {"left": torch.randn(3, 2), "right": torch.randn(3, 2), "film": film}
    readings, _ = ImaginingPolicy(policy, translators).imagined(given, gone)
    assert readings["film"].dtype == torch.uint8
    assert torch.equal(readings["film"][1], film[1])
    assert not torch.equal(readings["film"][0], film[0])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    ppo = PPOConfig(num_steps=16, minibatch_size=64, epochs=1)
    usual = {"num_worlds": 4, "total_steps": 128, "threads": 1, "ppo": ppo, "evaluate_episodes": 0}
    folder, objectives = tmp_path_factory.mktemp("runs") / "run", {"translation": 1}
    return trained_quietly(
        TrainConfig("tests.toys.lessons:Guess", "ppo", "none", objectives=objectives, run_dir=folder, **usual)
    )


def test_a_run_is_judged_with_imagined_senses(run: Path) -> None:
    config = EvaluateConfig(run=str(run), episodes=4, num_worlds=4, checkpoint="last", absent="imagined")
    report = evaluate_run(config, Console(file=StringIO()))
    assert {row.label for row in report.rows} == {"all senses", "without ear", "without eye"}
    document = read_json(run / "evaluation_imagined.json")
    assert document["config"]["absent"] == "imagined"
    assert not (run / "evaluation.json").exists()


@pytest.mark.slow
def test_the_worth_of_senses_is_judged_with_imagined_ones(run: Path) -> None:
    few = BrokenWays(noise=(), delay=())
    config = EvaluateConfig(run=str(run), episodes=2, num_worlds=2, absent="imagined", senses=True, faults=few)
    evaluate_senses(config, Console(file=StringIO()))
    assert (run / "senses_imagined.json").exists()


def test_a_run_without_translation_imagines_nothing(tmp_path: Path) -> None:
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    config = EvaluateConfig(run=str(run), episodes=4, num_worlds=2, checkpoint="last", absent="imagined", senses=True)
    with pytest.raises(ValueError, match=r"imagined by the objective 'translation', which .* was not trained with"):
        evaluate_senses(config, Console(file=StringIO()))
    with pytest.raises(ValueError, match="absent would have no effect: no sense is taken away"):
        evaluate_run(replace(config, senses=False, without=False), Console(file=StringIO()))
