import copy
import io
import itertools
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor

from mmrl.modality import MLP, ImageConv, Modality, TemporalConv, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl.representation.state import StateReadOut

SENSES = {
    "camera": Modality("camera", (10, 10, 3), 20, ImageConv((4, 5), (4, 3), (2, 1), features=6), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 5), features=6), history=8),
    "arm.state": Modality("arm.state", (4,), 500, MLP((7,), features=5), history=3),
}
SMALL = PolicyConfig(fused_features=12, actor_hidden=(9,), critic_hidden=(8, 7))
BOX = spaces.Box(-1, 1, (3,))
DISCRETE = spaces.Discrete(4)
SUBSETS = [subset for size in range(len(SENSES) + 1) for subset in itertools.combinations(SENSES, size)]


def policy(space: spaces.Box | spaces.Discrete = BOX, privileged_size: int = 0, seed: int = 0) -> ActorCritic:
    """A policy whose every parameter has moved away from its initial value."""
    torch.manual_seed(seed)
    made = ActorCritic(SENSES, space, SMALL, of_critic(privileged_size))
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def of_critic(size: int) -> dict[str, Modality]:
    """What a critic alone senses: a vector, if any."""
    return {"privileged": Modality("privileged", (size,), 20, Unencoded())} if size else {}


def observation(rows: int, seed: int = 0, privileged: Tensor | None = None) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    beside = {} if privileged is None else {"privileged": privileged}
    return beside | {
        name: torch.from_numpy(
            rng.integers(0, 256, (rows, *sense.window_shape), dtype=np.uint8)
            if sense.dtype == "uint8"
            else rng.normal(size=(rows, *sense.window_shape)).astype(np.float32)
        )
        for name, sense in SENSES.items()
    }


def absent(names: Sequence[str], rows: int) -> dict[str, Tensor]:
    return {name: torch.zeros(rows, dtype=torch.bool) for name in names}


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


def test_a_row_does_not_depend_on_its_batch() -> None:
    made, obs = policy(), observation(9)
    mask = {"wrench": torch.arange(9) % 2 == 0}
    means, values = made.distribution(obs, mask).mean, made.value(obs, present=mask)
    for row in range(9):
        one = {name: x[row : row + 1] for name, x in obs.items()}
        one_mask = {name: x[row : row + 1] for name, x in mask.items()}
        mean, value = made.distribution(one, one_mask).mean, made.value(one, present=one_mask)
        torch.testing.assert_close(mean, means[row : row + 1], atol=1e-6, rtol=1e-6)
        torch.testing.assert_close(value, values[row : row + 1], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("gone", SUBSETS, ids=lambda s: "+".join(s) or "none")
def test_absent_senses_can_be_left_out_masked_or_broken(gone: tuple[str, ...]) -> None:
    made, obs, mask = policy(), observation(4), absent(gone, 4)
    left_out = {name: x for name, x in obs.items() if name not in gone}
    broken = dict(obs)
    for name in gone:
        bad = 255 if SENSES[name].dtype == "uint8" else float("nan")
        broken[name] = torch.full_like(obs[name], bad)
    results = []
    for seen in (obs, left_out, broken):
        made.zero_grad()
        log_prob, entropy, value, _ = made.evaluate_actions(seen, torch.zeros(4, 3), present=mask)
        (log_prob + entropy + value).sum().backward()
        gradients = [torch.zeros(1) if p.grad is None else p.grad for p in made.parameters()]
        results.append((log_prob, value, [g.clone() for g in gradients]))
    for log_prob, value, gradients in results:
        assert torch.isfinite(log_prob).all()
        torch.testing.assert_close(log_prob, results[0][0])
        torch.testing.assert_close(value, results[0][1])
        for gradient, reference in zip(gradients, results[0][2], strict=True):
            torch.testing.assert_close(gradient.expand_as(reference), reference, atol=1e-6, rtol=1e-4)


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


def test_each_sense_matters_when_it_is_there() -> None:
    made, obs, other = policy(), observation(4), observation(4, seed=1)
    mean = made.distribution(obs).mean
    for name in SENSES:
        assert not torch.allclose(made.distribution(obs | {name: other[name]}).mean, mean)


def test_absence_is_row_by_row() -> None:
    made, obs, other = policy(), observation(4), observation(4, seed=1)
    mask = torch.tensor([True, False, True, False])
    changed = obs | {"wrench": other["wrench"]}
    ours = made.distribution(obs, {"wrench": mask}).mean
    theirs = made.distribution(changed, {"wrench": mask}).mean
    same = torch.isclose(ours, theirs).all(dim=1)
    assert torch.equal(same, ~mask)


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


def test_absent_rows_teach_the_statistics_nothing() -> None:
    ours, theirs, obs = policy(), policy(), observation(6)
    mask = torch.tensor([True, True, False, True, False, False])
    broken = obs | {"wrench": torch.where(mask[:, None, None], obs["wrench"], torch.nan)}
    ours.update_statistics(broken, present={"wrench": mask})
    theirs.update_statistics(obs | {"wrench": obs["wrench"]}, present={"wrench": mask})
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)


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


