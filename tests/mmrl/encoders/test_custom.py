import math
import sys
import types

import pytest
import torch
from torch import nn

from mmrl.encoders import build_encoder
from mmrl.modality import Custom, Modality


@pytest.fixture
def plugin(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    module = types.ModuleType("user_encoders")
    monkeypatch.setitem(sys.modules, "user_encoders", module)
    return module


def ear(factory: str, features: int = 5) -> Modality:
    return Modality("ear", (2, 3), 100, Custom(f"user_encoders:{factory}", features), history=4)


def flat(modality: Modality, features: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(modality.window_shape), features))


def test_custom_network_is_found_by_its_path(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: flat(modality, 5)  # type: ignore[attr-defined]  # a stand-in
    encoder = build_encoder(ear("make"))
    assert encoder.features == 5
    assert encoder.training
    assert encoder(torch.zeros(7, 4, 2, 3)).shape == (7, 5)


def test_custom_network_of_another_size_is_refused(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: flat(modality, 6)  # type: ignore[attr-defined]  # a stand-in
    with pytest.raises(ValueError, match=r"\(2, 4, 2, 3\) to \(2, 5\), got \(2, 6\)") as caught:
        build_encoder(ear("make"))
    assert "'ear'" in caught.value.__notes__[0]


def test_custom_factory_must_return_a_module(plugin: types.ModuleType) -> None:
    plugin.make = lambda modality: None  # type: ignore[attr-defined]  # a stand-in
    with pytest.raises(ValueError, match=r"user_encoders:make.*nn.Module, got None"):
        build_encoder(ear("make"))


@pytest.mark.usefixtures("plugin")
@pytest.mark.parametrize("target", ["user_encoders:missing", "no_such_package.module:make"])
def test_custom_target_that_cannot_be_imported_is_named(target: str) -> None:
    with pytest.raises(ValueError, match=rf"'ear'.*{target}"):
        build_encoder(Modality("ear", (2,), 100, Custom(target)))
