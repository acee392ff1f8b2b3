"""The courses of trainings on record, and what they are compared with."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest

from benchmarks.slot_laps import DriveResult, constant_share, known_courses

POINTS = [DriveResult(900.0, 12.5, 0.61, None, 0.5), DriveResult(1800.0, 25.0, 0.9, 2.4, 0.0)]


def test_courses_on_record_come_back(tmp_path: Path) -> None:
    path = tmp_path / "laps.json"
    assert known_courses(path, "oval") == {}
    path.write_text(json.dumps({"track": "oval", "recipes": {"default": [asdict(point) for point in POINTS]}}))
    assert known_courses(path, "oval") == {"default": POINTS}
    with pytest.raises(ValueError, match="is of the track oval, asked for is loopy: name another file"):
        known_courses(path, "loopy")


def test_the_best_constant_voltage_is_slower_than_the_optimum() -> None:
    assert constant_share("loopy") == pytest.approx(0.79, abs=0.01)
