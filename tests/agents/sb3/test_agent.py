"""Every SB3 agent through the command line: trained, resumed, judged, filmed, exported, refused."""

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from stable_baselines3.common.utils import set_random_seed

import mmrl
from mmrl.deploy.exported import open_exported
from mmrl.inputs import Memory
from mmrl_agents.algorithms import BUILT_IN
from mmrl_agents.cli import main
from mmrl_agents.learning.agent import Network
from mmrl_agents.learning.sb3_algorithms import SB3_ALGORITHMS, SB3Config
from mmrl_agents.policies.trained import load_policy
from mmrl_agents.records.checkpoint import load_checkpoint
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings.algorithm import build_network
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.training.trainer import Trainer
from mmrl_agents.worlds.making import make_envs
from tests.comparing import assert_same

ENV_ID = "mmrl/PegInsertion-v0"
TOUCH = ("force_torque", "proprioception")
# The clock, and what is drawn from it.
TIMES = {"seconds", "steps_per_second", "collect_seconds", "update_seconds", "wall_time_s"}
# 4 worlds x 8 steps are 32 an update; 4 worlds x 4 steps are 16, and learning starts beyond 40.
ROLLOUTS = {"n_steps": 8, "batch_size": 16, "n_epochs": 1}
REPLAY = {"buffer_size": 400, "learning_starts": 40, "batch_size": 16, "train_freq": 4, "gradient_steps": 2}
SETTINGS = {name: REPLAY if algorithm.replays else ROLLOUTS for name, algorithm in SB3_ALGORITHMS.items()}
POLICY = {"sb3-recurrent-ppo": {"lstm_hidden_size": 16}}
COMMON = (
    *("--num-worlds", "4", "--total-steps", "96", "--threads", "1", "--device", "cpu", "--sensors", *TOUCH),
    *("--set", "max_episode_steps=6", "--evaluate-episodes", "0"),
)
PEG = TrainConfig(
    env=ENV_ID,
    num_worlds=4,
    total_steps=320,
    sensors=TOUCH,
    env_kwargs={"max_episode_steps": 7},  # so that episodes begin and end within and across rollouts
    device="cpu",
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """SB3 seeds the generators of the process; nothing after these tests shall depend on that."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def words(settings: dict[str, Any]) -> list[str]:
    return [f"{key}={value}" for key, value in settings.items()]


def config_of(agent: str, **changes: Any) -> TrainConfig:
    sb3 = SB3Config({**SETTINGS[agent], **changes}, POLICY.get(agent, {}))
    return replace(PEG, agent=agent, sb3=sb3)  # type: ignore[arg-type]  # one of the names


@pytest.fixture(scope="module", params=list(SB3_ALGORITHMS))
def run(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sb3") / request.param
    options = ["--sb3.options", *words(SETTINGS[request.param])]
    options += ["--sb3.policy-options", *words(POLICY.get(request.param, {}))]
    assert main(["train", ENV_ID, "--agent", request.param, *COMMON, *options, "--run-dir", str(folder)]) == 0
    return folder


@pytest.fixture(scope="module")
def policy(run: Path) -> Network:
    return load_policy(run, checkpoint="last").policy


def refusal(config: TrainConfig) -> str:
    with pytest.raises(ValueError) as error:
        Trainer(config, RunFolder(Path("nowhere")))
    return str(error.value)


def test_training_leaves_a_run_like_any_other(run: Path) -> None:
    agent = json.loads((run / "config.json").read_text())["train"]["agent"]
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    replays = SB3_ALGORITHMS[agent].replays
    assert [line["step"] for line in lines] == list(range(16, 97, 16) if replays else range(32, 97, 32))
    assert set(lines[-1]) > {"mean_return", "success_rate", "steps_per_second", "learning_rate"}
    # Learning starts with 48 of 41 transitions: 4 updates of 2 gradient steps; 3 rollouts of one epoch each.
    assert lines[-1]["n_updates"] == (8 if replays else 3)
    assert list(run.glob("events.out.tfevents*"))
    assert json.loads((run / "status.json").read_text())["state"] == "finished"


def test_a_checkpoint_holds_nothing_but_tensors_and_plain_values(run: Path) -> None:
    """`load_checkpoint` refuses anything that would run code; no file of SB3's own, a zip of pickles, is there."""
    state = load_checkpoint(RunFolder(run).checkpoint("last"))
    assert state["agent"]["num_timesteps"] == 96
    assert not list(run.rglob("*.zip"))


def test_the_judge_takes_it_with_and_without_each_sense(run: Path) -> None:
    assert main(["evaluate", str(run), "--episodes", "4", "--num-worlds", "4", "--device", "cpu"]) == 0
    report = json.loads((run / "evaluation.json").read_text())
    assert [row["label"] for row in report["rows"]] == ["all senses", *(f"without {name}" for name in TOUCH)]
    returns = {row["mean_return"] for row in report["rows"]}
    assert len(returns) == 3, "without a sense the policy acts otherwise"


def test_weights_are_loaded_as_they_were_saved(run: Path, policy: Network) -> None:
    saved = load_checkpoint(RunFolder(run).checkpoint("last"))["policy"]
    assert {name: weight.tolist() for name, weight in policy.state_dict().items()} == {
        name: weight.tolist() for name, weight in saved.items()
    }


def test_drawn_actions_follow_the_seed_and_leave_the_global_generator_alone(run: Path, policy: Network) -> None:
    config = json.loads((run / "config.json").read_text())["senses"]
    obs = {name: torch.randn(5, sense["history"], *sense["shape"]) for name, sense in config.items()}
    memory = Memory(torch.zeros(5, policy.state_size), torch.zeros(1, 5, dtype=torch.bool))
    given = memory if policy.state_size else None
    before = torch.get_rng_state()
    one, same, other = (
        policy.step(obs, given, generator=torch.Generator().manual_seed(seed)).action for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    # TD3 draws nothing: its noise belongs to the training
    drawn = json.loads((run / "config.json").read_text())["train"]["agent"] != "sb3-td3"
    assert torch.equal(one, other) is not drawn


def test_a_recurrent_policy_remembers_until_it_is_reset(run: Path, policy: Network) -> None:
    config = json.loads((run / "config.json").read_text())
    if config["train"]["agent"] != "sb3-recurrent-ppo":
        assert policy.state_size == 0
        return
    assert policy.state_size == 2 * 16
    torch.manual_seed(0)
    obs = {name: torch.randn(2, sense["history"], *sense["shape"]) for name, sense in config["senses"].items()}
    start = torch.tensor([[True, False]])
    state = torch.randn(2, 32)
    first = policy.step(obs, Memory(state, start), deterministic=True)
    zeroed = policy.step(obs, Memory(state * torch.tensor([[0.0], [1.0]]), start), deterministic=True)
    torch.testing.assert_close(first.action, zeroed.action)
    assert first.state is not None
    # Each row by itself: a row alone remembers what it does among others.
    alone = policy.step({name: x[1:] for name, x in obs.items()}, Memory(state[1:], start[:, 1:]), deterministic=True)
    torch.testing.assert_close(alone.state, first.state[1:])
    torch.testing.assert_close(alone.action, first.action[1:])


def test_it_exports_and_films(run: Path, tmp_path: Path) -> None:
    assert main(["export", str(run), str(tmp_path / "out"), "--checkpoint", "last"]) == 0
    assert (tmp_path / "out" / "model.safetensors").stat().st_size > 1000
    if run.name != "sb3-recurrent-ppo":
        return  # filming is slow, and knows of the algorithms only whether they remember
    video = tmp_path / "out.mp4"
    assert main(["watch", str(run), "--episodes", "1", "--max-seconds", "0.1", "--output", str(video)]) == 0
    assert video.stat().st_size > 0


def test_its_graph_acts_as_it_does(
    run: Path, policy: Network, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["export", str(run), str(tmp_path / "out"), "--checkpoint", "last", "--format", "pt2"])
    if run.name == "sb3-recurrent-ppo":  # whose LSTM looks at whether an episode begins
        assert code == 2
        assert "the network is no graph" in capsys.readouterr().err
        return
    exported, here = open_exported(tmp_path / "out", trust=["pt2"]), mmrl.load(run, checkpoint="last")
    rng = np.random.default_rng(0)
    seen = {n: rng.normal(0, 5, (3, *m.window_shape)).astype(np.float32) for n, m in policy.modalities.items()}
    np.testing.assert_allclose(exported.act(seen), here.act(seen), atol=1e-5)


def advance(trainer: Trainer, updates: int) -> None:
    for _ in range(updates):
        trainer.advance()


def state_of(trainer: Trainer) -> dict[str, Any]:
    trainer.save()
    return trainer.run.load("last")[1]


@pytest.mark.parametrize("agent", ["sb3-ppo", "sb3-recurrent-ppo"])
def test_rollout_algorithms_resume_bit_for_bit(agent: str, tmp_path: Path) -> None:
    straight = Trainer(config_of(agent), RunFolder.create(tmp_path / "straight"))
    straight.begin()
    for _ in range(2):
        straight.advance()
    halfway = state_of(straight)
    straight.advance()
    set_random_seed(12345)  # a new process stands elsewhere
    resumed = Trainer(config_of(agent), RunFolder.create(tmp_path / "resumed"))
    assert resumed.restore(tmp_path, halfway) == ""
    resumed.advance()
    assert_same(state_of(resumed), state_of(straight), but=TIMES)


def test_replay_algorithms_resume_with_weights_and_say_that_the_buffer_is_empty(tmp_path: Path) -> None:
    config = config_of("sb3-sac", ent_coef="auto_0.3")
    first = Trainer(config, RunFolder.create(tmp_path / "first"))
    first.begin()
    for _ in range(4):
        first.advance()
    saved = state_of(first)
    resumed = Trainer(config, RunFolder.create(tmp_path / "resumed"))
    with pytest.warns(UserWarning, match="saves no replay buffer: the run fills a new one with 40 transitions"):
        resumed.restore(tmp_path, saved)
    assert_same(state_of(resumed)["agent"], saved["agent"])
    assert_same(state_of(resumed)["policy"], saved["policy"])
    updates = saved["agent"]["n_updates"]
    updates_since = []
    for _ in range(4):
        resumed.advance()
        updates_since.append(state_of(resumed)["agent"]["n_updates"] - updates)
    # 16, 32, 48, 64 transitions in the new buffer, learning beyond 40 with 2 gradient steps each time
    assert updates_since == [0, 0, 2, 4]


def test_target_networks_follow_the_running_statistics(tmp_path: Path) -> None:
    """A target that judged raw readings, and a critic that judges standardised ones, would never agree."""
    config = replace(config_of("sb3-sac"), env="Pendulum-v1", sensors=(), env_kwargs={})
    trainer = Trainer(config, RunFolder.create(tmp_path / "run"))
    trainer.begin()
    for _ in range(5):
        trainer.advance()
    weights = trainer.policy.state_dict()
    key = "features_extractor.perception.encoders./observation.normalizer.{}"
    for figure in ("mean", "var", "count"):
        critic, target = (weights[f"policy.{part}.{key.format(figure)}"] for part in ("critic", "critic_target"))
        assert torch.equal(critic, target), figure
    assert float(weights[f"policy.critic.{key.format('count')}"]) > 0


def test_statistics_are_known_before_the_first_update_of_a_rollout_algorithm(tmp_path: Path) -> None:
    """One rollout of 4 worlds x 8 steps is looked at only, so the first ratio of probabilities is near one."""
    config = replace(config_of("sb3-ppo"), env="Pendulum-v1", sensors=(), env_kwargs={})
    trainer = Trainer(config, RunFolder.create(tmp_path / "run"))
    trainer.begin()
    assert trainer.step == 32
    weights = trainer.policy.state_dict()
    name = next(name for name in weights if name.endswith("observation.normalizer.count"))
    assert float(weights[name]) == 32


def test_schedules_follow_the_run(tmp_path: Path) -> None:
    trainer = Trainer(config_of("sb3-ppo", learning_rate="lin_4e-3"), RunFolder.create(tmp_path / "run"))
    assert trainer.agent.set_progress(0.0) == pytest.approx(4e-3)
    assert trainer.agent.set_progress(0.75) == pytest.approx(1e-3)


def test_every_algorithm_is_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "agents"]) == 0
    said = capsys.readouterr().out
    for name, algorithm in SB3_ALGORITHMS.items():
        assert name in said
        assert algorithm.summary.split()[0] in said


