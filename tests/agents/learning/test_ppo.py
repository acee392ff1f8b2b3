import copy
import math
from dataclasses import replace
from typing import Any

import gymnasium as gym
import pytest
import torch
from gymnasium.vector import AutoresetMode

from mmrl.modality import Modality, Unencoded
from mmrl.modality.foreign import modalities_of
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl.policy.penalty import LpPenalty
from mmrl.representation.state import StateReadOut
from mmrl_agents.experience.episodes import EpisodeStatistics
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import Minibatch, RolloutStorage
from mmrl_agents.learning.ppo import PPO, approximate_kl, policy_loss, ppo_loss, value_loss
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.settings.starting_points import recipe_for

torch.set_num_threads(1)


def collected(
    config: PPOConfig, env_id: str = "CartPole-v1", worlds: int = 4, fusion: str = "concat"
) -> tuple[PPO, Rollout]:
    envs = gym.make_vec(
        env_id,
        worlds,
        vectorization_mode="sync",
        vector_kwargs={"autoreset_mode": AutoresetMode.SAME_STEP},
    )
    senses, space = modalities_of(envs.single_observation_space), envs.single_action_space
    assert isinstance(space, gym.spaces.Box | gym.spaces.Discrete)
    torch.manual_seed(0)
    policy = ActorCritic(senses, space, PolicyConfig(fusion))
    cpu = torch.device("cpu")
    storage = RolloutStorage(config.num_steps, worlds, senses, space, cpu)
    actions = torch.Generator().manual_seed(0)
    rollout = Rollout(envs, policy, storage, EpisodeStatistics(), actions)
    rollout.start(seed=0)
    rollout.collect()
    return PPO(policy, config, torch.Generator().manual_seed(0)), rollout


def test_surrogate_by_hand() -> None:
    log_ratio = torch.tensor([1.5, 0.5, 1.1]).log()
    advantages = torch.tensor([1.0, -1.0, 2.0])
    # min(1.5, 1.2) = 1.2; min(-0.5, -0.8) = -0.8; 1.1 * 2 = 2.2; minus the mean is -2.6 / 3
    assert policy_loss(log_ratio, advantages, 0.2).item() == pytest.approx(-2.6 / 3)


def test_a_clipped_gain_has_no_gradient_and_a_clipped_loss_has() -> None:
    log_ratio = torch.tensor([1.5, 1.5]).log().requires_grad_()
    policy_loss(log_ratio, torch.tensor([1.0, -1.0]), 0.2).backward()
    # d(-r A / 2) / d log r = 1.5 / 2 where it is too likely and bad, nothing where it is good
    assert log_ratio.grad is not None
    assert log_ratio.grad.tolist() == pytest.approx([0.0, 0.75])


def test_value_loss_by_hand() -> None:
    values, old, returns = (
        torch.tensor([2.0, 1.0]),
        torch.tensor([0.0, 1.0]),
        torch.tensor([3.0, 0.0]),
    )
    # errors 1 and 1: half their mean is 0.5
    assert value_loss(values, old, returns, None).item() == pytest.approx(0.5)
    # clipped to 0.5 the first becomes 0.5, whose error 2.5 is the larger: (6.25 + 1) / 4
    assert value_loss(values, old, returns, 0.5).item() == pytest.approx(1.8125)


def test_kl_by_hand() -> None:
    # r - 1 - log r of r = 2 is 1 - ln 2, of r = 1 nothing
    kl = approximate_kl(torch.tensor([2.0, 1.0]).log())
    assert kl.item() == pytest.approx((1 - math.log(2)) / 2)


def test_loss_of_a_batch_by_hand() -> None:
    config = PPOConfig(value_coef=0.5, entropy_coef=0.1)
    ppo, _ = collected(config)
    policy, space = ppo.policy, torch.tensor([[0.1, 0.2, 0.3, 0.4], [0.0, 0.0, 0.0, 1.0]])
    observations, actions = {"observation": space}, torch.tensor([0, 1])
    with torch.no_grad():
        distribution = policy.distribution(observations)
        values = policy.value(observations)
    # Old log-probabilities are set so that both ratios are 1.5; of the advantages 1 and -1 the
    # first is clipped to 1.2 and the second is not: -(1.2 - 1.5) / 2 = 0.15. The critic is off by
    # 2 everywhere: half of 4 is 2. Total 0.15 + 0.5 * 2 - 0.1 * entropy.
    batch = Minibatch(
        observations,
        actions,
        distribution.log_prob(actions) - math.log(1.5),
        values,
        torch.tensor([1.0, -1.0]),
        values + 2.0,
    )
    loss = ppo_loss(policy, batch, config)
    entropy = float(distribution.entropy().mean())
    assert loss.total.item() == pytest.approx(1.15 - 0.1 * entropy, rel=1e-5)
    assert loss.policy.item() == pytest.approx(0.15, rel=1e-5)
    assert loss.clip_fraction.item() == 1.0


