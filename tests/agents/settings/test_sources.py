"""Sentences of source files, read without importing them."""

from dataclasses import dataclass

from mmrl_agents.settings.sources import calls_in, documented, modules_in, table_in


@dataclass(frozen=True)
class Kettle:
    """A config."""

    litres: float = 1.0
    """How much
    it holds."""
    colour: str = "red"
    whistles: bool = True
    """Whether it says so."""


def test_the_sentence_of_a_setting_stands_under_it() -> None:
    assert documented(Kettle) == {"litres": "How much it holds.", "whistles": "Whether it says so."}


def test_a_table_of_classes_gives_their_docstrings() -> None:
    rows = table_in("mmrl.curriculum.registry", "CURRICULA")
    assert rows["staged"] == "Stages from easy to hard, each left by promotion."


def test_a_class_in_a_call_counts_as_well() -> None:
    rows = table_in("mmrl_envs.sensors", "SENSORS")  # "coarse_camera": partial(Camera, ...)
    assert rows["coarse_camera"] == rows["camera"] == "RGB images, uint8 (H, W, 3)."


def test_text_counts_before_classes() -> None:
    assert table_in("mmrl_envs.atari", "GAMES")["mmrl/Pong-v0"].startswith("Pong from its last two frames")
    assert "Soft actor-critic" in table_in("mmrl_agents.learning.sb3_algorithms", "SB3_ALGORITHMS")["sb3-sac"]


def test_a_table_that_is_not_there_has_no_rows() -> None:
    assert table_in("mmrl.curriculum.registry", "NOTHING") == {}


def test_calls_give_word_value_and_sentence() -> None:
    assert ("window", "TemporalConv") in [call[:2] for call in calls_in("mmrl.modality.window", "Kind")]
    assert list(calls_in("mmrl.modality.declaration", "Kind")) == []


def test_help_counts_before_all_else() -> None:
    tasks = {word: sentence for word, _, sentence in calls_in("mmrl_envs.tasks", "register_task")}
    assert tasks["mmrl/PegInsertion-v0"].startswith("Push a peg into a hole")


def test_modules_of_a_package_are_found_without_importing_it() -> None:
    assert {"mmrl.modality.image", "mmrl.modality.window"} <= set(modules_in("mmrl.modality"))
