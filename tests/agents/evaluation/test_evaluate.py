"""Judging a run: what is read from its folder, what is printed and what is written."""

import io
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import pytest
import torch
import tyro
from gymnasium import spaces
from numpy.typing import NDArray
from rich.console import Console

from mmrl.evaluation.episodes import run_episodes
from mmrl.inputs import Memory
from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.evaluation.evaluate_senses import evaluate_senses
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.training.train import train
from tests.toys.dials import LampDial
from tests.trainings import moment_in

ENV_ID = "test-evaluate/Dial-v0"


SHORT = moment_in(ENV_ID)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if ENV_ID not in gym.registry:
        gym.register(ENV_ID, entry_point=LampDial)
    folder = tmp_path_factory.mktemp("runs") / "dial"
    train(replace(SHORT, run_dir=folder), Console(file=io.StringIO()))
    return folder


def judge(run: Path | str, **options: Any) -> tuple[Any, str]:
    """The report and what was printed."""
    text = io.StringIO()
    config = EvaluateConfig(**{"run": str(run), "episodes": 6, "num_worlds": 3, **options})
    report = evaluate_run(config, Console(file=text, width=120))
    return report, text.getvalue()


def test_report_is_printed_and_written_with_all_that_repeats_it(run: Path) -> None:
    report, text = judge(run, device="cpu")
    # 6 successes of 6, whose Wilson interval starts at 1 / (1 + 1.96^2 / 6) = 61 %.
    assert "100.0 % [61.0, 100.0]" in text
    for part in ("all senses", "without dial", "without lamp", "Wilson", "McNemar"):
        assert part in text
    for part in ("mean share (%)", "80.", "swing (mm)", "2.00 [2.00, 2.00]", "Lower is better: swing (mm)."):
        assert part in text
    document = json.loads((run / "evaluation.json").read_text())
    assert document["rows"] == json.loads(json.dumps(report.to_json()["rows"], allow_nan=False))
    assert [row["absent"] for row in document["rows"]] == [[], ["dial"], ["lamp"]]
    assert document["rows"][0]["median_swing_mm"] == 2.0
    assert [figure["name"] for figure in document["figures"]] == ["swing_mm", "luck", "share"]
    assert (document["seed"], document["episodes"], document["num_worlds"]) == (10_000, 6, 3)
    assert document["env_id"] == ENV_ID
    assert document["machine"]["device"] == "cpu"
    assert {"mujoco", "torch", "mmrl"} <= document["versions"].keys()
    assert document["config"]["checkpoint"] == "best"
    assert not list(run.glob(".*"))


def test_games_that_repeat_each_other_are_judged_with_sticky_actions_beside() -> None:
    pytest.importorskip("ale_py")
    short = {"episodes": 2, "num_worlds": 2, "episode_limit": 3, "device": "cpu"}
    report, text = judge("pong_reinforce", **short)
    assert [row.label for row in report.rows] == ["all senses", "sticky actions 0.25"]
    assert [row.repeats for row in report.rows] == [True, False]
    # Both are cut after three steps without a point: one return, one length.
    assert "1 of these 2 were different" in " ".join(text.split())
    drawn, text = judge("pong_reinforce", deterministic=False, **short)
    assert [row.label for row in drawn.rows] == ["all senses"]
    assert "different" not in text


def test_the_same_config_gives_the_same_report_drawn_actions_included(run: Path) -> None:
    for deterministic in (True, False):
        one, two = (judge(run, deterministic=deterministic)[0].to_json() for _ in range(2))
        assert one == two


@pytest.mark.parametrize("place", ["/sys/evaluation.json", "run/config.json/evaluation.json"])
def test_a_place_that_takes_no_file_is_refused_before_anything_is_played(run: Path, place: str) -> None:
    output = run.parent / place.replace("run", run.name)  # even root writes no file into /sys
    if not output.parent.exists():
        pytest.skip("no /sys here")
    for judges in (evaluate_run, evaluate_senses):
        with pytest.raises(OSError, match=rf"choose another place with --output: '{output}'"):
            judges(EvaluateConfig(run=str(run), episodes=6, output=output), Console(file=io.StringIO()))


def test_worlds_are_rounded_down_to_a_divisor_and_that_is_said(run: Path) -> None:
    report, text = judge(run, num_worlds=5)
    assert report.num_worlds == 3
    assert "6 episodes do not spread evenly over 5 worlds: taking 3" in text
    assert "taking" not in judge(run, num_worlds=6)[1]


