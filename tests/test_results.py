"""Published figures: none is older than the physics it speaks of."""

import json
from pathlib import Path
from typing import Any

from mmrl_envs.physics.version import PHYSICS_VERSION

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "results"
PRETRAINED = ROOT / "agents" / "mmrl_agents" / "policies" / "pretrained"


def is_of_the_robot(name: str) -> bool:
    """Whether a result speaks of the robot tasks: those of emulators do not depend on their physics."""
    return not name.startswith("pong")


def physics_of(document: dict[str, Any]) -> int:
    """Version 1 recorded none."""
    return int(document.get("versions", {}).get("physics", 1))


def old_results() -> set[str]:
    documents = {path.name: json.loads(path.read_text()) for path in RESULTS.glob("*.json")}
    documents |= {path.parent.name: json.loads(path.read_text()) for path in PRETRAINED.glob("*/config.json")}
    assert {"peg_square.json", "peg_insertion"} <= documents.keys()
    return {n for n, d in documents.items() if is_of_the_robot(n) and physics_of(d) != PHYSICS_VERSION}


def test_no_published_figure_is_older_than_the_physics_it_speaks_of() -> None:
    assert old_results() == set()
