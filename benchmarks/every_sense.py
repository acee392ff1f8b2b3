"""The page on every sense, and its pictures: `python -m benchmarks.every_sense --output docs`.

What a sense is comes from its own docstring and declaration, and which tasks have it from the tasks. Each picture
shows real readings beside the scene: the last second of a script of the task, or of random actions where it has none.
"""

from __future__ import annotations

import argparse
import inspect
from collections.abc import Iterable, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import gymnasium as gym

import mmrl_envs  # registers the environments
from benchmarks.sense_pictures import picture
from mmrl.modality import Modality
from mmrl_envs.multimodal import describing
from mmrl_envs.sensors import Sensor

PAGE, PICTURES = "every_sense.md", "images/senses"


@dataclass(frozen=True)
class SenseOnPage:
    """How a sense is shown, and the words on its worth, which no program can find."""

    env: str
    """The task of the picture."""
    steps: int
    """Control steps from the reset to it."""
    worth: str
    """Which task needs it and what came out, Markdown."""


PEG, WALK = "mmrl/PegInsertion-v0", "mmrl/Toddler-v0"
_CAMERA = (
    "Peg insertion where the hole may be anywhere, and wiping, are not to be done without one: of the shipped "
    "`peg_insertion` 0 % of 500 episodes succeed ([Results](results.md))."
)
_FORCE = (
    "Trained without it, wiping loses 37 points or more ([Wiping](wipe.md)), gentle insertion 49 ([Peg insertion]"
    "(peg_insertion.md)), and no plug is declared home at the right instant ([A plug that clicks](click_plug.md))."
)
SENSES: Mapping[str, SenseOnPage] = {
    "camera": SenseOnPage(PEG, 12, _CAMERA),
    "fixed_camera": SenseOnPage(
        PEG, 25, "In place of `camera`, or beside it. From far away a gap of a millimetre is less than a pixel."
    ),
    "coarse_camera": SenseOnPage(
        PEG,
        12,
        "The only picture of `mmrl/PegInsertionBlurred-v0`: where it ends, touch begins ([Peg "
        "insertion](peg_insertion.md)).",
    ),
    "depth": SenseOnPage(PEG, 25, "No task has it unasked; it does not depend on light and colour."),
    "fixed_depth": SenseOnPage(PEG, 25, "As `depth`, from a stand."),
    "point_cloud": SenseOnPage(
        PEG,
        25,
        "No task has it unasked; it stands in for `depth` where a policy is to see places and no pixels ([Sets "
        "and words](sensors.md#sets-and-words)).",
    ),
    "force_torque": SenseOnPage("mmrl/Wipe-v0", 40, _FORCE),
    "tip_force_torque": SenseOnPage(
        "mmrl/Wipe-v0", 40, "As `force_torque`, about the tip: the torque says on which side the tip touches."
    ),
    "tactile": SenseOnPage(
        "mmrl/GraspedInsertion-v0",
        12,
        "A peg that is held askew is put in by the map of its pad; a script without it has 0 % ([A peg in the "
        "grasp](grasped_insertion.md), [Touch on a pad](tactile.md)).",
    ),
    "slip": SenseOnPage(
        "mmrl/FragileLift-v0",
        22,
        "Lifting a thing of unknown weight and strength: a policy trained with it and `tactile` succeeds in 99 %, one "
        "without touch in 15 % ([Lifting](fragile_lift.md)).",
    ),
    "force_limit": SenseOnPage(
        "mmrl/PegInsertionGentle-v0",
        25,
        "Says how hard the block may be pressed, where that differs from episode to episode ([Peg "
        "insertion](peg_insertion.md)).",
    ),
    "proprioception": SenseOnPage(
        PEG,
        25,
        "Says where the tool is and how fast; to a policy that sees its tool it is worth little ([Wiping](wipe.md)).",
    ),
    "joint_proprioception": SenseOnPage(
        PEG,
        25,
        "The sense of robots that are driven by their joints: of a walker those of its legs ([Walking](toddler.md)), "
        "of a robot of your own those that you name ([Robot](robots.md)).",
    ),
    "imu": SenseOnPage(
        WALK, 20, "Says how a walker leans and turns; two seeds of three walk without ([Walking](toddler.md))."
    ),
    "feet": SenseOnPage(WALK, 20, "Says which foot stands ([Walking](toddler.md))."),
    "hole_estimate": SenseOnPage(
        "mmrl/ClickPlug-v0",
        30,
        "In place of a camera, with an error as of a detector: `mmrl/PegInsertionBlind-v0` and the plug that "
        "clicks ([A plug that clicks](click_plug.md)).",
    ),
    "holes": SenseOnPage(
        "mmrl/ToldInsertion-v0", 20, "The holes that an instruction is about ([Told insertion](told_insertion.md))."
    ),
    "instruction": SenseOnPage(
        "mmrl/ToldInsertion-v0",
        20,
        "Says which of four holes is meant; who does not listen has a quarter ([Told insertion](told_insertion.md)).",
    ),
    "microphone": SenseOnPage(
        "mmrl/TapToHear-v0",
        12,
        "In place of the wrench at the plug that clicks, for a script ([A plug that clicks](click_plug.md), "
        "[Sound](sound.md)).",
    ),
    "tap_sound": SenseOnPage(
        "mmrl/TapToHear-v0",
        24,
        "Says what a block is made of; without it a quarter can be had by guessing ([Tapping to "
        "hear](tap_to_hear.md)).",
    ),
}