@pytest.mark.parametrize("agent", list(SB3_ALGORITHMS))
def test_the_command_line_names_every_algorithm(agent: str) -> None:
    assert TrainConfig(env=ENV_ID, agent=agent).agent in BUILT_IN


def test_unknown_and_reserved_options_are_refused() -> None:
    assert "sb3.options has no 'learning_rat'; there are" in refusal(config_of("sb3-ppo", learning_rat=1))
    assert "sb3.options has no 'seed'" in refusal(config_of("sb3-sac", seed=1))
    assert "sb3.options has no 'action_noise_std'" in refusal(config_of("sb3-ppo", action_noise_std=0.1))
    policy = replace(PEG, agent="sb3-ppo", sb3=SB3Config({}, {"net_arch": [3]}))
    assert "sb3.policy_options has no 'net_arch'" in refusal(policy)
    assert "lin_ needs a number" in refusal(config_of("sb3-ppo", learning_rate="lin_fast"))


def test_settings_that_sb3_refuses_are_reported_as_ours() -> None:
    assert "sb3-ppo refuses its settings" in refusal(config_of("sb3-ppo", batch_size=1))


def test_fusions_and_heads_of_our_own_are_refused() -> None:
    late = replace(config_of("sb3-ppo"), policy=replace(PEG.policy, fusion="late"))
    assert "fusion 'late' decides by a head for each sense" in refusal(late)
    head = replace(config_of("sb3-ppo"), policy=replace(PEG.policy, head="gaussian"))
    assert "policy.head 'gaussian' is one of mmrl's own" in refusal(head)
    separate = replace(config_of("sb3-ppo"), policy=replace(PEG.policy, separate_critic=True))
    assert "policy.separate_critic is one of mmrl's own" in refusal(separate)