def test_output_is_written_where_asked_and_senses_can_be_left_out(run: Path, tmp_path: Path) -> None:
    before = (run / "evaluation.json").read_text() if (run / "evaluation.json").exists() else None
    report, _ = judge(run, without=False, output=tmp_path / "new" / "other.json")
    assert len(report.rows) == 1
    assert len(json.loads((tmp_path / "new" / "other.json").read_text())["rows"]) == 1
    after = (run / "evaluation.json").read_text() if (run / "evaluation.json").exists() else None
    assert before == after


def test_worlds_without_a_context_refuse_one(run: Path) -> None:
    with pytest.raises(ValueError, match="Dial-v0 has no context to set, got tolerance"):
        judge(run, context={"tolerance": 0.0})


def test_context_of_the_training_is_kept_and_overridden(tmp_path: Path) -> None:
    folder = tmp_path / "peg"
    train(
        replace(
            SHORT,
            env="mmrl/PegInsertion-v0",
            sensors=("proprioception",),
            env_kwargs={"max_episode_steps": 4},
            context={"clearance_mm": 2.0},
            run_dir=folder,
        ),
        Console(file=io.StringIO()),
    )
    judge(folder, episodes=2, num_worlds=2, without=False, context={"friction": 0.5})
    document = json.loads((folder / "evaluation.json").read_text())
    assert document["context"] == {"clearance_mm": 2.0, "friction": 0.5}
    # Every world hands its context on to the task, which knows no such parameter.
    with pytest.raises(ValueError, match="nonsense"):
        judge(folder, episodes=2, num_worlds=2, context={"nonsense": 1})


def test_command_line_follows_the_fields() -> None:
    config = tyro.cli(
        EvaluateConfig,
        args=["runs/a", "--episodes", "9", "--no-without", "--context", "clearance_mm=1.5", "n=2"],
    )
    expected = EvaluateConfig(run="runs/a", episodes=9, without=False, context={"clearance_mm": 1.5, "n": 2})
    assert config == expected
    assert tyro.cli(EvaluateConfig, args=[]).run == "pretrained:peg_insertion"


def test_bad_values_name_the_thing_and_the_value(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="episodes must be at least 1, got 0"):
        EvaluateConfig(run="x", episodes=0)
    with pytest.raises(ValueError, match="num_worlds must be at least 1, got -2"):
        EvaluateConfig(run="x", num_worlds=-2)
    with pytest.raises(FileNotFoundError, match=r"no run folder.*come with the package: .*peg_insertion, "):
        judge(tmp_path)
    with pytest.raises(ValueError, match=r"no pretrained policy 'nothing'; those shipped are: .*peg_insertion"):
        judge("pretrained:nothing")


@pytest.fixture
def policy() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(modalities_of(LampDial.observation_space), LampDial.action_space).eval()


def observations(worlds: int) -> dict[str, NDArray[Any]]:
    rng = np.random.default_rng(3)
    return {
        "dial": rng.normal(size=(worlds, 2)),
        "lamp": rng.integers(0, 256, (worlds, 36, 36, 3), np.uint8),
    }


def test_actions_are_those_of_the_network_clipped_to_the_space(policy: ActorCritic) -> None:
    with torch.no_grad():
        policy.head.linear.bias.fill_(3.0)  # type: ignore[operator, union-attr]
    narrow = spaces.Box(-0.5, 0.25, (1,))
    action = TorchPolicy(policy, narrow).act(observations(4))
    assert action.dtype == np.float32
    assert action.tolist() == [[0.25]] * 4


def test_drawn_actions_repeat_with_the_seed_and_leave_the_global_stream_alone(
    policy: ActorCritic,
) -> None:
    before = torch.get_rng_state()
    one, two, other = (
        TorchPolicy(policy, LampDial.action_space, deterministic=False, seed=seed).act(observations(8))
        for seed in (1, 1, 2)
    )
    assert one.tolist() == two.tolist()
    assert one.tolist() != other.tolist()
    assert torch.equal(before, torch.get_rng_state())


def test_what_an_absent_sense_reads_does_not_matter(policy: ActorCritic) -> None:
    acting = TorchPolicy(policy, LampDial.action_space)
    seen = observations(3)
    other = seen | {"lamp": 255 - seen["lamp"]}
    absent = {"lamp": np.zeros(3, np.bool_), "dial": np.ones(3, np.bool_)}
    assert acting.act(seen, absent).tolist() == acting.act(other, absent).tolist()
    assert acting.act(seen).tolist() != acting.act(other).tolist()


