"""A policy with each of the fusions, from readings to actions and values."""

import io
import itertools
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from gymnasium import spaces
from torch import Tensor
from torch.distributions import Normal

from mmrl.fusion import FUSIONS, RecurrentFusion
from mmrl.inputs import Memory
from mmrl.modality import MLP, ImageConv, Modality, TemporalConv, Unencoded
from mmrl.policy.actor_critic import ActorCritic, Evaluation
from mmrl.policy.config import PolicyConfig

SENSES = {
    "camera": Modality("camera", (10, 10, 3), 20, ImageConv((4, 5), (4, 3), (2, 1), features=6), dtype="uint8"),
    "wrench": Modality("wrench", (6,), 1000, TemporalConv((4, 5), features=6), history=8),
    "arm.state": Modality("arm.state", (4,), 500, MLP((7,), features=5), history=3),
}
OPTIONS: Mapping[str, dict[str, object]] = {
    "tensor": {"projection": 3},
    "attention": {"dim": 8},
    "transformer": {"dim": 8},
    "mvlstm": {"units": 6},
    "mfn": {"units": 6, "memory": 5, "hidden": 7},
    "tagm": {"attention": 5},
}
RECURRENT = [name for name, fusion in FUSIONS.items() if issubclass(fusion, RecurrentFusion)]
BOX, DISCRETE = spaces.Box(-1, 1, (3,)), spaces.Discrete(4)
SUBSETS = [subset for size in range(len(SENSES) + 1) for subset in itertools.combinations(SENSES, size)]
T, N = 2, 2  # of a recurrent policy's four rows


def make(
    fusion: str, space: spaces.Box | spaces.Discrete = BOX, privileged_size: int = 0, seed: int = 0
) -> ActorCritic:
    """A policy whose every parameter has moved away from its initial value."""
    torch.manual_seed(seed)
    sizes = {"fused_features": 12, "actor_hidden": (9,), "critic_hidden": (8, 7)}
    config = PolicyConfig(fusion, OPTIONS.get(fusion, {}), **sizes)  # type: ignore[arg-type]  # fields of two types
    of_critic = {"privileged": Modality("privileged", (privileged_size,), 20, Unencoded())} if privileged_size else {}
    made = ActorCritic(SENSES, space, config, of_critic)
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return made


def observation(rows: int = T * N, seed: int = 0) -> dict[str, Tensor]:
    rng = np.random.default_rng(seed)
    return {
        name: torch.from_numpy(
            rng.integers(0, 256, (rows, *sense.window_shape), dtype=np.uint8)
            if sense.dtype == "uint8"
            else rng.normal(size=(rows, *sense.window_shape)).astype(np.float32)
        )
        for name, sense in SENSES.items()
    }


def memory_of(policy: ActorCritic, steps: int = T, worlds: int = N) -> Memory | None:
    """A past for rows of so many steps, in which nothing starts."""
    if not policy.state_size:
        return None
    state = torch.linspace(-1, 1, worlds * policy.state_size).view(worlds, -1)
    return Memory(state.to(next(policy.parameters()).dtype), torch.zeros(steps, worlds, dtype=torch.bool))


def evaluate(policy: ActorCritic, obs: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Evaluation:
    """The policy's view of doing nothing in four rows."""
    return policy.evaluate_actions(obs, torch.zeros(T * N, 3), present=present, memory=memory_of(policy))


@pytest.mark.parametrize("fusion", FUSIONS)
@pytest.mark.parametrize("space", [BOX, DISCRETE], ids=["box", "discrete"])
@pytest.mark.parametrize("privileged_size", [0, 5])
def test_acts_and_is_evaluated(fusion: str, space: spaces.Box | spaces.Discrete, privileged_size: int) -> None:
    policy, obs = make(fusion, space, privileged_size), observation()
    obs |= {"privileged": torch.randn(T * N, privileged_size)} if privileged_size else {}
    memory = memory_of(policy)
    action, log_prob, _, state = policy.step(obs, memory)
    assert action.shape == (T * N, *(space.shape or ()))
    now = policy.evaluate_actions(obs, action, memory=memory)
    torch.testing.assert_close(now.log_prob, log_prob)
    torch.testing.assert_close(policy.value(obs, memory=memory), now.value)
    assert now.value.shape == now.entropy.shape == (T * N,)
    assert (state is None) == (policy.state_size == 0)
    (now.log_prob.sum() + now.entropy.sum() + now.value.sum()).backward()
    unused = [name for name, parameter in policy.named_parameters() if parameter.grad is None]
    assert all(name.endswith("absent") for name in unused)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_absent_senses_can_be_left_out_or_broken(fusion: str) -> None:
    policy, obs = make(fusion), observation()
    for gone in SUBSETS:
        mask = {name: torch.zeros(T * N, dtype=torch.bool) for name in gone}
        left_out = {name: x for name, x in obs.items() if name not in gone}
        bad = {name: 255 if SENSES[name].dtype == "uint8" else torch.nan for name in gone}
        broken = obs | {name: torch.full_like(obs[name], value) for name, value in bad.items()}
        for ours, theirs in zip(outcome(policy, broken, mask), outcome(policy, left_out, mask), strict=True):
            assert torch.isfinite(ours).all(), gone
            torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-4, msg=lambda m, gone=gone: f"{gone}: {m}")


