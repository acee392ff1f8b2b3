import copy
import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.modality import MLP, Modality
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from tests.mmrl.policy.small_policies import BOX, DISCRETE, SENSES, SMALL, observation, of_critic, policy


@pytest.mark.parametrize("space", [BOX, spaces.Box(-1, 1, (2, 2)), DISCRETE], ids=str)
@pytest.mark.parametrize("privileged_size", [0, 5])
def test_shapes(space: spaces.Box | spaces.Discrete, privileged_size: int) -> None:
    p = policy(space, privileged_size)
    obs = observation(6, privileged=torch.randn(6, privileged_size) if privileged_size else None)
    action, log_prob = p.act(obs)
    assert action.shape == (6, *(space.shape or ()))
    again, entropy, value, seen = p.evaluate_actions(obs, action)
    assert log_prob.shape == again.shape == entropy.shape == value.shape == (6,)
    assert set(seen.encodings) == set(SENSES)
    torch.testing.assert_close(again, log_prob)
    torch.testing.assert_close(p.value(obs), value)
    torch.testing.assert_close(p.distribution(obs).log_prob(action), log_prob)
    assert not log_prob.requires_grad
    assert again.requires_grad


def test_deterministic_is_the_mean_or_the_most_probable() -> None:
    obs = observation(20)
    gaussian = policy()
    torch.testing.assert_close(gaussian.act(obs, deterministic=True)[0], gaussian.distribution(obs).mean)
    categorical = policy(DISCRETE)
    action, log_prob = categorical.act(obs, deterministic=True)
    every = torch.stack([categorical.distribution(obs).log_prob(torch.tensor(a)) for a in range(4)])
    torch.testing.assert_close(log_prob, every.max(dim=0).values)
    assert action.dtype == torch.int64


def test_initial_actions_are_small_and_of_the_configured_spread() -> None:
    made = ActorCritic(SENSES, BOX, PolicyConfig(log_std_init=-1.0))
    distribution = made.distribution(observation(8))
    assert distribution.mean.abs().max() < 0.1
    torch.testing.assert_close(distribution.stddev, torch.full((8, 3), np.exp(-1.0)))


def test_spread_has_a_floor() -> None:
    made = policy()
    with torch.no_grad():
        for name, parameter in made.named_parameters():
            if name.endswith("log_std"):
                parameter.fill_(-50.0)
    stddev = made.distribution(observation(1)).stddev
    torch.testing.assert_close(stddev, torch.full((1, 3), np.exp(-3.0)))


@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
def test_samples_follow_the_distribution(space: spaces.Box | spaces.Discrete) -> None:
    made, obs = policy(space), observation(1)
    many = {name: x.expand(4000, *x.shape[1:]) for name, x in obs.items()}
    action, _ = made.act(many, generator=torch.Generator().manual_seed(0))
    distribution = made.distribution(obs)
    if space is BOX:
        # Standard error of a mean: std / sqrt(4000) = 0.016 std; six of them never happen.
        error = (action.mean(dim=0) - distribution.mean[0]).abs() / distribution.stddev[0]
        assert (error < 0.1).all()
    else:
        frequency = torch.bincount(action, minlength=4) / 4000
        probability = distribution.log_prob(torch.arange(4)).exp()
        torch.testing.assert_close(frequency, probability, atol=0.05, rtol=0)


@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
def test_a_generator_fixes_the_draw(space: spaces.Box | spaces.Discrete) -> None:
    made, obs = policy(space), observation(30)
    draws = [made.act(obs, generator=torch.Generator().manual_seed(7))[0] for _ in range(2)]
    assert torch.equal(*draws)
    assert not torch.equal(draws[0], made.act(obs, generator=torch.Generator().manual_seed(8))[0])


@pytest.mark.parametrize("privileged_size", [0, 5])
@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
def test_autocast_keeps_what_the_loss_is_made_of_exact(
    space: spaces.Box | spaces.Discrete, privileged_size: int
) -> None:
    made = policy(space, privileged_size)
    obs = observation(4, privileged=torch.randn(4, privileged_size) if privileged_size else None)
    action, _ = made.act(obs)
    with torch.autocast("cpu", torch.bfloat16):
        outputs = made.evaluate_actions(obs, action)[:3]
    for ours, exact in zip(outputs, made.evaluate_actions(obs, action)[:3], strict=True):
        assert ours.dtype == torch.float32
        # Of a log-probability an eighth of what PPO clips at.
        torch.testing.assert_close(ours, exact, atol=0.025, rtol=0)


def test_a_privileged_critic_reads_nothing_else() -> None:
    made, privileged = policy(privileged_size=5), torch.randn(4, 5)
    value = made.value(observation(4, privileged=privileged))
    torch.testing.assert_close(made.value(observation(4, 1, privileged)), value)
    torch.testing.assert_close(made.value({"privileged": privileged}), value)
    assert not torch.allclose(made.value(observation(4, privileged=privileged + 1)), value)
    # Nothing of its own is ever taken from it.
    gone = {"wrench": torch.zeros(4, dtype=torch.bool)}
    torch.testing.assert_close(made.value(observation(4, privileged=privileged), present=gone), value)
    made.value(observation(4, privileged=privileged)).sum().backward()
    moved = {n.split(".")[0] for n, p in made.named_parameters() if p.grad is not None}
    assert moved == {"critic"}