def test_discrete_actions_are_whole_numbers_of_the_space() -> None:
    space = spaces.Discrete(3)
    discrete = ActorCritic(modalities_of(LampDial.observation_space), space).eval()
    actions = TorchPolicy(discrete, space).act(observations(5))
    assert actions.shape == (5,)
    assert all(space.contains(action) for action in actions)


@pytest.fixture
def remembering() -> ActorCritic:
    torch.manual_seed(0)
    return ActorCritic(modalities_of(LampDial.observation_space), LampDial.action_space, PolicyConfig("lstm")).eval()


def test_a_recurrent_policy_goes_on_from_what_it_remembers(remembering: ActorCritic) -> None:
    acting, seen = TorchPolicy(remembering, LampDial.action_space), observations(3)
    readings = {name: torch.from_numpy(array.astype("f" if name == "dial" else "u1")) for name, array in seen.items()}
    state, start = torch.zeros(3, remembering.state_size), torch.zeros(1, 3, dtype=torch.bool)
    for _ in range(4):
        expected, _, _, after = remembering.step(readings, Memory(state, start), deterministic=True)
        assert after is not None
        state = after
        np.testing.assert_allclose(acting.act(seen), expected.clamp(-1, 1), rtol=1e-5)


def test_a_recurrent_policy_forgets_the_worlds_that_start_anew(remembering: ActorCritic) -> None:
    acting, seen = TorchPolicy(remembering, LampDial.action_space), observations(3)
    acting.reset(np.arange(3))  # before anything was seen
    first, second = acting.act(seen), acting.act(seen)
    acting.reset(np.array([1]))
    third = acting.act(seen)
    assert third[1] == pytest.approx(first[1])
    other = TorchPolicy(remembering, LampDial.action_space)
    twice = [other.act(seen) for _ in range(3)][2]
    assert third[[0, 2]] == pytest.approx(twice[[0, 2]])
    assert not np.allclose(first, second)


@pytest.mark.usefixtures("run")  # registers the environment
def test_a_recurrent_policy_is_trained_saved_and_judged(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    train(replace(SHORT, policy=PolicyConfig("mvlstm", {"units": 4}), run_dir=folder), Console(file=io.StringIO()))
    report, _ = judge(folder)
    assert all(row.success_at_end.trials for row in report.rows)


def test_an_episode_is_the_same_however_many_are_judged_beside_it(remembering: ActorCritic) -> None:
    """The second episode of a world knows nothing of the first."""

    class Same(LampDial):
        def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> Any:
            return super().reset(seed=5)

    envs = gym.vector.SyncVectorEnv([Same] * 2, autoreset_mode=gym.vector.AutoresetMode.SAME_STEP)
    episodes = run_episodes(envs, TorchPolicy(remembering, LampDial.action_space), 3, seed=0)
    assert len(set(episodes.episode_return.round(6).tolist())) == 1


def test_another_engine_judges_the_same_policy_into_a_file_of_its_own(tmp_path: Path) -> None:
    pytest.importorskip("pybullet", reason="PyBullet has wheels for Python 3.11 on Linux x86-64 only")
    run, few_steps = tmp_path / "peg", {"max_episode_steps": 4}
    config = replace(
        SHORT,
        env="mmrl/PegInsertion-v0",
        sensors=("proprioception",),
        total_steps=16,
        env_kwargs=few_steps,
        run_dir=run,
    )
    train(config, Console(file=io.StringIO()))
    returns = {}
    for engine in ("mujoco", "pybullet"):
        report, text = judge(run, engine=engine, senses=False, episodes=2, num_worlds=2)
        returns[engine] = report.rows[0].episodes.episode_return
        path = run / f"evaluation_{engine}.json"
        assert f"wrote {path}" in text
        changes = {"sensors": ["proprioception"], "engine": engine}
        assert json.loads(path.read_text())["env_kwargs"] == {**few_steps, **changes}
    assert not (run / "evaluation.json").exists()
    # The engines integrate damping differently: the same episodes, but not to the last bit.
    np.testing.assert_allclose(returns["pybullet"], returns["mujoco"], rtol=1e-2)
    assert (returns["pybullet"] != returns["mujoco"]).all()


def test_an_engine_is_refused_by_environments_that_have_none(run: Path) -> None:
    with pytest.raises(ValueError, match=r"does not accept .*'engine': 'pybullet'"):
        judge(run, engine="pybullet")
