import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mmrl.normalization import MultiScaleSquash, RunningStatistics, make_normalizer

BATCHES = st.lists(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(0, 5), st.just(2)),
        elements=st.floats(-1e3, 1e3, allow_subnormal=False),
    ),
    min_size=1,
    max_size=5,
).filter(lambda batches: sum(len(batch) for batch in batches) > 0)


@given(BATCHES)
def test_statistics_are_those_of_all_batches_together(batches: list[np.ndarray]) -> None:
    statistics = RunningStatistics(2)
    for batch in batches:
        statistics.update(torch.from_numpy(batch))
    everything = np.concatenate(batches)
    assert statistics.count.item() == len(everything)
    np.testing.assert_allclose(statistics.mean.numpy(), everything.mean(axis=0), atol=1e-9)
    np.testing.assert_allclose(statistics.var.numpy(), everything.var(axis=0), atol=1e-6)


def test_statistics_pool_all_leading_axes() -> None:
    statistics = RunningStatistics(3)
    x = torch.arange(24.0).reshape(2, 4, 3)
    statistics.update(x)
    # Column c holds c, c + 3, ..., c + 21: mean c + 10.5, variance 9 * (8^2 - 1) / 12 = 47.25.
    np.testing.assert_allclose(statistics.mean.numpy(), [10.5, 11.5, 12.5])
    np.testing.assert_allclose(statistics.var.numpy(), [47.25] * 3)


def test_statistics_survive_an_offset_far_larger_than_the_spread() -> None:
    statistics = RunningStatistics(())
    for value in (1e8 - 1, 1e8 + 1):
        statistics.update(torch.tensor([value], dtype=torch.float64))
    assert statistics.var.item() == 1.0  # both are 1 away from their mean


def test_statistics_are_not_decided_by_a_single_wild_reading() -> None:
    generator = torch.Generator().manual_seed(0)
    statistics = RunningStatistics(2)
    for wild in (0.0, 1e20, -3e38, 0.0):
        batch = torch.randn(10_000, 2, generator=generator)
        batch[7, 1] += wild
        statistics.update(batch)
    # Two readings that count as 1,000 and some 7,000 deviations: 1000^2 / 20,000 = 50 of variance after the first, then
    # (1000 sqrt(51))^2 / 30,000 = 1,700. The other feature does not notice.
    assert statistics.var[1] < 2000
    assert statistics.var[0].item() == pytest.approx(1.0, abs=0.05)


def test_statistics_find_the_scale_of_what_never_varied_before() -> None:
    statistics = RunningStatistics(1)
    for value in (0.0, 50.0):
        statistics.update(torch.full((100, 1), value))
    assert (statistics.mean.item(), statistics.var.item()) == (25.0, 625.0)


def test_before_any_update_only_clips() -> None:
    x = torch.tensor([[-50.0, -10.0, -0.25], [0.0, 3.0, 11.0]])
    expected = torch.tensor([[-10.0, -10.0, -0.25], [0.0, 3.0, 10.0]])
    torch.testing.assert_close(RunningStatistics(3)(x), expected)


def test_forward_standardises_and_clips() -> None:
    statistics = RunningStatistics(1)
    statistics.update(torch.tensor([[1.0], [5.0]]))  # mean 3, variance 4
    x = torch.tensor([[3.0], [5.0], [-1.0], [1000.0]])
    torch.testing.assert_close(statistics(x), torch.tensor([[0.0], [1.0], [-2.0], [10.0]]))


def test_a_constant_feature_stays_zero() -> None:
    statistics = RunningStatistics(1)
    for _ in range(3):
        statistics.update(torch.full((7, 1), 0.1))
    assert statistics(torch.full((2, 1), 0.1)).abs().max() == 0


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_update_refuses_what_is_not_finite(bad: float) -> None:
    statistics = RunningStatistics(2)
    with pytest.raises(ValueError, match="finite"):
        statistics.update(torch.tensor([[0.0, bad]]))
    assert statistics.count == 0


def test_update_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(3,\).*\(5, 2\)"):
        RunningStatistics(3).update(torch.zeros(5, 2))


def test_squash_is_scale_major() -> None:
    squash = MultiScaleSquash([2.0, (1.0, 10.0)], features=2)
    x = torch.tensor([[[0.1, -0.2]]])
    expected = np.tanh([0.2, -0.4, 0.1, -2.0])
    assert squash.features == 4
    np.testing.assert_allclose(squash(x).numpy()[0, 0], expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("scales", "words"),
    [
        ([], "at least one"),
        ([(1.0, 2.0, 3.0)], "per feature"),
        ([0.0], "not zero"),
        ([float("inf")], "finite"),
    ],
)
def test_squash_refuses_bad_scales(scales: list[float], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        MultiScaleSquash(scales, features=2)


def test_without_scales_the_normaliser_keeps_statistics() -> None:
    assert isinstance(make_normalizer((), 4), RunningStatistics)
    assert isinstance(make_normalizer((20.0, 150.0), 4), MultiScaleSquash)


def test_only_what_is_learned_is_in_the_state_dict() -> None:
    assert set(RunningStatistics(2).state_dict()) == {"mean", "var", "count"}
    assert not MultiScaleSquash([1.0], 2).state_dict()
