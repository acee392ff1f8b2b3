"""The quantities read off a policy as it decides."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from gymnasium import spaces
from hypothesis import given
from hypothesis import strategies as st

from mmrl.modality import MLP, ImageConv, Modality, Unencoded
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.trained import TrainedPolicy
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.watching.decisions import Introspection

EYE = Modality("eye", (20, 20, 4), 1.0, ImageConv((4,), (5,), (3,), 8), dtype="uint8")
TOUCH = Modality("touch", (2,), 1.0, MLP((8,), 8))
CONFIG = TrainConfig(env="any")
CHOICES = spaces.Discrete(5)
CONTINUOUS = spaces.Box(-1, 1, (2,))


def trained(
    space: spaces.Box | spaces.Discrete = CHOICES, config: TrainConfig = CONFIG, privileged_size: int = 0
) -> TrainedPolicy:
    torch.manual_seed(0)
    of_critic = {"privileged": Modality("privileged", (privileged_size,), 20, Unencoded())} if privileged_size else {}
    policy = ActorCritic({"eye": EYE, "touch": TOUCH}, space, PolicyConfig(), of_critic).eval()
    torch.nn.init.normal_(policy.head.linear.weight)
    return TrainedPolicy(policy, config, {}, Path(), space)


def looking_into(policy: TrainedPolicy, space: spaces.Box | spaces.Discrete = CHOICES) -> Introspection:
    return Introspection(policy, TorchPolicy(policy.policy, space), space, {"eye": EYE})


def observation(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "eye": random.integers(256, size=(1, 20, 20, 4), dtype=np.uint8),
        "touch": random.normal(size=(1, 2)).astype(np.float32),
    }


@given(seed=st.integers(0, 2**32 - 1))
def test_probabilities_and_value_are_those_of_the_network(seed: int) -> None:
    policy, seen = trained(), observation(seed)
    decision = looking_into(policy).decision(seen)
    tensors = {name: torch.as_tensor(array) for name, array in seen.items()}
    expected = policy.policy.distribution(tensors).probs[0].detach().numpy()
    assert decision.probabilities is not None
    np.testing.assert_array_equal(decision.probabilities, expected.astype(np.float64))
    assert decision.probabilities.sum() == pytest.approx(1, abs=1e-6)
    assert decision.value == pytest.approx(policy.policy.value(tensors).item())
    # Where no action was taken, it is about the one that would be.
    assert decision.action == TorchPolicy(policy.policy, CHOICES).act(seen)[0] == expected.argmax()
    assert decision.heat["eye"].shape == (20, 20)


def test_saliency_is_that_of_the_action_taken() -> None:
    inside, seen = looking_into(trained()), observation(0)
    heats = [inside.decision(seen, None, np.array([action])).heat["eye"] for action in (0, 1)]
    assert inside.decision(seen, None, np.array([3])).action == 3
    assert not np.allclose(*heats)
    np.testing.assert_array_equal(heats[1], inside.decision(seen, None, np.array([1])).heat["eye"])


def test_what_is_unplugged_neither_counts_nor_is_asked() -> None:
    policy = trained()
    inside = Introspection(policy, TorchPolicy(policy.policy, CHOICES), CHOICES, {})
    absent = {"eye": np.array([False]), "touch": np.array([True])}
    one, other = (inside.decision({**observation(0), "eye": observation(s)["eye"]}, absent) for s in (1, 2))
    assert one.heat == {}
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


def test_continuous_actions_have_a_value_alone_and_with_a_privileged_critic_not_even_that() -> None:
    decision = looking_into(trained(CONTINUOUS), CONTINUOUS).decision(observation(0))
    assert (decision.action, decision.probabilities, decision.heat) == (None, None, {})
    assert decision.value is not None
    privileged = looking_into(trained(CONTINUOUS, privileged_size=3), CONTINUOUS)
    assert privileged.decision(observation(0)).value is None


def test_a_critic_that_was_never_trained_is_not_asked() -> None:
    plain = replace(CONFIG, agent="reinforce")
    assert looking_into(trained(config=plain)).decision(observation(0)).value is None
    with_baseline = replace(plain, reinforce=ReinforceConfig(baseline="value"))
    assert looking_into(trained(config=with_baseline)).decision(observation(0)).value is not None
