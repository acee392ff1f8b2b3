"""The state of a training: a quadratic's curvature, a dead unit that was planted, noise of a known size."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from mmrl_agents.cli import main
from mmrl_agents.evaluation.diagnosis.curvature import MAXIMUM, MINIMUM, SADDLE, UNDECIDED, Curvature, curvature_of
from mmrl_agents.evaluation.diagnosis.diagnose import DOCUMENT, DiagnoseConfig
from mmrl_agents.evaluation.diagnosis.features import dead_units, effective_rank
from mmrl_agents.evaluation.diagnosis.noise import noise_scale
from tests.trainings import POLE, trained_quietly


def quadratic(eigenvalues: list[float], seed: int = 0) -> tuple[nn.Parameter, Tensor]:
    """Weights and a symmetric matrix with these eigenvalues in directions of its own."""
    count = len(eigenvalues)
    directions, _ = np.linalg.qr(np.random.default_rng(seed).normal(size=(count, count)))
    return nn.Parameter(torch.ones(count, dtype=torch.float64)), torch.tensor(
        directions @ np.diag(eigenvalues) @ directions.T
    )


@pytest.mark.parametrize(
    ("eigenvalues", "verdict"),
    [
        ([5.0, 2.0, 1.0, 0.5, -1.0, -3.0], SADDLE),
        ([9.0, 4.0, 3.0, 2.0, 1.0, 0.5], MINIMUM),
        ([-9.0, -4.0, -3.0, -2.0, -1.0, -0.5], MAXIMUM),
        ([9.0, 4.0, 3.0, 2.0, 1.0, 0.0], UNDECIDED),
    ],
)
def test_eigenvalues_of_a_quadratic(eigenvalues: list[float], verdict: str) -> None:
    weights, matrix = quadratic(eigenvalues)
    found = curvature_of(lambda: 0.5 * weights @ matrix @ weights, [weights], count=2, tolerance=1e-8)
    ordered = sorted(eigenvalues)
    assert found.smallest == pytest.approx(ordered[:2], abs=1e-6)
    assert found.largest == pytest.approx(ordered[:-3:-1], abs=1e-6)
    assert found.gradient_norm == pytest.approx(float((matrix @ weights).detach().norm()))
    assert found.verdict == verdict


def test_weights_that_a_loss_does_not_read_are_flat() -> None:
    read, unread = nn.Parameter(torch.ones(4)), nn.Parameter(torch.ones(3))
    found = curvature_of(lambda: (read**2).sum(), [read, unread], count=1)
    assert found.largest[0] == pytest.approx(2.0, rel=1e-3)
    assert found.smallest[0] == pytest.approx(0.0, abs=1e-3)
    assert found.verdict == UNDECIDED


def test_too_few_weights_are_refused() -> None:
    with pytest.raises(ValueError, match="3 eigenvalues at either end need 5 parameters at least, got 2"):
        curvature_of(lambda: torch.zeros((), requires_grad=True), [nn.Parameter(torch.zeros(2))])


def test_a_verdict_is_by_the_ends_alone() -> None:
    assert Curvature((1.0,), (-1e-9,), 0.0).verdict == UNDECIDED
    assert Curvature((1.0,), (-0.1,), 0.0).verdict == SADDLE


def test_dead_units_are_found_where_they_were_planted() -> None:
    """One unit of eight is below 0 whatever it sees, one is beyond the end of a tanh."""
    torch.manual_seed(0)
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh())
    with torch.no_grad():
        network[0].weight[3], network[0].bias[3] = 0.0, -1.0
        network[2].weight[2], network[2].bias[2] = 0.0, 50.0
    inputs = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    found = dead_units(network, lambda: [network(rows) for rows in inputs.chunk(4)])
    assert [(layer.layer, layer.dead, layer.units) for layer in found] == [("1", 1, 8), ("3", 1, 5)]


def test_a_channel_of_pictures_is_a_unit() -> None:
    network = nn.Sequential(nn.Conv2d(1, 3, 1), nn.ReLU())
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.copy_(torch.tensor([0.0, -100.0, 1.0]))
    (layer,) = dead_units(network, lambda: network(torch.randn(6, 1, 5, 5)))
    assert (layer.dead, layer.units) == (1, 3)


def test_the_effective_rank_counts_directions() -> None:
    generator = torch.Generator().manual_seed(0)
    wide = torch.linalg.qr(torch.randn(50, 6, generator=generator))[0] - 0.0
    directions = torch.randn(3, 6, generator=generator)
    assert effective_rank(torch.ones(10, 4)) == 0.0
    # Singular values 1, 1, 1: the entropy of thirds is log 3. Centring turns them little.
    assert effective_rank(wide[:, :3] @ torch.eye(3, 6)) == pytest.approx(3.0, abs=0.1)
    assert effective_rank(wide[:, :3] @ directions) < 3.0
    assert effective_rank(wide[:, :1] @ directions[:1]) == pytest.approx(1.0)


def test_the_noise_scale_of_gradients_of_known_noise() -> None:
    """Of b samples with gradient G and variance 4 in each of 1,000 numbers: tr(S) / |G|^2 = 4,000 / 1,000."""
    generator = torch.Generator().manual_seed(0)
    batch = 25
    gradients = [1.0 + 2.0 / batch**0.5 * torch.randn(1000, generator=generator) for _ in range(64)]
    assert noise_scale(gradients, batch) == pytest.approx(4.0, rel=0.1)
    with pytest.raises(ValueError, match="needs two of them at least, got 1"):
        noise_scale(gradients[:1], batch)


def test_a_run_is_diagnosed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run"))
    assert main(["diagnose", str(run), "--num-worlds", "2", "--num-steps", "16", "--eigenvalues", "1"]) == 0
    printed = capsys.readouterr().out
    document = json.loads((run / DOCUMENT).read_text())
    assert document["verdict"] in printed
    assert document["curvature"]["largest"][0] > document["curvature"]["smallest"][0]
    assert document["dead"]
    assert 0 < document["rank"] <= document["features"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"eigenvalues": 0}, "eigenvalues must be at least 1, got 0"),
        ({"num_worlds": 1, "num_steps": 4}, "8 steps .* got 4"),
    ],
)
def test_bad_settings_are_refused_by_name(change: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        DiagnoseConfig("run", **change)  # type: ignore[arg-type]


def test_a_policy_that_remembers_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    policy = replace(POLE.policy, fusion="gru")
    run = trained_quietly(replace(POLE, run_dir=tmp_path / "run", policy=policy))
    assert main(["diagnose", str(run)]) == 2
    assert "a policy that remembers" in " ".join(capsys.readouterr().err.split())