def outcome(policy: ActorCritic, obs: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> list[Tensor]:
    """The results of evaluation, and the gradient of every parameter."""
    policy.zero_grad()
    now = evaluate(policy, obs, present)
    (now.log_prob + now.entropy + now.value).sum().backward()
    gradients = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in policy.parameters()]
    return [now.log_prob.detach(), now.entropy.detach(), now.value.detach(), *gradients]


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_broken_sense_in_some_rows_disturbs_no_other(fusion: str) -> None:
    policy, obs = make(fusion), observation()
    mask = {"wrench": torch.tensor([True, False, True, False])}
    reading = torch.where(mask["wrench"].view(-1, 1, 1), obs["wrench"], torch.nan)
    for ours, theirs in zip(outcome(policy, obs | {"wrench": reading}, mask), outcome(policy, obs, mask), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_row_does_not_depend_on_its_batch(fusion: str) -> None:
    policy, obs = make(fusion), observation()
    mask, memory = {"wrench": torch.tensor([True, False, True, False])}, memory_of(policy, 1, 4)
    together = policy.step(obs, memory, present=mask, deterministic=True).action
    for row in range(4):
        one = {name: x[row : row + 1] for name, x in obs.items()}
        past = memory and Memory(memory.state[row : row + 1], memory.episode_start[:, row : row + 1])
        alone = policy.step(one, past, present={"wrench": mask["wrench"][row : row + 1]}, deterministic=True).action
        torch.testing.assert_close(alone, together[row : row + 1], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_every_sense_matters(fusion: str) -> None:
    policy, obs, other = make(fusion), observation(), observation(seed=1)
    before = evaluate(policy, obs).log_prob
    for name in SENSES:
        assert not torch.allclose(evaluate(policy, obs | {name: other[name]}).log_prob, before)


@pytest.mark.parametrize("fusion", FUSIONS)
def test_a_saved_policy_acts_the_same(fusion: str) -> None:
    policy, obs = make(fusion), observation()
    policy.update_statistics(observation(50, seed=2))
    file = io.BytesIO()
    torch.save(policy.state_dict(), file)
    file.seek(0)
    loaded = make(fusion, seed=1)
    loaded.load_state_dict(torch.load(file, weights_only=True))
    for ours, theirs in zip(evaluate(policy, obs)[:3], evaluate(loaded, obs)[:3], strict=True):
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("fusion", FUSIONS)
@torch.no_grad()
def test_autocast_keeps_what_the_loss_is_made_of_exact(fusion: str) -> None:
    policy, obs = make(fusion), observation()
    policy.value_mean.fill_(1000.0)  # in 8 bits the nearest values would be 4 away
    with torch.autocast("cpu", torch.bfloat16):
        rough = evaluate(policy, obs)
        chosen = policy.distribution(obs, memory=memory_of(policy))
    assert all(x.dtype == torch.float32 for x in rough[:3])
    exact = Normal(chosen.mean.double(), chosen.stddev.double())
    torch.testing.assert_close(rough.log_prob.double(), exact.log_prob(torch.zeros(T * N, 3)).sum(1), rtol=0, atol=1e-5)
    torch.testing.assert_close(rough.entropy.double(), exact.entropy().sum(1), rtol=0, atol=1e-5)
    # Experience is collected in 32 bits: the ratio with which an update begins is off by an eighth of PPO's clip range.
    full = evaluate(policy, obs)
    assert (rough.log_prob - full.log_prob).abs().max() < 0.025
    assert (rough.value - full.value).abs().max() < 0.05


@pytest.mark.parametrize("fusion", FUSIONS)
def test_moves_to_double(fusion: str) -> None:
    policy = make(fusion).double()
    now = policy.evaluate_actions(observation(), torch.zeros(T * N, 3, dtype=torch.float64), memory=memory_of(policy))
    assert all(x.dtype == torch.float64 for x in now[:3])


@pytest.mark.parametrize("fusion", RECURRENT)
def test_sequences_are_evaluated_as_they_were_acted(fusion: str) -> None:
    """Five steps of three worlds, in two of which an episode starts on the way."""
    policy, obs = make(fusion), observation(15)
    start = torch.zeros(5, 3, dtype=torch.bool)
    start[2, 0] = start[0, 1] = start[4, 1] = True
    before = torch.randn(3, policy.state_size)
    generator, state, steps = torch.Generator().manual_seed(0), before, []
    for t in range(5):
        here = {name: x[3 * t : 3 * t + 3] for name, x in obs.items()}
        step = policy.step(here, Memory(state, start[t : t + 1]), generator=generator)
        assert step.state is not None
        state = step.state
        steps.append(step)
    actions, log_probs = (torch.cat(parts) for parts in list(zip(*steps, strict=True))[:2])
    now = policy.evaluate_actions(obs, actions, memory=Memory(before, start))
    torch.testing.assert_close(now.log_prob, log_probs)


@pytest.mark.parametrize(
    ("memory", "message"),
    [
        (None, "give it a Memory"),
        (Memory(torch.zeros(2, 24), torch.zeros(3, 2, dtype=torch.bool)), r"T \* N = 4 rows, got torch.bool \(3, 2\)"),
        (Memory(torch.zeros(2, 24), torch.zeros(2, 2)), r"must be bool .* got torch.float32 \(2, 2\)"),
        (Memory(torch.zeros(2, 9), torch.zeros(2, 2, dtype=torch.bool)), r"shape \(2, 24\), got \(2, 9\)"),
    ],
    ids=["none", "rows", "type", "state"],
)
def test_a_recurrent_policy_insists_on_its_past(memory: Memory | None, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("lstm").step(observation(), memory)


def test_a_recurrent_policy_does_not_act_without_a_state() -> None:
    with pytest.raises(ValueError, match="give it a Memory"):
        make("gru").act(observation())


def test_unknown_options_are_refused() -> None:
    with pytest.raises(ValueError, match="fusion 'lowrank' has no option 'ranks'; it has rank, projection"):
        ActorCritic(SENSES, BOX, PolicyConfig("lowrank", {"ranks": 3}))