@pytest.mark.parametrize("present", [None, {"wrench": torch.tensor([False, True])}])
def test_a_present_sense_must_be_there(present: dict[str, Tensor] | None) -> None:
    obs = observation(2)
    del obs["wrench"]
    with pytest.raises(ValueError, match=r"'wrench'.*\(2, 8, 6\), got nothing"):
        policy().act(obs, present=present)


@pytest.mark.parametrize("mask", [torch.ones(4), torch.ones(3, dtype=torch.bool)])
def test_a_wrong_mask_is_named(mask: Tensor) -> None:
    with pytest.raises(ValueError, match=r"present\['wrench'\]"):
        policy().act(observation(4), present={"wrench": mask})


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
    for loss, of_critic in ((evaluated.log_prob, False), (value, True)):
        made.zero_grad()
        loss.sum().backward()
        touched = [(name, id(x) in critics) for name, x in made.named_parameters() if x.grad is not None]
        assert touched
        assert all(is_critics == of_critic for _, is_critics in touched)
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


def older_names(name: str) -> str:
    """The name that a weight had before perceptions, senses of the critic and objectives had modules of their own."""
    return (
        name.replace("critic_perception.encoders./privileged.normalizer", "privileged_statistics")
        .replace("critic_perception.", "critic_")
        .replace("perception.", "")
        .replace("objectives.state.head", "state_head")
    )


@pytest.mark.parametrize("learns", [False, True])
def test_weights_of_older_versions_are_loaded(learns: bool) -> None:
    objectives = {"state": StateReadOut()}
    torch.manual_seed(0)
    theirs = ActorCritic(SENSES, BOX, SMALL, of_critic(5), objectives)
    obs = observation(8, privileged=3 + torch.randn(8, 5))
    theirs.update_statistics(obs)
    older = {older_names(name): weight for name, weight in theirs.state_dict().items()}
    older = {name: weight for name, weight in older.items() if not name.startswith("objectives")}
    assert {"state_head.weight", "privileged_statistics.mean", "encoders./camera.linear.weight"} <= set(older)
    ours = ActorCritic(SENSES, BOX, SMALL, of_critic(5), objectives if learns else {})
    ours.load_state_dict(older)
    for name, weight in ours.state_dict().items():
        assert torch.equal(weight, theirs.state_dict()[name]), name
    assert any(name.startswith("objectives") for name in ours.state_dict()) == learns


def test_weights_of_older_critics_apart_are_loaded() -> None:
    config = replace(SMALL, separate_critic=True)
    ours, theirs = (ActorCritic(SENSES, BOX, config) for _ in range(2))
    older = {older_names(name): weight for name, weight in theirs.state_dict().items()}
    assert "critic_encoders./camera.linear.weight" in older
    ours.load_state_dict(older)
    torch.testing.assert_close(ours.value(observation(4)), theirs.value(observation(4)))
    with pytest.raises(RuntimeError, match="nose"):
        ours.load_state_dict(older | {"nose.weight": torch.zeros(1)})