def privileged_batch(policy: ActorCritic) -> Minibatch:
    """Four samples whose privileged columns have means 3 and -1 and deviations of 2 and 0.5."""
    generator = torch.Generator().manual_seed(3)
    seen = torch.randn(4, 4, generator=generator)
    spread = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    privileged = torch.tensor([3.0, -1.0]) + spread * torch.tensor([2.0, 0.5])
    observations = {"observation": seen, "privileged": privileged}
    policy.update_statistics(observations)
    actions = torch.tensor([0, 1, 1, 0])
    with torch.no_grad():
        log_probs = policy.distribution(observations).log_prob(actions)
        values = policy.value(observations)
    advantages = torch.tensor([1.0, -1.0, 0.5, 2.0])
    return Minibatch(observations, actions, log_probs, values, advantages, values + 1.0)


def privileged_policy(weight: float | None = None) -> ActorCritic:
    """A policy whose critic has two numbers of its own; with a weight they are read off what the actor sees."""
    torch.manual_seed(0)
    senses = modalities_of(gym.spaces.Box(-1, 1, (4,)))
    of_critic = {"privileged": Modality("privileged", (2,), 20, Unencoded())}
    objectives = {} if weight is None else {"state": StateReadOut(weight)}
    return ActorCritic(senses, gym.spaces.Discrete(2), critic_modalities=of_critic, objectives=objectives)


def test_state_loss_is_the_squared_error_of_a_linear_read_out() -> None:
    policy, config = privileged_policy(0.7), PPOConfig()
    batch = privileged_batch(policy)
    head = policy.get_submodule("objectives.state.head")
    assert isinstance(head, torch.nn.Linear)
    fused_ones: list[torch.Tensor] = []
    policy.perception.fusion.register_forward_hook(lambda module, given, fused: fused_ones.append(fused.detach()))
    loss = ppo_loss(policy, batch, config)
    (fused,) = fused_ones
    with torch.no_grad():
        read = fused @ head.weight.T + head.bias
    # (x - mean) / deviation of the columns of `privileged_batch`: signs alone are left
    truth = torch.tensor([[1.0, 1.0], [-1.0, 1.0], [1.0, -1.0], [-1.0, -1.0]])
    expected = float((read - truth).square().sum()) / 8
    assert loss.objectives["state"].item() == pytest.approx(expected, rel=1e-4)
    policy.objective_weights = {"state": 0.0}
    without = ppo_loss(policy, batch, config)
    assert (loss.total - without.total).item() == pytest.approx(0.7 * expected, rel=1e-4)


def test_only_a_weighted_state_loss_teaches_the_encoders() -> None:
    policy, config = privileged_policy(0.0), PPOConfig()
    batch = privileged_batch(policy)
    encoders = list(policy.perception.encoders.parameters())

    def gradients(loss: torch.Tensor) -> list[torch.Tensor]:
        return list(torch.autograd.grad(loss, encoders, retain_graph=True))

    off = gradients(ppo_loss(policy, batch, config).total)
    # The objective put together without any state loss; the privileged critic reads no encoder.
    now = policy.evaluate_actions(batch.observations, batch.actions)
    surrogate = policy_loss(now.log_prob - batch.log_probs, batch.advantages, config.clip)
    assert all(map(torch.allclose, off, gradients(surrogate)))
    # A weight of 2 adds twice the gradient of the error.
    policy.objective_weights = {"state": 2.0}
    on = gradients(ppo_loss(policy, batch, config).total)
    error = gradients(policy.objectives["state"](batch, now.seen))
    assert any(part.abs().max() > 1e-4 for part in error)
    for with_loss, free, part in zip(on, off, error, strict=True):
        torch.testing.assert_close(with_loss, free + 2.0 * part)


