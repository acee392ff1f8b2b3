import pytest
import torch
from torch import Tensor, nn

from mmrl.fusion import RecurrentFusion, make_fusion

SIZES = {"camera": 4, "wrench": 3, "arm": 2}
D = 6  # units of each view
T, B = 5, 2


def build(name: str, **options: object) -> RecurrentFusion:
    torch.manual_seed(0)
    fusion = make_fusion(name, SIZES, 5, {"units": D, **options})
    assert isinstance(fusion, RecurrentFusion)
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
    return fusion


def sequence() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(T, B, size, generator=generator) for name, size in SIZES.items()}


def outputs(fusion: RecurrentFusion, features: dict[str, Tensor], before: Tensor) -> Tensor:
    """h of all views side by side after each step, (T, B, 3 * D)."""
    states, state = [], before
    for t in range(T):
        step = {name: x[t : t + 1] for name, x in features.items()}
        _, state = fusion.unroll(step, None, state, torch.zeros(1, B, dtype=torch.bool))
        states.append(state[:, : 3 * D])
    return torch.stack(states)


def own_lstm(fusion: RecurrentFusion, view: int) -> nn.LSTM:
    """torch's LSTM with the weights of one view that sees its own units alone."""
    name = list(SIZES)[view]
    lstm = nn.LSTM(SIZES[name], D)
    with torch.no_grad():
        lstm.weight_ih_l0.copy_(fusion.get_parameter(f"cells.inputs./{name}.weight"))
        lstm.bias_ih_l0.copy_(fusion.get_parameter(f"cells.inputs./{name}.bias"))
        lstm.weight_hh_l0.copy_(fusion.get_parameter("cells.recurrent")[view].T)
        lstm.bias_hh_l0.zero_()
    return lstm


@pytest.mark.parametrize(
    ("name", "options"), [("mvlstm", {"alpha": 1, "beta": 0, "cell": "tanh"}), ("mfn", {})], ids=["mvlstm", "mfn"]
)
def test_view_specific_cells_are_independent_lstms(name: str, options: dict[str, object]) -> None:
    fusion, features = build(name, **options), sequence()
    before = torch.zeros(B, fusion.state_size)
    before[:, : 6 * D] = torch.randn(B, 6 * D)
    h, c = before[:, : 3 * D], before[:, 3 * D : 6 * D]
    ours = outputs(fusion, features, before).view(T, B, 3, D)
    for view, (sense, x) in enumerate(features.items()):
        part = slice(view * D, (view + 1) * D)
        expected, _ = own_lstm(fusion, view)(x, (h[:, part].unsqueeze(0), c[:, part].unsqueeze(0)))
        torch.testing.assert_close(ours[:, :, view], expected, msg=sense)


def test_fully_connected_cells_are_one_lstm_over_all_units() -> None:
    fusion, features = build("mvlstm", alpha=1, beta=1, cell="tanh"), sequence()
    whole = nn.LSTM(sum(SIZES.values()), 3 * D)
    weights = {name: torch.zeros_like(parameter) for name, parameter in whole.named_parameters()}
    column = 0
    for view, (name, size) in enumerate(SIZES.items()):
        others = [k for k in range(3) if k != view]
        # a view's rows are ordered: its own units, then those of the other views
        seen = [unit for k in (view, *others) for unit in range(k * D, (k + 1) * D)]
        for gate in range(4):
            rows = slice(gate * 3 * D + view * D, gate * 3 * D + (view + 1) * D)
            mine = slice(gate * D, (gate + 1) * D)
            inputs = fusion.get_parameter(f"cells.inputs./{name}.weight")[mine].detach()
            weights["weight_ih_l0"][rows, column : column + size] = inputs
            weights["bias_ih_l0"][rows] = fusion.get_parameter(f"cells.inputs./{name}.bias")[mine].detach()
            weights["weight_hh_l0"][rows, seen] = fusion.get_parameter("cells.recurrent")[view, :, mine].T.detach()
        column += size
    whole.load_state_dict(weights)
    before = torch.randn(B, 6 * D)
    expected, _ = whole(torch.cat(list(features.values()), dim=2), tuple(before.unsqueeze(0).split(3 * D, dim=2)))
    torch.testing.assert_close(outputs(fusion, features, before), expected)


