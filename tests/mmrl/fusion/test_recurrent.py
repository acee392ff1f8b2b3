from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from mmrl.fusion import RecurrentFusion, make_fusion
from mmrl.fusion.recurrent import TAGMFusion

SIZES = {"camera": 4, "wrench": 3}
NAMES = ["lstm", "gru", "mvlstm", "mfn", "tagm"]
T, B, D = 6, 3, 5


def build(name: str, **options: object) -> RecurrentFusion:
    torch.manual_seed(0)
    fusion = make_fusion(name, SIZES, D, options)
    assert isinstance(fusion, RecurrentFusion)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return fusion


def sequence() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(T, B, size, generator=generator) for name, size in SIZES.items()}


def starts(*steps_and_rows: tuple[int, int]) -> Tensor:
    flags = torch.zeros(T, B, dtype=torch.bool)
    for step, row in steps_and_rows:
        flags[step, row] = True
    return flags


@pytest.fixture(params=NAMES)
def fusion(request: pytest.FixtureRequest) -> RecurrentFusion:
    return build(request.param)


def test_a_sequence_is_its_steps_one_by_one(fusion: RecurrentFusion) -> None:
    features, flags = sequence(), starts((2, 0), (0, 1), (5, 1), (3, 2), (4, 2))
    present = {"wrench": torch.rand(T, B, generator=torch.Generator().manual_seed(1)) < 0.6}
    before = torch.randn(B, fusion.state_size)
    together, after = fusion.unroll(features, present, before, flags)
    assert together.shape == (T, B, D)
    assert after.shape == before.shape
    state, never = before, torch.zeros(1, B, dtype=torch.bool)
    for t in range(T):
        state = state * ~flags[t].unsqueeze(1)
        step = {name: x[t : t + 1] for name, x in features.items()}
        fused, state = fusion.unroll(step, {"wrench": present["wrench"][t : t + 1]}, state, never)
        torch.testing.assert_close(fused[0], together[t])
    torch.testing.assert_close(state, after)


def test_called_without_a_state_it_begins_episodes(fusion: RecurrentFusion) -> None:
    features = {name: x[0] for name, x in sequence().items()}
    first, _ = fusion.unroll(
        {name: x.unsqueeze(0) for name, x in features.items()}, None, torch.zeros(B, fusion.state_size), starts()[:1]
    )
    torch.testing.assert_close(fusion(features), first[0])


def test_it_remembers_until_the_next_start(fusion: RecurrentFusion) -> None:
    features = {name: x.requires_grad_() for name, x in sequence().items()}
    fused, _ = fusion.unroll(features, None, torch.zeros(B, fusion.state_size), starts((3, 1)))
    gradients = torch.autograd.grad(fused[-1].square().sum(), list(features.values()))
    touched = sum(gradient.abs().sum(dim=2) for gradient in gradients) > 0
    # row 1 forgets before step 3, the others know of every step
    assert touched.tolist() == [[True, t >= 3, True] for t in range(T)]


def test_an_absent_sense_stands_at_its_learned_vector(fusion: RecurrentFusion) -> None:
    features, zeros = sequence(), torch.zeros(B, fusion.state_size)
    present = {"wrench": torch.rand(T, B, generator=torch.Generator().manual_seed(2)) < 0.5}
    vector = fusion.absent.detach()[SIZES["camera"] :]
    filled = features | {"wrench": torch.where(present["wrench"].unsqueeze(2), features["wrench"], vector)}
    ours, _ = fusion.unroll(features, present, zeros, starts())
    theirs, _ = fusion.unroll(filled, None, zeros, starts())
    torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize(
    ("name", "reference", "states"), [("lstm", nn.LSTM, 2), ("gru", nn.GRU, 1)], ids=["lstm", "gru"]
)
def test_cells_are_those_of_torch(name: str, reference: Callable[..., nn.RNNBase], states: int) -> None:
    fusion, theirs = build(name), reference(sum(SIZES.values()), D)
    with torch.no_grad():
        theirs.weight_ih_l0.copy_(fusion.get_parameter("input.weight"))
        theirs.bias_ih_l0.copy_(fusion.get_parameter("input.bias"))
        theirs.weight_hh_l0.copy_(fusion.get_parameter("recurrent.weight"))
        theirs.bias_hh_l0.zero_()
        if name == "gru":
            theirs.bias_hh_l0.copy_(fusion.get_parameter("recurrent.bias"))
    features, before = sequence(), torch.randn(B, states * D)
    ours, after = fusion.unroll(features, None, before, starts())
    given = tuple(x.unsqueeze(0).contiguous() for x in before.chunk(states, dim=1))
    expected, left = theirs(torch.cat(list(features.values()), dim=2), given if states == 2 else given[0])
    if name == "lstm":
        norm = fusion.get_parameter("norm.weight"), fusion.get_parameter("norm.bias")
        expected = nn.functional.layer_norm(expected, (D,), *norm)
    torch.testing.assert_close(ours, expected)
    torch.testing.assert_close(after, torch.cat([x[0] for x in left], dim=1) if states == 2 else left[0])


def test_an_lstm_begins_by_keeping_what_it_knows() -> None:
    torch.manual_seed(0)
    fusion = make_fusion("lstm", SIZES, D)
    # biases of the gates i, f, g, o
    assert fusion.get_parameter("input.bias").view(4, D).tolist() == [[0] * D, [1] * D, [0] * D, [0] * D]


def test_salience_by_hand() -> None:
    fusion = build("tagm", attention=1, sharpness=5)
    assert isinstance(fusion, TAGMFusion)
    features = sequence()
    state, k, h = torch.zeros(B, fusion.state_size), torch.zeros(B, 1), torch.zeros(B, D)
    weights = {name: parameter.detach() for name, parameter in fusion.named_parameters()}
    for t in range(T):
        step = {name: x[t : t + 1] for name, x in features.items()}
        fused, state = fusion.unroll(step, None, state, starts()[:1])
        seen = torch.cat([features["camera"][t], features["wrench"][t]], dim=1) @ weights["input.weight"].T
        seen = seen + weights["input.bias"]
        k = torch.tanh(seen[:, :1] + k * weights["attention.weight"])
        a = 1 / (1 + torch.exp(-5 * (k * weights["gate.weight"] + weights["gate.bias"])))
        h = (1 - a) * h + a * (seen[:, 1:] + h @ weights["recurrent.weight"].T).clamp(min=0)
        torch.testing.assert_close(fusion.salience(state), a[:, 0])
        torch.testing.assert_close(fused[0], h)


@pytest.mark.parametrize(("bias", "opens"), [(-100.0, False), (100.0, True)])
def test_a_memory_without_salience_stays_as_it_is(bias: float, opens: bool) -> None:
    fusion = build("tagm")
    with torch.no_grad():
        fusion.get_parameter("gate.bias").fill_(bias)
    before = torch.rand(B, fusion.state_size)
    fused, _ = fusion.unroll(sequence(), None, before, starts())
    assert torch.allclose(fused[-1], before[:, -1 - D : -1]) != opens


def test_sharpness_is_bounded() -> None:
    with pytest.raises(ValueError, match=r"TAGMOptions.sharpness must be a number in \[0, inf\], got -1"):
        build("tagm", sharpness=-1)
