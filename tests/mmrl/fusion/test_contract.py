"""The contract of every fusion, and of one added later as well."""

import itertools
from collections.abc import Mapping, Sequence

import pytest
import torch
from torch import Tensor

from mmrl.fusion import FUSIONS, ConcatFusion, Fusion, RecurrentFusion, make_fusion

SIZES = {"camera": 4, "wrench": 3, "arm.state": 2}
TOKENS: Mapping[str, Mapping[str, int | tuple[int, int]]] = {
    "early": {name: (3, size) for name, size in SIZES.items()},
    "attention": {"camera": (5, 4), "wrench": (2, 3), "arm.state": 2},
    "transformer": {"camera": (5, 4), "wrench": (2, 3), "arm.state": 2},
}
SUBSETS = [subset for size in range(len(SIZES) + 1) for subset in itertools.combinations(SIZES, size)]
OPTIONS: Mapping[str, Mapping[str, object]] = {
    "mlp": {"hidden": (5, 7)},
    "tensor": {"projection": 3},
    "lowrank": {"projection": 3, "rank": 2},
    "early": {"channels": (5, 4)},
    "attention": {"dim": 8, "heads": 2},
    "transformer": {"dim": 8, "heads": 2},
    "mvlstm": {"units": 5, "alpha": 0.6, "beta": 0.4},
    "mfn": {"units": 5, "memory": 7, "hidden": 8},
    "tagm": {"attention": 5},
}
# Those in which a learned vector stands for an absent sense; in the others it is no factor, no expert or masked.
FILLING = ["concat", "sum", "mlp", "gated", "early", "hybrid", "lstm", "gru", "mvlstm", "mfn", "tagm"]


def build(name: str, senses: Sequence[str] = tuple(SIZES), seed: int = 0) -> Fusion:
    """A fusion whose every parameter has moved away from its initial value, as if after some training."""
    torch.manual_seed(seed)
    sizes = TOKENS.get(name, SIZES)
    fusion = make_fusion(name, {sense: sizes[sense] for sense in senses}, 6, OPTIONS.get(name))
    with torch.no_grad():
        for parameter in fusion.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return fusion


