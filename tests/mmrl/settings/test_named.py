import pytest

from mmrl.settings.named import parse_settings


def test_settings_are_yaml_scalars() -> None:
    assert parse_settings(["shape=square", "clearance=0.001", "noisy=true", "range=[1, 2]"]) == {
        "shape": "square",
        "clearance": 0.001,
        "noisy": True,
        "range": [1, 2],
    }


@pytest.mark.parametrize("text", ["1e-3", "+1E-3", "1.0e-3", ".1e-2", "0.001"])
def test_a_number_may_have_an_exponent(text: str) -> None:
    assert parse_settings([f"x={text}"]) == {"x": 0.001}


def test_what_only_looks_like_a_number_stays_text() -> None:
    assert parse_settings(["a=1e3x", "b=e-3", "c=v1e3"]) == {"a": "1e3x", "b": "e-3", "c": "v1e3"}


def test_only_true_and_false_are_truths() -> None:
    """As in YAML 1.2: a choice may be called "no"."""
    settings = parse_settings(["mirrored=no", "lamp=[on, off]", "a=yes", "b=False", "c=true"])
    assert settings == {"mirrored": "no", "lamp": ["on", "off"], "a": "yes", "b": False, "c": True}


def test_a_mapping_needs_no_spaces() -> None:
    settings = parse_settings(["impedance={step_m:4e-3,lead_m:0.005, low:[-1,0]}", "at={time: '12:30'}"])
    assert settings == {"impedance": {"step_m": 0.004, "lead_m": 0.005, "low": [-1, 0]}, "at": {"time": "12:30"}}


@pytest.mark.parametrize("text", ["&x [*x]", "{b: &x {c: *x}}", "[&x [1, 2], *x]"])
def test_an_alias_is_no_value(text: str) -> None:
    with pytest.raises(ValueError, match=r"the value of 'a' is no YAML, .*an alias, \*x, is no value of a setting"):
        parse_settings([f"a={text}"])


def test_a_word_that_is_no_setting_is_named() -> None:
    with pytest.raises(ValueError, match="key=value, got 'clearance'"):
        parse_settings(["clearance"])