@pytest.mark.parametrize("agent", ["sb3-ppo", "sb3-sac", "sb3-tqc"])
def test_state_dependent_noise_follows_the_seed_and_the_trained_deviation(agent: str) -> None:
    config = config_of(agent, use_sde=True)
    envs = make_envs(ENV_ID, 2, {"sensors": TOUCH})
    policy = build_network(config, envs)
    observation = {name: torch.from_numpy(rows) for name, rows in envs.reset(seed=0)[0].items()}

    def drawn(seed: int) -> torch.Tensor:
        return policy.step(observation, None, generator=torch.Generator().manual_seed(seed)).action

    assert torch.equal(drawn(1), drawn(1))
    assert not torch.equal(drawn(1), drawn(2))
    envs.close()


def test_actions_that_an_algorithm_cannot_take_are_refused() -> None:
    pole = replace(config_of("sb3-sac"), env="CartPole-v1", sensors=(), env_kwargs={})
    assert "sb3-sac needs continuous actions" in refusal(pole)


def test_a_buffer_that_the_machine_cannot_hold_is_refused() -> None:
    assert "buffer_size 1,000,000,000 takes" in refusal(config_of("sb3-sac", buffer_size=10**9))
    assert "learning_starts 500 is more than a buffer_size of 400" in refusal(config_of("sb3-sac", learning_starts=500))


