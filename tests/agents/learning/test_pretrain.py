"""Pretraining: objectives alone teach a perception, a policy is learned on it, frozen."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mmrl.modality import Modality
from mmrl.perception import Perception, Seen
from mmrl.representation import OBJECTIVES, Batch, Objective, ObjectiveConfig
from mmrl_agents.cli.pretraining import as_training
from mmrl_agents.experience.behaviours import RandomBehaviour
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.pretrain import PretrainConfig
from mmrl_agents.records.dataset.folder import Dataset
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.train import open_run
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.watching.reconstructions import draw_reconstructions
from mmrl_agents.watching.recording.record import RecordConfig, record
from mmrl_agents.worlds.making import action_space_of
from tests.trainings import POLE, json_lines, trained_quietly

ENV = "tests.toys.lessons:Guess"
SETTINGS = PretrainConfig(num_steps=16, minibatch_size=32, epochs=1)


def config(folder: Path, **changes: Any) -> TrainConfig:
    usual: dict[str, Any] = {
        "num_worlds": 4,
        "total_steps": 4 * 16 * 5,
        "threads": 1,
        "pretrain": SETTINGS,
        "objectives": {"denoising": 1.0, "bimodal": 0.5},
        "evaluate_episodes": 0,
        "run_dir": folder / "run",
    }
    return TrainConfig(ENV, "pretrain", "none", **usual | changes)


def weights(run: Path) -> dict[str, Tensor]:
    return dict(RunFolder.open(run).load("last")[1]["policy"])


def recorded(folder: Path) -> Path:
    record(RecordConfig("random", folder, episodes=20, env=ENV))
    return folder


def break_off(config: TrainConfig, steps: int, whole: Path) -> None:
    """Trains for so many steps and saves, as the whole run would have been at that point."""
    trainer = Trainer(config, open_run(config))
    trainer.begin()
    while trainer.step < steps:
        trainer.advance()
    trainer.save()
    trainer.run.write_config(RunFolder.open(whole).read_config())
    trainer.close()
    trainer.run.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pretrained")
    return trained_quietly(config(folder, pretrain=replace(SETTINGS, learning_rate=1e-2, epochs=2)))


def test_losses_fall_and_only_perception_and_objectives_are_taught(run: Path, tmp_path: Path) -> None:
    lines = json_lines(run / "metrics.jsonl")
    assert lines[-1]["loss"] < 0.8 * lines[0]["loss"]
    last = lines[-1]
    assert last["loss"] == pytest.approx(last["denoising_loss"] + 0.5 * last["bimodal_loss"], rel=1e-5)
    assert "success_rate" not in last  # nobody tried
    before = Trainer(config(tmp_path), open_run(config(tmp_path))).policy.state_dict()  # type: ignore[attr-defined]
    after = weights(run)
    changed = {name.partition(".")[0] for name, value in after.items() if not torch.equal(value, before[name])}
    assert changed == {"perception", "objectives"}


@pytest.mark.parametrize("data", ["random", "recorded"])
def test_it_is_resumed_bit_for_bit(data: str, tmp_path: Path) -> None:
    source = data if data == "random" else str(recorded(tmp_path / "data"))
    still = {"pretrain": replace(SETTINGS, data=source), "sense_dropout": 0.3}
    whole = trained_quietly(config(tmp_path / "whole", total_steps=4 * 16 * 4, **still))
    half = config(tmp_path / "half", total_steps=4 * 16 * 4, **still)
    break_off(half, 2 * 4 * 16, whole)
    trained_quietly(TrainConfig(ENV, resume=half.run_dir, total_steps=4 * 16 * 4))
    ours, theirs = weights(whole), weights(tmp_path / "half" / "run")
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_a_policy_is_learned_on_a_frozen_perception(run: Path, tmp_path: Path) -> None:
    ppo = PPOConfig(num_steps=16, minibatch_size=32, epochs=2)
    learned = trained_quietly(
        TrainConfig(
            *(ENV, "ppo", "none"),
            num_worlds=4,
            total_steps=4 * 16 * 4,
            threads=1,
            ppo=ppo,
            evaluate_episodes=0,
            init=str(run),
            freeze=("perception",),
            seed=3,
            run_dir=tmp_path / "run",
        )
    )
    before, after = weights(run), weights(learned)
    for name, value in after.items():
        # statistics among them; actor and critic are of this training, not those that came with the perception
        assert torch.equal(value, before[name]) == name.startswith("perception."), name


@pytest.mark.slow
def test_an_agent_of_sb3_learns_on_it_as_well(run: Path, tmp_path: Path) -> None:
    learned = trained_quietly(
        TrainConfig(
            *(ENV, "sb3-sac", "none"),
            num_worlds=2,
            total_steps=200,
            threads=1,
            evaluate_episodes=0,
            sb3={"options": {"batch_size": 32, "learning_starts": 50}},
            init=str(run),
            freeze=("perception",),
            run_dir=tmp_path / "run",
        )
    )
    before, after = weights(run), weights(learned)
    perceived = {name: value for name, value in after.items() if ".perception." in name}
    assert len(perceived) > 3 * 4  # of actor, critic and its target
    for name, value in perceived.items():
        same = before["perception." + name.partition(".perception.")[2]]
        torch.testing.assert_close(value, same, msg=name)  # a target is an average of the same numbers


def test_what_is_frozen_must_be_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="freeze: no weight of the network begins with 'nose'; parts are head, critic"):
        trained_quietly(replace(config(tmp_path), freeze=("nose",)))


@pytest.mark.slow
def test_readings_that_come_back_are_drawn(run: Path, tmp_path: Path) -> None:
    picture = draw_reconstructions(run)
    assert picture is not None
    assert picture.stat().st_size > 5000
    nothing = trained_quietly(config(tmp_path, objectives={"clip": 1}, total_steps=128))
    assert draw_reconstructions(nothing) is None


def test_evenly_drawn_actions_fill_their_space() -> None:
    envs = config(Path()).worlds.make(2)
    behaviour, generator = RandomBehaviour(envs), torch.Generator().manual_seed(0)
    drawn = behaviour.act(2000, generator)
    assert drawn.shape == (2000, *(action_space_of(envs).shape or ()))
    assert float(drawn.mean()) == pytest.approx(0, abs=0.05)
    assert float(drawn.std()) == pytest.approx(2 / math.sqrt(12), rel=0.05)
    envs.close()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objectives": {}}, "a pretraining learns from objectives alone and has none: --objective NAME"),
        ({"pretrain": replace(SETTINGS, data="contact")}, "contact is sought where actions move the tip of a robot"),
        ({"pretrain": replace(SETTINGS, data="nowhere")}, "nowhere is no data set of mmrl"),
        ({"stop_at_success": 0.5}, "stop_at_success would have no effect: agent pretrain learns no actions"),
    ],
)
def test_what_cannot_be_is_refused(changes: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        trained_quietly(config(tmp_path, **changes))
    with pytest.raises(ValueError, match=r"pretrain\.epochs must be above 0, got 0"):
        PretrainConfig(epochs=0)


class _Elsewhere(Objective):
    """Reads a sense that nobody has."""

    def forward(self, batch: Batch, seen: Seen) -> Tensor:
        return batch.observations["nose"].mean()


@dataclass(frozen=True)
class _ElsewhereConfig(ObjectiveConfig):
    """A sense that nobody has."""

    def start(self, perception: Perception, senses: Mapping[str, Modality]) -> Objective:
        return _Elsewhere()


def test_recorded_data_that_do_not_fit_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = str(recorded(tmp_path / "data"))
    monkeypatch.setitem(OBJECTIVES, "elsewhere", _ElsewhereConfig)
    reading_more = config(tmp_path, pretrain=replace(SETTINGS, data=data), objectives={"elsewhere": 1})
    with pytest.raises(ValueError, match=r"an objective reads 'nose', which .*data does not hold"):
        trained_quietly(reading_more)
    settings = config(tmp_path, pretrain=replace(SETTINGS, data=data), policy={"fusion": "lstm"})
    with pytest.raises(ValueError, match="lstm remembers; recorded data are learned from by single frames"):
        trained_quietly(settings)


def test_episodes_of_a_policy_are_recorded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    acting = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    words = ["CartPole-v1", "--objective", "autoencoder", "--data", str(acting), "--steps", "700"]
    training = as_training(words)
    folder = Path(training[training.index("--pretrain.data") + 1])
    assert folder.parent == Path("runs/recorded")
    data = Dataset(folder)
    assert len(data) == 7  # of 100 steps, as these worlds do not say how long they last
    before = (folder / "meta" / "info.json").stat().st_mtime_ns
    assert as_training(words) == training
    assert (folder / "meta" / "info.json").stat().st_mtime_ns == before
    run = trained_quietly(
        TrainConfig(
            *("CartPole-v1", "pretrain", "none"),
            num_worlds=2,
            total_steps=64,
            threads=1,
            pretrain=replace(SETTINGS, data=str(folder)),
            objectives={"autoencoder": 1},
            run_dir=tmp_path / "pretrained",
        )
    )
    assert math.isfinite(json_lines(run / "metrics.jsonl")[-1]["loss"])


def test_the_words_are_those_of_a_training() -> None:
    usual = ["mmrl/PegInsertion-v0", "--agent", "pretrain", "--total-steps"]
    assert as_training(["mmrl/PegInsertion-v0", "--objective", "clip"]) == [
        *usual,
        "100000",
        "--objectives",
        "clip=1",
        "--pretrain.data",
        "random",
    ]
    words = (
        "--seed 3 --objective clip=0.5 clip.size=8 --objective=masked --data contact --steps=2e4 --fusion transformer"
    )
    assert as_training(["mmrl/PegInsertion-v0", *words.split()]) == [
        *usual,
        "2e4",
        *("--objectives", "clip=0.5", "clip.size=8", "masked=1"),
        *("--pretrain.data", "contact", "--seed", "3", "--fusion", "transformer"),
    ]
    assert as_training(["--resume", "runs/RUN", "--steps", "9"]) == ["--resume", "runs/RUN", "--total-steps", "9"]
    with pytest.raises(SystemExit):
        as_training([])


def of_flow(folder: Path, **changes: Any) -> TrainConfig:
    """Optical flow foretold in two worlds of the peg task."""
    usual: dict[str, Any] = {
        "num_worlds": 2,
        "total_steps": 2 * 8 * 4,
        "threads": 1,
        "device": "cpu",
        "pretrain": PretrainConfig(num_steps=8, minibatch_size=8, epochs=1, data="contact"),
        "objectives": {"vision_touch": {"flow": 1.0}},
        "env_kwargs": {"critic_sensors": ["flow:height=16,width=16"], "max_episode_steps": 6},
        "run_dir": folder / "run",
    }
    return TrainConfig("mmrl/PegInsertion-v0", "pretrain", **usual | changes)


def test_optical_flow_is_learned_to_be_foretold_and_resumed_bit_for_bit(tmp_path: Path) -> None:
    whole = trained_quietly(of_flow(tmp_path / "whole"))
    assert all(math.isfinite(line["vision_touch_loss"]) for line in json_lines(whole / "metrics.jsonl"))
    half = of_flow(tmp_path / "half")
    break_off(half, 2 * 8 * 2, whole)
    trained_quietly(TrainConfig("mmrl/PegInsertion-v0", resume=half.run_dir, total_steps=2 * 8 * 4))
    ours, theirs = weights(whole), weights(tmp_path / "half" / "run")
    assert any(name.startswith("objectives.vision_touch.flowing.") for name in ours)
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())


def test_optical_flow_needs_worlds_that_know_it(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="critic here has privileged; worlds of mmrl with a camera have it by critic_"):
        trained_quietly(of_flow(tmp_path, env_kwargs={}))
    data = tmp_path / "data"
    record(RecordConfig("random", data, episodes=1, env="mmrl/PegInsertion-v0"))
    recorded = of_flow(tmp_path, pretrain=PretrainConfig(num_steps=8, minibatch_size=8, epochs=1, data=str(data)))
    with pytest.raises(ValueError, match=r"an objective reads 'flow', which .*data does not hold"):
        trained_quietly(recorded)


@pytest.mark.slow
def test_vision_and_touch_of_a_robot_that_seeks_contact(tmp_path: Path) -> None:
    """Camera, wrench and tip of the peg task; also resumed beside PPO, on a perception that stays as it is."""
    settings = TrainConfig(
        *("mmrl/PegInsertion-v0", "pretrain"),
        num_worlds=8,
        total_steps=8 * 16 * 12,
        threads=1,
        pretrain=replace(SETTINGS, data="contact", epochs=4),
        objectives={"vision_touch": 1},
        run_dir=tmp_path / "senses",
    )
    lines = json_lines(trained_quietly(settings) / "metrics.jsonl")
    assert lines[-1]["vision_touch_loss"] < 0.8 * lines[0]["vision_touch_loss"]
    ppo = PPOConfig(num_steps=16, minibatch_size=64, epochs=1)
    policy = TrainConfig(
        "mmrl/PegInsertion-v0",
        num_worlds=8,
        total_steps=8 * 16 * 3,
        threads=1,
        ppo=ppo,
        objectives={"vision_touch": 0.1},
        evaluate_episodes=0,
        init=str(settings.run_dir),
        freeze=("perception",),
        run_dir=tmp_path / "policy",
    )
    assert math.isfinite(json_lines(trained_quietly(policy) / "metrics.jsonl")[-1]["vision_touch_loss"])