@pytest.mark.parametrize(
    ("alpha", "beta"),
    [(1, 0), (0, 1), (1, 1), (2 / 3, 1 / 3), (0.1, 1), (0, 0), (0.5, 0.5)],
    ids=["view-specific", "coupled", "fully-connected", "hybrid", "paper's best", "nothing", "halves"],
)
def test_masks_let_through_the_first_own_and_the_last_other_units(alpha: float, beta: float) -> None:
    fusion = build("mvlstm", alpha=alpha, beta=beta)
    inputs = {name: torch.randn(1, 1, size) for name, size in SIZES.items()}

    def step(h: Tensor) -> Tensor:
        state = torch.cat([h, torch.ones(3 * D)]).unsqueeze(0)
        _, after = fusion.unroll(inputs, None, state, torch.zeros(1, 1, dtype=torch.bool))
        return after[0, : 3 * D]

    jacobian = torch.autograd.functional.jacobian(step, torch.randn(3 * D))
    seen = (jacobian.view(3, D, 3, D) != 0).all(dim=1)  # (target view, source view, source unit)
    assert torch.equal(seen, (jacobian.view(3, D, 3, D) != 0).any(dim=1))
    own, others = round(alpha * D), round(beta * D)
    for target in range(3):
        for source in range(3):
            first, last = [unit < own for unit in range(D)], [unit >= D - others for unit in range(D)]
            assert seen[target, source].tolist() == (first if target == source else last)


def test_a_linear_cell_lets_the_memory_out_as_it_is() -> None:
    fusion = build("mvlstm")
    state = torch.zeros(B, fusion.state_size)
    state[:, 3 * D :] = 7.0
    with torch.no_grad():
        for name in SIZES:
            # i and f closed and open, whatever is seen; o open
            gates = torch.tensor([-100.0, 100.0, 0.0, 100.0]).repeat_interleave(D)
            fusion.get_parameter(f"cells.inputs./{name}.bias").copy_(gates)
        fusion.get_parameter("cells.recurrent").zero_()
        torch.testing.assert_close(outputs(fusion, sequence(), state), torch.full((T, B, 3 * D), 7.0))


def test_shared_memory_by_hand() -> None:
    fusion, features = build("mfn", memory=4, hidden=7), sequence()
    state = torch.randn(B, fusion.state_size)
    h, c, u = state.split([3 * D, 3 * D, 4], dim=1)
    networks = {name: fusion.get_submodule(name) for name in ("attention", "proposal", "retain", "update", "output")}
    for t in range(T):
        step = {name: x[t : t + 1] for name, x in features.items()}
        fused, state = fusion.unroll(step, None, state, torch.zeros(1, B, dtype=torch.bool))
        cells = []
        for view, x in enumerate(features.values()):
            part = slice(view * D, (view + 1) * D)
            _, (_, cell) = own_lstm(fusion, view)(x[t : t + 1], (h[None, :, part], c[None, :, part]))
            cells.append(cell[0])
        window = torch.cat([c, *cells], dim=1)
        scores = networks["attention"](window).exp()
        attended = scores / scores.sum(dim=1, keepdim=True) * window
        retain, update = (torch.sigmoid(networks[n](torch.cat([attended, u], dim=1))) for n in ("retain", "update"))
        u = retain * u + update * torch.tanh(networks["proposal"](attended))
        h, c = state[:, : 3 * D], torch.cat(cells, dim=1)
        torch.testing.assert_close(state[:, 3 * D :], torch.cat([c, u], dim=1))
        torch.testing.assert_close(fused[0], networks["output"](torch.cat([h, u], dim=1)))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 1.5}, r"MVLSTMOptions.alpha must be a number in \[0, 1\], got 1.5"),
        ({"alpha": "2/3"}, r"MVLSTMOptions.alpha must be a number in \[0, 1\], got '2/3'"),
        ({"beta": -0.1}, r"MVLSTMOptions.beta must be a number in \[0, 1\], got -0.1"),
        ({"cell": "relu"}, r"MVLSTMOptions.cell must be one of linear, tanh, got 'relu'"),
        ({"units": 0}, r"MVLSTMOptions.units must be >= 1 and whole, got 0"),
    ],
)
def test_bad_options_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_fusion("mvlstm", SIZES, 5, options)