def test_weights_lost_in_an_update_end_the_run(tmp_path: Path) -> None:
    trainer = Trainer(config_of("sb3-ppo", learning_rate=1e30), RunFolder.create(tmp_path / "run"))
    trainer.begin()
    with pytest.raises(ValueError, match=r"sb3-ppo: .*(not finite|invalid values)"):
        advance(trainer, 5)


def test_a_missing_package_is_said_to_be_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sb3_contrib", None)
    with pytest.raises(ValueError, match=r"TQC needs sb3-contrib, install it by: pip install 'mmrl\[sb3\]'"):
        SB3_ALGORITHMS["sb3-tqc"].load()


def test_networks_of_foreign_worlds_take_their_only_sense() -> None:
    config = replace(config_of("sb3-ppo"), env="CartPole-v1", sensors=(), env_kwargs={})
    envs = make_envs("CartPole-v1", 2, {})
    network = build_network(config, envs).eval()
    action = network.step({"observation": torch.zeros(2, 4)}, None, deterministic=True).action
    envs.close()
    assert action.shape == (2,)
    assert np.isin(action.numpy(), [0, 1]).all()


@pytest.mark.slow
def test_ppo_of_sb3_learns_cartpole(tmp_path: Path) -> None:
    options = ["n_steps=64", "batch_size=128", "n_epochs=10", "learning_rate=lin_2e-3", "gamma=0.98", "gae_lambda=0.8"]
    run = tmp_path / "run"
    command = ["train", "CartPole-v1", "--agent", "sb3-ppo", "--num-worlds", "8", "--total-steps", "60000"]
    more = ["--threads", "1", "--device", "cpu", "--evaluate-episodes", "0", "--stop-at-return", "300"]
    assert main([*command, *more, "--run-dir", str(run), "--sb3.options", *options]) == 0
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["mean_return_20"] >= 300
