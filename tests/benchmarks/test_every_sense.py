"""The page on every sense says what the senses say of themselves today."""

from pathlib import Path

import pytest

import mmrl_envs
from benchmarks.every_sense import PAGE, PICTURES, SENSES, page, section
from mmrl_envs.sensors import SENSORS

DOCS = Path(__file__).parents[2] / "docs"
WRITE_IT = "write it anew: python -m benchmarks.every_sense --output docs"


def test_every_sense_of_the_suite_has_a_section_and_a_picture() -> None:
    assert set(SENSES) == {name for name in SENSORS if not mmrl_envs.make_sensor(name).for_critics}
    text = (DOCS / PAGE).read_text()
    for name, shown in SENSES.items():
        said = [line for line in section(name, shown, ()).splitlines() if not line.startswith("| unasked in")]
        assert "\n".join(said[:4]) in text, WRITE_IT
        assert all(line in text for line in said), WRITE_IT
        assert (DOCS / PICTURES / f"{name}.png").is_file(), WRITE_IT


@pytest.mark.slow
def test_the_page_is_the_written_one() -> None:
    assert (DOCS / PAGE).read_text() == page(), WRITE_IT
