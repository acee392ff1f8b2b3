"""Sensors by name: registered here, offered by an installed package, or passed as objects."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl.modality import MLP, Modality
from mmrl_envs.sensors import Sensor, View, make_sensor, register_sensor, sensor_names


class Whisker(Sensor):
    modality = Modality("whisker", (2,), 100, MLP())

    def read(self, view: View) -> NDArray[np.float64]:
        return np.zeros((len(view.worlds), 1, 2))


class Barometer(Sensor):
    @property
    def modality(self) -> Modality:  # type: ignore[override]  # allowed at run time
        return Modality("barometer", (1,), 10, MLP())

    def read(self, view: View) -> NDArray[Any]:
        return np.zeros((len(view.worlds), 1, 1))


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str, target: str) -> None:
    """The files that pip leaves of a package that offers one sensor."""
    metadata = folder / f"{name}_package-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}-package\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(f"[mmrl.sensors]\n{name} = {target}\n")
    monkeypatch.syspath_prepend(str(folder))


def test_registered_sensor_is_made_anew_each_time() -> None:
    register_sensor("whisker", Whisker)
    assert "whisker" in sensor_names()
    first, second = make_sensor("whisker"), make_sensor("whisker")
    assert isinstance(first, Whisker)
    assert first is not second


@pytest.mark.parametrize(
    "name", ["camera", "depth", "force_torque", "hole_estimate", "joint_proprioception", "proprioception"]
)
def test_our_sensors_name_their_features_and_what_they_count_in(name: str) -> None:
    modality = make_sensor(name).modality
    assert len(modality.labels) == modality.shape[-1]
    assert all(modality.units) or modality.dtype == "uint8"  # the brightness of a pixel has no unit


def test_ready_sensor_passes_through() -> None:
    for sensor in (Whisker(), Barometer()):
        assert make_sensor(sensor) is sensor


def test_sensor_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = (
        "from mmrl.modality import MLP, Modality\n"
        "from mmrl_envs.sensors import Sensor\n"
        "class Sonar(Sensor):\n"
        "    modality = Modality('sonar', (1,), 20, MLP())\n"
        "    def read(self, view):\n"
        "        return view['sonar']\n"
    )
    (tmp_path / "sonar_module.py").write_text(source)
    install(tmp_path, monkeypatch, "sonar", "sonar_module:Sonar")
    assert "sonar" in sensor_names()
    assert make_sensor("sonar").modality.name == "sonar"
    register_sensor("sonar", lambda: Whisker())
    with pytest.raises(ValueError, match=r"sensor name 'sonar' is claimed by 2 sensors: .*Sonar"):
        make_sensor("sonar")


def test_unknown_name_lists_the_known_ones() -> None:
    register_sensor("whisker", Whisker)
    with pytest.raises(ValueError, match=r"unknown sensor 'lidar'; known sensors: .*whisker"):
        make_sensor("lidar")


def test_names_are_taken_once() -> None:
    register_sensor("whisker", Whisker)
    register_sensor("whisker", Whisker)
    with pytest.raises(ValueError, match=r"'whisker' is taken by .*Whisker.*, cannot register"):
        register_sensor("whisker", Barometer)
    with pytest.raises(ValueError, match=r"must be a Python identifier, got 'a\.b'"):
        register_sensor("a.b", Whisker)


def test_what_is_no_sensor_is_refused() -> None:
    register_sensor("number", lambda: 3)  # type: ignore[arg-type, return-value]  # a user's mistake
    with pytest.raises(TypeError, match=r"sensor 'number' must give a .*Sensor, got 3"):
        make_sensor("number")
    with pytest.raises(
        TypeError, match=r"must give a .*Sensor, got <class .*, which is a class: give an object, Whisker\("
    ):
        make_sensor(Whisker)  # type: ignore[arg-type]  # the class instead of an object


def test_modality_of_a_sensor_is_checked() -> None:
    sensor = Whisker()
    sensor.modality = Modality("left.whisker", (2,), 100, MLP())
    with pytest.raises(ValueError, match=r"must have no dot, got 'left\.whisker'"):
        make_sensor(sensor)
    sensor.modality = None  # type: ignore[assignment]  # a user's mistake
    with pytest.raises(TypeError, match=r"must be a mmrl\.modality\.Modality, got None"):
        make_sensor(sensor)