def encodings(fusion: Fusion, rows: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {name: torch.randn(rows, *fusion.shapes[name], generator=generator) for name in SIZES}


def join(fusion: Fusion, features: Mapping[str, Tensor], present: Mapping[str, Tensor] | None = None) -> Tensor:
    """Joint vectors (B, D); of a fusion that remembers those of the last of three equal steps."""
    if not isinstance(fusion, RecurrentFusion):
        joined: Tensor = fusion(features, present)
        return joined
    steps, masks = ({name: torch.stack([x] * 3) for name, x in (given or {}).items()} for given in (features, present))
    rows = next(iter((*steps.values(), *masks.values()))).shape[1]
    start = torch.tensor([True, False, False]).unsqueeze(1).expand(-1, rows)
    state = torch.full((rows, fusion.state_size), torch.nan, dtype=fusion.absent.dtype)  # of no effect at a start
    return fusion.unroll(steps, masks, state, start)[0][-1]


@pytest.fixture(params=FUSIONS)
def fusion(request: pytest.FixtureRequest) -> Fusion:
    return build(request.param)


def test_maps_to_features(fusion: Fusion) -> None:
    assert join(fusion, encodings(fusion, 5)).shape == (5, fusion.features)
    # 6 were asked for, of each expert where there are experts, beside its presence
    assert fusion.features == (6 if fusion.experts is None else fusion.experts * 7)


def test_order_of_the_dict_does_not_matter(fusion: Fusion) -> None:
    features = encodings(fusion, 5)
    shuffled = dict(reversed(features.items()))
    assert torch.equal(join(fusion, features), join(fusion, shuffled))


@pytest.mark.parametrize("name", FUSIONS)
def test_order_of_the_senses_does_not_change_what_can_be_learned(name: str) -> None:
    ours = build(name)
    theirs = build(name, ("arm.state", "camera", "wrench"), seed=1)
    order = [list(SIZES).index(sense) for sense in theirs.sizes]
    theirs.load_state_dict({key: reordered(key, value, order) for key, value in ours.state_dict().items()})
    features = encodings(ours, 5)
    torch.testing.assert_close(by_expert(theirs, join(theirs, features)), by_expert(ours, join(ours, features)))


def by_expert(fusion: Fusion, fused: Tensor) -> dict[str, Tensor]:
    """The joint vector, or those that stand in it in the order of the senses, the one of all senses last."""
    names = ("joint",) if fusion.experts is None else (*fusion.sizes, "joint")
    return dict(zip(names, fused.chunk(fusion.experts or 1, dim=1), strict=False))


def reordered(key: str, parameter: Tensor, order: Sequence[int]) -> Tensor:
    """The same numbers for the senses in another order: along every axis that holds them side by side, their blocks."""
    if key == "cells.recurrent":
        return reordered_views(parameter, order)
    sizes = list(SIZES.values())
    for axis, length in enumerate(parameter.shape):
        if length == sum(sizes):
            parameter = reordered_blocks(parameter, axis, sizes, order)
        if length == 2 * sum(sizes) and key.startswith("convolutions"):  # two instants of each number
            parameter = reordered_blocks(parameter, axis, [2 * size for size in sizes], order)
        if length == 4**3 and key == "linear.weight":  # products of 3 numbers and a 1 of each sense, the last fastest
            parameter = parameter.view(-1, 4, 4, 4).permute(0, *(place + 1 for place in order)).flatten(1)
        if length in (15, 15 + 7, 30, 30 + 7):  # 5 units of each view, once or twice, and a memory
            cells = length // 15 * 15
            blocks = [parameter.narrow(axis, start, 15) for start in range(0, cells, 15)]
            blocks = [reordered_blocks(block, axis, [5] * 3, order) for block in blocks]
            parameter = torch.cat([*blocks, parameter.narrow(axis, cells, length - cells)], axis)
    return parameter


def reordered_blocks(parameter: Tensor, axis: int, sizes: Sequence[int], order: Sequence[int]) -> Tensor:
    blocks = parameter.split(list(sizes), axis)
    return torch.cat([blocks[index] for index in order], axis)


def reordered_views(recurrent: Tensor, order: Sequence[int]) -> Tensor:
    """Weights (view, units seen, gates); seen are some of its own units and, if any, 2 of each of the other views."""
    own = recurrent.shape[1] - 2 * 2 if recurrent.shape[1] == 7 else recurrent.shape[1]
    parts = []
    for view in order:
        mine, *theirs = recurrent[view].split([own, *[2] * ((recurrent.shape[1] - own) // 2)])
        others = dict(zip([k for k in range(3) if k != view], theirs, strict=False))
        parts.append(torch.cat([mine, *(others[k] for k in order if k in others)]))
    return torch.stack(parts)


def test_a_row_does_not_depend_on_its_batch(fusion: Fusion) -> None:
    features, present = encodings(fusion, 5), {"wrench": torch.tensor([True, False, True, False, True])}
    together = join(fusion, features, present)
    for row in range(5):
        alone = join(
            fusion, {n: x[row : row + 1] for n, x in features.items()}, {"wrench": present["wrench"][row : row + 1]}
        )
        torch.testing.assert_close(alone, together[row : row + 1])


def test_every_sense_matters(fusion: Fusion) -> None:
    features, other = encodings(fusion, 5), encodings(fusion, 5, seed=1)
    for name in SIZES:
        changed = join(fusion, features | {name: other[name]})
        assert not torch.isclose(changed, join(fusion, features)).all(dim=1).any()


def test_a_mask_of_ones_is_no_mask(fusion: Fusion) -> None:
    features = encodings(fusion, 5)
    present = {name: torch.ones(5, dtype=torch.bool) for name in SIZES}
    assert torch.equal(join(fusion, features, present), join(fusion, features))
    assert torch.equal(join(fusion, features, {}), join(fusion, features, None))


def test_absent_rows_are_as_a_missing_sense(fusion: Fusion) -> None:
    features = encodings(fusion, 5)
    mask = torch.tensor([True, False, True, False, False])
    mixed = join(fusion, features, {"wrench": mask})
    nowhere = {"wrench": torch.zeros(5, dtype=torch.bool)}
    without = join(fusion, {name: x for name, x in features.items() if name != "wrench"}, nowhere)
    expected = torch.where(mask[:, None], join(fusion, features), without)
    torch.testing.assert_close(mixed, expected)
    assert not torch.allclose(mixed, join(fusion, features))


@pytest.mark.parametrize("gone", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_what_an_absent_sense_holds_has_no_effect(fusion: Fusion, gone: Sequence[str]) -> None:
    """Neither on the output nor on any gradient, a number, a NaN or nothing at all: rows 1 and 3 lack `gone`."""
    lacks = torch.tensor([False, True, False, True])
    present = dict.fromkeys(gone, ~lacks)
    results = []
    for fill in (0.5, torch.nan, torch.inf):
        features = {
            name: torch.where(lacks.view(-1, *(1,) * (x.dim() - 1)), fill, x) if name in gone else x
            for name, x in encodings(fusion, 4).items()
        }
        results.append(outcome(fusion, features, present))
    for result in results[1:]:
        for ours, reference in zip(result, results[0], strict=True):
            torch.testing.assert_close(ours, reference, rtol=0, atol=0)
    assert all(torch.isfinite(x).all() for x in results[0])


@pytest.mark.parametrize("gone", SUBSETS, ids=lambda subset: "+".join(subset) or "none")
def test_a_sense_absent_from_every_row_may_be_left_out(fusion: Fusion, gone: Sequence[str]) -> None:
    nowhere = {name: torch.zeros(4, dtype=torch.bool) for name in gone}
    broken = {name: torch.full_like(x, torch.nan) if name in gone else x for name, x in encodings(fusion, 4).items()}
    left_out = {name: x for name, x in broken.items() if name not in gone}
    masked, missing = (join(fusion, features, nowhere) for features in (broken, left_out))
    torch.testing.assert_close(masked, missing)
    assert torch.isfinite(missing).all()
    assert missing.shape == (4, fusion.features)


def outcome(fusion: Fusion, features: Mapping[str, Tensor], present: Mapping[str, Tensor]) -> list[Tensor]:
    """The output, and the gradients of every parameter and encoding for a loss that weighs all outputs differently."""
    inputs = {name: x.clone().requires_grad_() for name, x in features.items()}
    fusion.zero_grad()
    fused = join(fusion, inputs, present)
    (fused * torch.linspace(1, 2, fused.numel()).view_as(fused)).sum().backward()
    leaves = [*fusion.parameters(), *inputs.values()]
    return [fused.detach(), *(torch.zeros_like(x) if x.grad is None else x.grad for x in leaves)]


def test_absent_encodings_get_no_gradient(fusion: Fusion) -> None:
    features = {name: x.requires_grad_() for name, x in encodings(fusion, 4).items()}
    mask = torch.tensor([True, False, True, False])
    join(fusion, features, {"wrench": mask}).square().sum().backward()
    gradient = features["wrench"].grad
    assert gradient is not None
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] != 0).any()


@pytest.mark.parametrize("name", FILLING)
def test_what_stands_for_an_absent_sense_is_learned(name: str) -> None:
    fusion = build(name)
    (stands_in,) = (parameter for key, parameter in fusion.named_parameters() if "absent" in key)
    nowhere = {"wrench": torch.zeros(4, dtype=torch.bool)}
    before = join(fusion, encodings(fusion, 4), nowhere)
    before.square().sum().backward()
    assert stands_in.grad is not None
    with torch.no_grad():
        stands_in -= 0.1 * stands_in.grad
    assert not torch.allclose(join(fusion, encodings(fusion, 4), nowhere), before)


@pytest.mark.parametrize("name", [name for name in FUSIONS if name not in FILLING])
@torch.no_grad()
def test_where_nothing_stands_for_an_absent_sense_what_reads_it_has_no_say(name: str) -> None:
    fusion, nowhere = build(name), {"wrench": torch.zeros(4, dtype=torch.bool)}
    absent, there = (join(fusion, encodings(fusion, 4), present) for present in (nowhere, None))
    own = [parameter for key, parameter in fusion.named_parameters() if "/wrench" in key]
    assert own
    for parameter in own:
        # Of a factor of `lowrank` the last row reads the appended 1, which is left.
        read = parameter[:, :-1] if name == "lowrank" and parameter.dim() == 3 else parameter
        read.add_(torch.randn_like(read))
    assert torch.equal(join(fusion, encodings(fusion, 4), nowhere), absent)
    assert not torch.allclose(join(fusion, encodings(fusion, 4)), there)


def test_gradients_are_right(fusion: Fusion) -> None:
    fusion = fusion.double()
    inputs = [x.double().requires_grad_() for x in encodings(fusion, 3).values()]
    present = {"camera": torch.tensor([True, False, True])}

    def run(*values: Tensor) -> Tensor:
        fused: Tensor = join(fusion, dict(zip(SIZES, values, strict=True)), present)
        return fused

    assert torch.autograd.gradcheck(run, inputs)


def test_unknown_name_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"'outer'.*concat"):
        make_fusion("outer", SIZES, 6)


def test_unknown_option_lists_the_known() -> None:
    with pytest.raises(ValueError, match=r"fusion 'mlp' has no option 'depth', 'width'; it has hidden"):
        make_fusion("mlp", SIZES, 6, {"depth": 2, "hidden": (3,), "width": 4})
    with pytest.raises(ValueError, match=r"fusion 'concat' has no option 'hidden'; it has none"):
        make_fusion("concat", SIZES, 6, {"hidden": (3,)})


@pytest.mark.parametrize("hidden", [(5,), [5], 5])
def test_options_may_come_as_json_and_the_command_line_give_them(hidden: object) -> None:
    shapes = [tuple(x.shape) for x in make_fusion("mlp", {"a": 2}, 3, {"hidden": hidden}).parameters()]
    assert shapes == [(2,), (5, 2), (5,), (3, 5), (3,)]


@pytest.mark.parametrize("hidden", [0, "wide", 2.5, True])
def test_bad_options_are_named(hidden: object) -> None:
    with pytest.raises(ValueError, match=rf"MLPOptions.hidden must be >= 1 and whole, got \({hidden!r},\)"):
        make_fusion("mlp", SIZES, 6, {"hidden": hidden})


def test_tokens_are_refused_where_vectors_are_joined() -> None:
    with pytest.raises(ValueError, match=r"ConcatFusion joins one vector of each sense, 'b' has tokens \(3, 2\)"):
        make_fusion("concat", {"a": 2, "b": (3, 2)}, 6)


def test_sizes_are_checked() -> None:
    with pytest.raises(ValueError, match="at least one sense"):
        ConcatFusion({}, 6)
    with pytest.raises(ValueError, match=r"'wrench'.*0"):
        ConcatFusion({"wrench": 0}, 6)