def test_an_update_reports_its_objectives_and_no_others() -> None:
    config = PPOConfig(num_steps=8, minibatch_size=32, epochs=1)
    ppo, rollout = collected(config)
    assert "state_loss" not in ppo.update(rollout.storage)
    with pytest.raises(ValueError, match=r"objective 'state' reads off 'privileged', .* the critic here has none"):
        ActorCritic(ppo.policy.modalities, gym.spaces.Discrete(2), objectives={"state": StateReadOut()})


@pytest.mark.parametrize("fusion", ["concat", "late", "transformer", "lstm", "gru", "mvlstm", "mfn", "tagm"])
def test_first_pass_starts_at_ratio_one(fusion: str) -> None:
    """For a recurrent policy too, whose episodes end and begin within the rollout and before it."""
    config = PPOConfig(num_steps=32, epochs=1, minibatch_size=4 * 32)
    ppo, rollout = collected(config, fusion=fusion)
    rollout.collect()
    assert rollout.storage.terminated.any()
    metrics = ppo.update(rollout.storage)
    assert metrics["approx_kl"] == pytest.approx(0, abs=1e-6)
    assert metrics["clip_fraction"] == 0
    # with normalised advantages of no mean and all ratios 1 the surrogate vanishes
    assert metrics["policy_loss"] == pytest.approx(0, abs=1e-5)
    assert metrics["skipped_updates"] == 0


def test_an_update_raises_the_probability_of_what_went_well() -> None:
    ppo, rollout = collected(PPOConfig(num_steps=32))
    storage = rollout.storage
    ppo.update(storage)
    flat = {name: rows[:-1].flatten(0, 1) for name, rows in storage.observations.items()}
    with torch.no_grad():
        now = ppo.policy.distribution(flat).log_prob(storage.actions.flatten())
    gain = (now - storage.log_probs.flatten()) * storage.advantages.flatten()
    assert gain.mean() > 0


def test_a_minibatch_that_is_no_number_is_left_out_and_counted() -> None:
    config = PPOConfig(num_steps=32, epochs=2, minibatch_size=64, normalize_advantages=False)
    ppo, rollout = collected(config)
    rollout.storage.rewards[-1, 0] = math.nan  # spoils the whole first world, in each minibatch
    before = [parameter.clone() for parameter in ppo.policy.parameters()]
    metrics = ppo.update(rollout.storage)
    # 128 samples in minibatches of 64 for two epochs: four steps, none of them taken
    assert metrics["skipped_updates"] == 4
    assert all(map(torch.equal, before, ppo.policy.parameters()))
    assert math.isnan(metrics["policy_loss"])


def test_epochs_end_where_the_policy_moved_too_far() -> None:
    config = PPOConfig(num_steps=32, epochs=50, minibatch_size=128, learning_rate=1e-2)
    free, rollout = collected(config)
    free.update(rollout.storage)
    bound, rollout = collected(replace(config, target_kl=0.01))
    bound.update(rollout.storage)

    def steps(ppo: PPO) -> float:
        return float(next(iter(ppo.optimizer.state.values()))["step"])

    assert steps(free) == 50
    assert steps(bound) < 10


def test_step_size_falls_linearly() -> None:
    ppo, _ = collected(PPOConfig(learning_rate=1e-3, final_learning_rate=2e-4))
    rates = [ppo.set_progress(fraction) for fraction in (0.0, 0.5, 1.0, 1.5)]
    assert rates == pytest.approx([1e-3, 6e-4, 2e-4, 2e-4])
    constant, _ = collected(PPOConfig(learning_rate=1e-3, anneal=False))
    assert constant.set_progress(0.9) == 1e-3


def test_a_deviation_on_a_schedule_moves_with_the_training_and_not_with_the_gradient() -> None:
    ppo, rollout = collected(PPOConfig(log_std=(-0.5, -1.5)), "Pendulum-v1")
    deviations = dict(ppo.policy.named_parameters())["head.log_std"]
    assert deviations.tolist() == [-0.5]
    ppo.set_progress(0.25)
    ppo.update(rollout.storage)
    # a quarter of the way from -0.5 to -1.5
    assert deviations.tolist() == [-0.75]
    ppo.set_progress(7.0)
    assert deviations.tolist() == [-1.5]


@pytest.mark.parametrize(("env_id", "fusion"), [("CartPole-v1", "concat"), ("Pendulum-v1", "late")])
def test_a_deviation_is_scheduled_only_where_there_is_one(env_id: str, fusion: str) -> None:
    with pytest.raises(ValueError, match="sets the one deviation of continuous actions"):
        collected(PPOConfig(log_std=(-0.5, -1.5)), env_id, fusion=fusion)