@pytest.mark.parametrize("privileged", [None, torch.zeros(4, 6)], ids=["none", "wrong"])
def test_a_privileged_critic_insists(privileged: Tensor | None) -> None:
    with pytest.raises(ValueError, match=r"'privileged' needs shape \(4, 5\), got (nothing|\(4, 6\))"):
        policy(privileged_size=5).value(observation(4, privileged=privileged))


def test_statistics_are_learned_only_when_asked_to() -> None:
    made, privileged = policy(privileged_size=5), torch.randn(16, 5) * 3 + 1
    obs = observation(16, privileged=privileged)
    before = copy.deepcopy(made.state_dict())
    made.evaluate_actions(obs, made.act(obs)[0])
    assert all(torch.equal(made.state_dict()[key], x) for key, x in before.items())
    made.update_statistics(obs)
    mean = made.state_dict()["critic_perception.encoders./privileged.normalizer.mean"]
    np.testing.assert_allclose(mean, privileged.mean(dim=0), rtol=1e-5)
    changed = {k for k, x in before.items() if not torch.equal(made.state_dict()[k], x)}
    assert {key.rsplit(".", 1)[1] for key in changed} == {"mean", "var", "count"}


def test_statistics_name_the_sense_that_is_not_finite() -> None:
    obs = observation(2) | {"wrench": torch.full((2, 8, 6), torch.nan)}
    with pytest.raises(ValueError, match=r"'wrench'.*finite"):
        policy().update_statistics(obs)


