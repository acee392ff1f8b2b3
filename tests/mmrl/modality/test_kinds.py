"""The registry of kinds: what it lists, and what it refuses."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from gymnasium import spaces

from mmrl.encoders import build_encoder
from mmrl.modality import MLP, EncoderSpec, Kind, Modality, SpaceReader, register_kind
from mmrl.modality.foreign import modalities_of
from mmrl.modality.kinds import KINDS, kind_of, readers, specs
from mmrl.modality.vector import read_vector


@dataclass(frozen=True)
class Unheard(EncoderSpec):
    """Of no kind."""

    def check(self, modality: Modality) -> None:
        """Every modality will do."""


@dataclass(frozen=True)
class Narrow(MLP):
    """A subclass of a spec that is of a kind."""


@pytest.fixture(autouse=True)
def _kinds_as_before() -> Iterator[None]:
    before = dict(KINDS)
    yield
    KINDS.clear()
    KINDS.update(before)


def test_a_spec_of_no_kind_is_refused_with_the_known_ones() -> None:
    with pytest.raises(TypeError, match=r"'ear': Unheard is no spec .*: Custom, .*ImageConv, MLP, TemporalConv"):
        build_encoder(Modality("ear", (2,), 100, Unheard()))


def test_a_spec_that_nobody_registered_is_not_offered() -> None:
    with pytest.raises(ValueError, match="no encoder 'Unheard'; there are") as caught:
        modalities_of(spaces.Box(-1, 1, (2,)), overrides={"observation": {"encoder": "Unheard"}})
    assert "Unheard," not in str(caught.value)
    assert "Unheard" not in specs()


def test_subclasses_of_a_spec_are_of_its_kind() -> None:
    assert kind_of(Narrow()) is KINDS["vector"]
    assert build_encoder(Modality("ear", (2,), 100, Narrow(features=3))).features == 3


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        (
            Kind("vector", Unheard, "ears:NETWORKS"),
            r"the name and spec \(vector, Unheard\) must differ from .* 'vector'",
        ),
        (
            Kind("sound", MLP, "ears:NETWORKS"),
            r"the name and spec \(sound, MLP\) must differ from those of kind 'vector'",
        ),
        (
            Kind("sound", Unheard, "ears:NETWORKS", {"one_hot": SpaceReader(read_vector)}),
            "the reader 'one_hot' must differ from those of kind 'vector'",
        ),
    ],
)
def test_what_is_taken_is_refused(kind: Kind, message: str) -> None:
    before = readers()
    with pytest.raises(ValueError, match=message):
        register_kind(kind)
    assert readers() == before


def test_a_kind_must_lead_to_its_networks() -> None:
    register_kind(Kind("sound", Unheard, f"{__name__}:Unheard"))
    with pytest.raises(TypeError, match=r"kind 'sound': '.*:Unheard' must name mmrl.encoders.Networks, got <class"):
        build_encoder(Modality("ear", (2,), 100, Unheard()))