def test_an_update_in_bfloat16_is_close_to_one_in_float32() -> None:
    """bfloat16 keeps 8 bits of the fraction, so products are right to about 0.4 %, and weights stay in 32 bits."""
    exact, rollout = collected(PPOConfig(num_steps=32, precision="float32"))
    rough, _ = collected(PPOConfig(num_steps=32, precision="bfloat16"))
    reference, metrics = exact.update(rollout.storage), rough.update(rollout.storage)
    assert all(parameter.dtype == torch.float32 for parameter in rough.policy.parameters())
    assert metrics["value_loss"] != reference["value_loss"]
    assert metrics["value_loss"] == pytest.approx(reference["value_loss"], rel=0.05)
    assert metrics["entropy"] == pytest.approx(reference["entropy"], rel=0.05)


def test_state_comes_back() -> None:
    ppo, rollout = collected(PPOConfig(num_steps=32))
    ppo.update(rollout.storage)
    state = copy.deepcopy(ppo.state_dict())  # as a file does
    twin, _ = collected(PPOConfig(num_steps=32))
    twin.policy.load_state_dict(ppo.policy.state_dict())
    twin.load_state_dict(state)
    assert twin.update(rollout.storage) == ppo.update(rollout.storage)
    assert all(map(torch.equal, ppo.policy.parameters(), twin.policy.parameters()))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"learning_rate": 0.0}, "ppo.learning_rate must be above 0, got 0.0"),
        ({"gamma": 1.5}, r"ppo.gamma must lie in \[0, 1\], got 1.5"),
        ({"entropy_coef": -1.0}, "ppo.entropy_coef must not be negative, got -1.0"),
        ({"num_steps": 0}, "ppo.num_steps must be above 0, got 0"),
        ({"log_std": (0.0, -4.0)}, r"ppo.log_std must be two numbers of at least -3.0, got \(0.0, -4.0\)"),
    ],
)
def test_bad_settings_are_named(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PPOConfig(**settings)


@pytest.mark.slow
def test_cartpole_is_learned() -> None:
    """About 20 is random and 500 the most; the bound leaves room for the luck of a seed."""
    recipe = recipe_for("CartPole-v1")
    ppo, rollout = collected(recipe.ppo, worlds=recipe.num_worlds)
    taken = recipe.num_worlds * recipe.ppo.num_steps
    for start in range(0, recipe.total_steps // 2, taken):
        ppo.set_progress(start / recipe.total_steps)
        rollout.learn_statistics()
        rollout.collect()
        ppo.update(rollout.storage)
    recent = list(rollout.statistics.recent)[-20:]
    assert sum(episode.total_reward for episode in recent) / len(recent) > 150


def test_the_step_size_follows_the_law_of_linear_decay() -> None:
    # a = min(k / tau, 1) of 0, 1/2, 1 and 1: e = (1 - a) 0.5 + a 0.1
    ppo, _ = collected(PPOConfig(learning_rate=0.5, final_learning_rate=0.1, decay_share=0.5))
    assert [ppo.set_progress(done) for done in (0.0, 0.25, 0.5, 0.9)] == pytest.approx([0.5, 0.3, 0.1, 0.1])


def test_the_state_of_another_optimiser_is_refused() -> None:
    ppo, _ = collected(PPOConfig())
    other, _ = collected(PPOConfig(optimizer="rmsprop"))
    with pytest.raises(ValueError, match=r"ppo\.optimizer is rmsprop, but the run was trained with adam"):
        other.load_state_dict(ppo.state_dict())
    older = {name: value for name, value in ppo.state_dict().items() if name != "optimizer_name"}
    ppo.load_state_dict(older)


def test_a_penalty_stands_beside_the_loss() -> None:
    config = PPOConfig()
    ppo, rollout = collected(config)
    storage = rollout.storage
    storage.finish(config.gamma, config.gae_lambda, True)
    (batch, *_) = storage.minibatches(512, torch.Generator().manual_seed(0))
    before = ppo_loss(ppo.policy, batch, config).total
    ppo.policy.penalty = LpPenalty(0.01, 2)
    more = (ppo_loss(ppo.policy, batch, config).total - before).item()
    assert more == pytest.approx(ppo.policy.penalty.of(ppo.policy).item(), rel=1e-4)
    assert more > 0.1