def page() -> str:
    """The text of the page."""
    having = tasks_by_sense()
    parts = [section(name, SENSES[name], having.get(name, [])) for name in SENSES]
    return "\n".join([_HEAD, _table(), *parts])


_HEAD = """# Every sense

<!-- Written by `python -m benchmarks.every_sense --output docs`: a sense says of itself what its docstring says. -->

Each picture is of real readings, with the scene beside it. Time runs to the right, and "now" is the instant of the
scene. The options of each are in [Sensors](sensors.md), and `mmrl list sensors` has those of installed packages too.
One more, `flow`, is for critics and objectives alone: [Objectives](objectives.md#optical-flow).
"""


def _table() -> str:
    rows = ["| sense | window | unit | readings per second |", "|---|---|---|---|"]
    for name in SENSES:
        sense = mmrl_envs.make_sensor(name).modality
        rows.append(f"| [`{name}`](#{name}) | {_shape(sense)} | {_units(sense) or '-'} | {sense.rate_hz:g} |")
    return "\n".join(rows) + "\n"


def section(name: str, shown: SenseOnPage, tasks: Iterable[str]) -> str:
    """One sense: words, declaration, picture, worth."""
    sensor = mmrl_envs.make_sensor(name)
    sense = sensor.modality
    window = f"{_shape(sense)}, {sense.dtype}"
    if sense.history is not None:
        window += f": the last {sense.history} readings, oldest first, {1000 * sense.history / sense.rate_hz:g} ms"
    lines = [
        f"## {name} {{#{name}}}",
        "",
        _said(sensor),
        "",
        "| | |",
        "|---|---|",
        f"| window | {window} |",
        f"| rate | {sense.rate_hz:g} Hz, or as you ask |",
        f"| unit | {_units(sense) or 'none'} |",
        *([f"| numbers | {', '.join(sense.labels)} |"] if 1 < len(sense.labels) <= 24 else []),
        f"| encoder | `{type(sense.encoder).__name__}` |",
        f"| unasked in | {', '.join(f'`{task}`' for task in tasks) or 'no task'} |",
        "",
        shown.worth,
        "",
        f"![{name} in {shown.env}]({PICTURES}/{name}.png)",
        "",
    ]
    return "\n".join(lines)


def _said(sensor: Sensor) -> str:
    """The docstring of a sensor up to its arguments."""
    return inspect.cleandoc(type(sensor).__doc__ or "").partition("\nArgs:")[0].strip()


def _shape(sense: Modality) -> str:
    return " x ".join(map(str, sense.window_shape))


def _units(sense: Modality) -> str:
    return ", ".join(filter(None, dict.fromkeys(sense.units)))


def tasks_by_sense() -> dict[str, list[str]]:
    """The tasks of this suite that have a sense where nobody asks for senses."""
    found: dict[str, list[str]] = {}
    for env_id in sorted(mmrl_envs.task_ids()):
        with closing(gym.make_vec(env_id, num_envs=1, num_threads=1)) as envs:
            for name in describing(envs).modalities:
                found.setdefault(name, []).append(env_id)
    return found


def main() -> None:
    """Draw the pictures and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=Path("docs"))
    parser.add_argument("--only", nargs="*", default=list(SENSES))
    options = parser.parse_args()
    (options.output / PICTURES).mkdir(parents=True, exist_ok=True)
    for name in options.only:
        picture(name, SENSES[name].env, SENSES[name].steps).save(
            options.output / PICTURES / f"{name}.png", optimize=True
        )
    (options.output / PAGE).write_text(page())


if __name__ == "__main__":
    main()
