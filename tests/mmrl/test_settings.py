import pytest

from mmrl.settings import parse_settings


def test_settings_are_yaml_scalars() -> None:
    assert parse_settings(["shape=square", "clearance=0.001", "noisy=true", "range=[1, 2]"]) == {
        "shape": "square",
        "clearance": 0.001,
        "noisy": True,
        "range": [1, 2],
    }
    with pytest.raises(ValueError, match="key=value, got 'clearance'"):
        parse_settings(["clearance"])