@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
def test_a_saved_policy_acts_the_same(space: spaces.Box | spaces.Discrete) -> None:
    made, obs = policy(space, 5), observation(5, privileged=torch.randn(5, 5))
    made.update_statistics(observation(50, 2, torch.randn(50, 5)))
    file = io.BytesIO()
    torch.save(made.state_dict(), file)
    file.seek(0)
    loaded = policy(space, 5, seed=1)
    assert not torch.equal(loaded.value(obs), made.value(obs))
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for ours, theirs in zip(made.act(obs, deterministic=True), loaded.act(obs, deterministic=True), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(loaded.value(obs), made.value(obs))


@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
def test_gradients_are_right(space: spaces.Box | spaces.Discrete) -> None:
    made, rows = policy(space, 2).double(), 3
    obs = observation(rows, privileged=torch.randn(rows, 2, dtype=torch.float64))
    action = made.act(obs)[0]
    names = ["wrench", "arm.state"]
    inputs = [obs[name].double().requires_grad_() for name in names]

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        seen = obs | dict(zip(names, values, strict=True))
        return made.evaluate_actions(seen, action)[:3]

    assert torch.autograd.gradcheck(run, inputs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lidar": torch.zeros(4, 2)}, r"'lidar'; known: camera, wrench, arm\.state"),
        ({"wrench": torch.zeros(4, 8, 5)}, r"'wrench'.*\(4, 8, 6\), got \(4, 8, 5\)"),
        ({"wrench": torch.zeros(3, 8, 6)}, r"'wrench'.*\(4, 8, 6\), got \(3, 8, 6\)"),
    ],
    ids=["unknown", "shape", "rows"],
)
def test_a_wrong_observation_is_named(change: dict[str, Tensor], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        policy().act(observation(4) | change)


@pytest.mark.parametrize(
    "space", [spaces.MultiBinary(3), spaces.Discrete(3, start=1), spaces.Box(0, 3, (2,), np.int64)]
)
def test_other_action_spaces_are_refused(space: spaces.Space[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=type(space).__name__):
        ActorCritic(SENSES, space, SMALL)  # type: ignore[arg-type]  # the point of the test


def test_bad_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"must lie in 1\.\.65536"):
        PolicyConfig(actor_hidden=(0,))
    with pytest.raises(ValueError, match="log_std_init"):
        PolicyConfig(log_std_init=-4)


def test_parameters_are_counted() -> None:
    plain = {"pose": Modality("pose", (2,), 20, MLP((), features=3))}
    config = PolicyConfig(fused_features=4, actor_hidden=(), critic_hidden=())
    # encoder 2*3+3, fusion 3 + 3*4+4 + 2*4, head 4*1+1 and one log_std, critic 4*1+1
    assert ActorCritic(plain, spaces.Box(-1, 1, (1,)), config).num_parameters == 9 + 27 + 6 + 5


def test_following_returns_keeps_the_values_and_takes_their_scale() -> None:
    made, obs = policy(privileged_size=5), observation(16, privileged=torch.randn(16, 5))
    before = made.value(obs)
    returns = torch.randn(4096) * 3.0 + 100.0
    for _ in range(40):
        made.follow_returns(returns)
    torch.testing.assert_close(made.value(obs), before, atol=1e-3, rtol=1e-4)
    # after 40 steps of 0.3 nothing is left of the start: 0.7^40 < 1e-6
    torch.testing.assert_close(made.value_mean, returns.mean(), rtol=1e-3, atol=0)
    torch.testing.assert_close(made.value_std, returns.std(correction=0), rtol=0.02, atol=0)


@pytest.mark.parametrize("outlier", [math.inf, -math.inf, math.nan, 1e18, 1e20, -3e38])
def test_the_scale_of_returns_outgrows_any_single_one(outlier: float) -> None:
    made, obs = policy(privileged_size=5), observation(4, privileged=torch.randn(4, 5))
    generator = torch.Generator().manual_seed(0)
    for _ in range(20):
        made.follow_returns(torch.randn(64, generator=generator))
    before, returns = made.value(obs), torch.zeros(64)
    returns[0] = outlier
    made.follow_returns(returns)
    # In 64 returns one that counts as 1,000 deviations: 0.3 * 1000^2 / 64 = 4688 to their variance.
    assert made.value_std < 1.1 * math.sqrt(4689)
    torch.testing.assert_close(made.value(obs), before, atol=1e-3, rtol=0)
    for _ in range(30):  # 0.7^30 = 2e-5 of it is left
        made.follow_returns(torch.randn(64, generator=generator))
    assert 0.8 < made.value_std < 1.3


@pytest.mark.parametrize("size", [1e-2, 1e5, 1e25])
def test_the_scale_of_returns_is_found_wherever_it_is(size: float) -> None:
    made = policy()
    for _ in range(40):
        made.follow_returns(size * torch.linspace(-1, 1, 64))
    # The deviation of 64 numbers evenly over [-1, 1]: sqrt((64 + 1) / (3 (64 - 1))) = 0.586.
    assert made.value_std.item() == pytest.approx(0.586 * size, rel=0.02)


def test_a_separate_critic_shares_nothing_with_the_actor() -> None:
    torch.manual_seed(0)
    made = ActorCritic(SENSES, BOX, PolicyConfig(separate_critic=True))
    obs, present = observation(4), {"camera": torch.tensor([True, False, True, False])}
    made.update_statistics(obs, present=present)
    made.eval()
    action = torch.zeros(4, *BOX.shape)
    evaluated = made.evaluate_actions(obs, action, present=present)
    value = made.value(obs, present=present)
    torch.testing.assert_close(evaluated.value, value)
    torch.testing.assert_close(made.step(obs, None, present=present).value, value.detach())
    critics = {id(x) for x in made.critic_parameters()}
    for loss, by_critic in ((evaluated.log_prob, False), (value, True)):
        made.zero_grad()
        loss.sum().backward()
        touched = [(name, id(x) in critics) for name, x in made.named_parameters() if x.grad is not None]
        assert touched
        assert all(is_critics == by_critic for _, is_critics in touched)
        assert any("encoders" in name for name, _ in touched)
    # Both have learned the same scales of the senses, from one showing.
    state = made.state_dict()
    shared = [name for name in state if name.startswith("perception") and name.endswith("mean")]
    assert shared
    for name in shared:
        torch.testing.assert_close(state[name], state[f"critic_{name}"])


def test_a_critic_that_cannot_be_separate_is_refused() -> None:
    config = PolicyConfig(separate_critic=True)
    with pytest.raises(ValueError, match="separate_critic is set, but the critic has senses of its own, privileged"):
        ActorCritic(SENSES, BOX, config, of_critic(3))
    with pytest.raises(ValueError, match="separate_critic is set, but lstm remembers"):
        ActorCritic(SENSES, BOX, replace(config, fusion="lstm"))


def test_heads_and_fusions_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown head 'beta'; known heads: auto, bernoulli"):
        ActorCritic(SENSES, BOX, PolicyConfig(head="beta"))
    for space in (DISCRETE, BOX, spaces.Discrete(2, start=1)):
        with pytest.raises(ValueError, match=r"head 'bernoulli' needs the action space Discrete\(2\), got"):
            ActorCritic(SENSES, space, PolicyConfig(head="bernoulli"))
    with pytest.raises(ValueError, match=r"only one sense can go unfused, got camera, wrench, arm\.state"):
        ActorCritic(SENSES, BOX, PolicyConfig(fused_features=0))
    with pytest.raises(ValueError, match=r"fused_features must lie in 0\.\.65536, got -1"):
        PolicyConfig(fused_features=-1)
    with pytest.raises(ValueError, match="fused_features is 0, which leaves no place for poe: give fused_features"):
        PolicyConfig("poe", fused_features=0)
    with pytest.raises(ValueError, match=r"no place for the options .*rank"):
        PolicyConfig(fusion_options={"rank": 8}, fused_features=0)
