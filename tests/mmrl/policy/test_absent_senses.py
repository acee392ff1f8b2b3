"""Absent senses change neither an action nor a gradient, row by row, whatever stands in their place."""

import itertools
from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from tests.mmrl.policy.small_policies import SENSES, observation, policy

SUBSETS = [subset for size in range(len(SENSES) + 1) for subset in itertools.combinations(SENSES, size)]


def absent(names: Sequence[str], rows: int) -> dict[str, Tensor]:
    return {name: torch.zeros(rows, dtype=torch.bool) for name in names}


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


def test_absent_rows_teach_the_statistics_nothing() -> None:
    ours, theirs, obs = policy(), policy(), observation(6)
    mask = torch.tensor([True, True, False, True, False, False])
    broken = obs | {"wrench": torch.where(mask[:, None, None], obs["wrench"], torch.nan)}
    ours.update_statistics(broken, present={"wrench": mask})
    theirs.update_statistics(obs | {"wrench": obs["wrench"]}, present={"wrench": mask})
    for key, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[key], value)


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
