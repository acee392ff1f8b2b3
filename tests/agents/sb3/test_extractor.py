"""Whatever SB3 does to an observation on its way, the joint vector is that of the native network."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from gymnasium import spaces
from sb3_contrib import TQC, RecurrentPPO
from stable_baselines3 import PPO, SAC, TD3
from stable_baselines3.common.vec_env import VecTransposeImage
from torch import Tensor

from mmrl.fusion import FUSIONS
from mmrl.modality import MLP, DifferenceMLP, ImageConv, Modality, TemporalConv
from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.config import PolicyConfig
from mmrl_agents.sb3.extractor import REFUSED, MultimodalExtractor

# 20 x 24 pixels leave 4 x 5 after the first convolution, 3 x 4 after the second. The window and the vector keep
# running statistics, the last image has two channels as a difference of frames needs them.
CONV = ImageConv(channels=(4, 6), kernels=(8, 2), strides=(4, 1), features=10)
SENSES = {
    "camera": Modality("camera", (20, 24, 3), 10.0, CONV, dtype="uint8"),
    "force": Modality("force", (6,), 100.0, TemporalConv(channels=(4, 8), features=7), history=8),
    "state": Modality("state", (5,), 10.0, MLP(hidden=(9,), features=6)),
}
DIFFERENCE = DifferenceMLP(features=8)
FRAMES = {"frames": Modality("frames", (12, 12, 2), 10.0, DIFFERENCE, dtype="uint8", low=0, high=255)}
ACTIONS = spaces.Box(-1.0, 1.0, (3,), np.float32)
ROWS = 7
POLICIES = {
    "ppo": PPO.policy_aliases["MultiInputPolicy"],
    "sac": SAC.policy_aliases["MultiInputPolicy"],
    "td3": TD3.policy_aliases["MultiInputPolicy"],
    "recurrent": RecurrentPPO.policy_aliases["MultiInputLstmPolicy"],
    "tqc": TQC.policy_aliases["MultiInputPolicy"],
}


def observation(senses: Mapping[str, Modality], seed: int = 0) -> dict[str, np.ndarray]:
    """Rows of every sense: all pixel values, forces of tens of newtons."""
    rng = np.random.default_rng(seed)
    return {
        name: rng.integers(0, 256, (ROWS, *sense.window_shape), np.uint8)
        if sense.dtype == "uint8"
        else (20 * rng.standard_normal((ROWS, *sense.window_shape)) + 3).astype(np.float32)
        for name, sense in senses.items()
    }


def tensors(obs: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    return {name: torch.as_tensor(array) for name, array in obs.items()}


def native(senses: Mapping[str, Modality], **settings: Any) -> ActorCritic:
    torch.manual_seed(1)
    policy = ActorCritic(senses, ACTIONS, PolicyConfig(fused_features=16, **settings))
    policy.update_statistics(tensors(observation(senses, seed=1)))
    return policy.eval()


def joint_vector(policy: ActorCritic, obs: Mapping[str, np.ndarray]) -> Tensor:
    """The vector that the actor of a native policy reads."""
    seen: list[Tensor] = []
    handle = policy.actor.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    with torch.no_grad():
        policy.distribution(tensors(obs))
    handle.remove()
    return seen[0]


def as_sb3_sees(
    senses: Mapping[str, Modality], obs: Mapping[str, np.ndarray], transposed: bool
) -> tuple[spaces.Dict, dict[str, Tensor]]:
    """Spaces and rows, images turned by SB3's own functions if asked."""
    found: dict[str, spaces.Space[Any]] = {name: sense.space for name, sense in senses.items()}
    rows = dict(obs)
    for name, sense in senses.items():
        if transposed and sense.dtype == "uint8":
            found[name] = VecTransposeImage.transpose_space(sense.space)
            rows[name] = VecTransposeImage.transpose_image(obs[name])
    return spaces.Dict(found), tensors(rows)


def sb3_features(
    kind: str, source: ActorCritic, senses: Mapping[str, Modality], transposed: bool, normalize: bool, **options: Any
) -> Tensor:
    """The features that an SB3 policy makes of the rows, through all that it does to observations."""
    space, rows = as_sb3_sees(senses, observation(senses), transposed)
    policy = POLICIES[kind](
        space,
        ACTIONS,
        lambda remaining: 0.0,
        features_extractor_class=MultimodalExtractor,
        features_extractor_kwargs={"modalities": senses, "features": 16, **options},
        normalize_images=normalize,
    )
    policy.set_training_mode(False)
    extractor = next(module for module in policy.modules() if isinstance(module, MultimodalExtractor))
    extractor.load_native(source)
    with torch.no_grad():
        features: Tensor = policy.extract_features(rows, extractor)
    assert features.shape == (ROWS, extractor.features_dim)
    return features


@pytest.mark.parametrize("normalize", [True, False])
@pytest.mark.parametrize("transposed", [True, False])
@pytest.mark.parametrize("kind", POLICIES)
def test_images_arrive_as_declared_whatever_sb3_does_to_them(kind: str, transposed: bool, normalize: bool) -> None:
    source = native(SENSES)
    features = sb3_features(kind, source, SENSES, transposed, normalize)
    torch.testing.assert_close(features, joint_vector(source, observation(SENSES)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("fusion", [name for name in FUSIONS if name not in REFUSED])
def test_every_momentary_fusion_is_that_of_the_native_network(fusion: str) -> None:
    source = native(SENSES, fusion=fusion)
    features = sb3_features("ppo", source, SENSES, True, True, fusion=fusion)
    torch.testing.assert_close(features, joint_vector(source, observation(SENSES)), rtol=0, atol=1e-6)


def test_options_of_a_fusion_reach_it() -> None:
    source = native(SENSES, fusion="lowrank", fusion_options={"rank": 2})
    features = sb3_features("ppo", source, SENSES, True, True, fusion="lowrank", fusion_options={"rank": 2})
    torch.testing.assert_close(features, joint_vector(source, observation(SENSES)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("transposed", [True, False])
def test_pixels_come_back_exactly(transposed: bool) -> None:
    """A difference of frames tells a pixel that changed from one that did not: rounding would show."""
    space, rows = as_sb3_sees(FRAMES, observation(FRAMES), transposed)
    extractor = MultimodalExtractor(space, FRAMES, features=0)
    scaled = {name: x.float() / 255.0 for name, x in rows.items()}  # as preprocess_obs does it
    (pixels,) = extractor.readings(scaled).values()
    assert pixels.dtype == torch.uint8
    np.testing.assert_array_equal(pixels.numpy(), observation(FRAMES)["frames"])


def test_an_only_sense_may_go_unfused_and_unnamed() -> None:
    """SB3's MlpPolicy hands over one array; the sense of a Box is called "observation"."""
    sense = Modality("observation", (5,), 10.0, MLP(hidden=(9,), features=6))
    source = ActorCritic({"observation": sense}, ACTIONS, PolicyConfig(fused_features=0))
    extractor = MultimodalExtractor(sense.space, {"observation": sense}, features=0).eval()
    extractor.load_native(source)
    rows = torch.as_tensor(observation({"observation": sense})["observation"])
    seen = joint_vector(source, {"observation": rows.numpy()})
    torch.testing.assert_close(extractor(rows), seen, rtol=0, atol=1e-6)


def test_an_absent_sense_has_no_effect_and_is_learned_for_as_in_the_native_network() -> None:
    source = native(SENSES)
    space, rows = as_sb3_sees(SENSES, observation(SENSES), False)
    extractor = MultimodalExtractor(space, SENSES, features=16, normalized_image=True).eval()
    extractor.load_native(source)
    mask = {"force": torch.zeros(ROWS, dtype=torch.bool)}
    other = {**rows, "force": torch.full_like(rows["force"], torch.nan)}
    with torch.no_grad(), extractor.sensing(mask):
        without, unread = extractor(rows), extractor(other)
    torch.testing.assert_close(without, unread, rtol=0, atol=0)
    with torch.no_grad():
        assert not torch.allclose(without, extractor(rows))


def test_initial_weights_are_ours_whatever_ortho_init_says() -> None:
    """Orthogonal ones of SB3 would have a gain of sqrt(2) everywhere and no channels-last memory order."""
    space, _ = as_sb3_sees(SENSES, observation(SENSES), True)
    kwargs = {"modalities": SENSES, "fusion": "transformer"}
    torch.manual_seed(5)
    alone = MultimodalExtractor(space, **kwargs)
    torch.manual_seed(5)
    policy = POLICIES["ppo"](
        space,
        ACTIONS,
        lambda remaining: 0.0,
        features_extractor_class=MultimodalExtractor,
        features_extractor_kwargs=kwargs,
        ortho_init=True,
    )
    for name, weight in policy.features_extractor.state_dict().items():
        torch.testing.assert_close(weight, alone.state_dict()[name], rtol=0, atol=0)
    policy.features_extractor.apply(lambda module: module.requires_grad_(False))
    assert not any(weight.requires_grad for weight in policy.features_extractor.parameters())


def test_training_batches_teach_the_statistics_and_acting_does_not() -> None:
    space, rows = as_sb3_sees(SENSES, observation(SENSES), False)
    extractor = MultimodalExtractor(space, SENSES, normalized_image=True)
    extractor.eval()(rows)
    assert float(extractor.running_statistics[0].get_buffer("count")) == 0
    extractor.train()(rows)
    for statistics, name in zip(extractor.running_statistics, ("force", "state"), strict=True):
        readings = rows[name].double().flatten(0, -2)
        torch.testing.assert_close(statistics.get_buffer("mean"), readings.mean(dim=0))


def test_sb3_finds_the_statistics_that_target_networks_need() -> None:
    """They are no parameters, so polyak averaging passes over them; SB3 copies what has "running_" in its name."""
    space, _ = as_sb3_sees(SENSES, observation(SENSES), False)
    extractor = MultimodalExtractor(space, SENSES)
    found = {name for name in extractor.state_dict() if "running_" in name}
    # mean, variance and count of two senses
    assert len(found) == 6


@pytest.mark.parametrize("fusion", REFUSED)
def test_fusions_without_a_joint_vector_are_refused_by_name(fusion: str) -> None:
    space, _ = as_sb3_sees(SENSES, observation(SENSES), False)
    with pytest.raises(ValueError, match=f"fusion '{fusion}' .* take one of concat, "):
        MultimodalExtractor(space, SENSES, fusion=fusion)


def test_what_is_refused_is_what_remembers_or_decides_by_itself() -> None:
    assert set(REFUSED) == {"late", "hybrid", "lstm", "gru", "mvlstm", "mfn", "tagm"}


@pytest.mark.parametrize(
    ("name", "space", "message"),
    [
        ("force", spaces.Box(-np.inf, np.inf, (8, 24)), r"'force' is declared as \(8, 6\) and reaches .* \(8, 24\)"),
        ("camera", spaces.Box(-10, 10, (20, 24, 3)), "'camera' is declared as uint8 .* float32; VecNormalize"),
        ("camera", spaces.Box(0, 255, (12, 20, 24), np.uint8), r"'camera' is declared as \(20, 24, 3\)"),
        ("sound", spaces.Box(0, 1, (3,)), "declared are camera, force, state, the observation space has"),
    ],
)
def test_senses_that_somebody_changed_on_the_way_are_refused(name: str, space: spaces.Space[Any], message: str) -> None:
    found = {key: sense.space for key, sense in SENSES.items()}
    with pytest.raises(ValueError, match=message):
        MultimodalExtractor(spaces.Dict({**found, name: space}), SENSES)
