"""The settings that a training starts from: a recipe, the run that goes on, or the general defaults."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from mmrl_agents.recipes import all_recipes, recipes_for
from mmrl_agents.records.runs import RunFolder
from mmrl_agents.settings import unset
from mmrl_agents.settings.config import TrainConfig, described_config

GENERAL: TrainConfig = unset.general(TrainConfig)
"""The start of every recipe: the defaults of the fields."""


def recipe_for(env: str, agent: str | None = None, name: str = "") -> TrainConfig:
    """The settings of a training to start from, as `unset.chosen` finds them."""
    config: TrainConfig = unset.chosen(TrainConfig, env, agent, name)
    return config


def settings_of_run(folder: Path, trust: Sequence[str] = ()) -> TrainConfig:
    """The settings of the training in a folder, to go on with, as `unset.of_run` finds them."""
    config: TrainConfig = unset.of_run(TrainConfig, folder, trust)
    return config


def begun_as(config: TrainConfig) -> TrainConfig:
    """The settings that a training began with: its recipe's, or those on record of the run that goes on."""
    if config.resume is None:
        return started_from(config)
    recorded = described_config(RunFolder.open(config.resume).read_config())
    # where the folder lies now is no setting of the run
    return replace(recorded, resume=config.resume, run_dir=config.run_dir, runs_root=config.runs_root)


def started_from(config: TrainConfig) -> TrainConfig:
    """The recipe that a training has taken, general settings where it has none or is of no agent with one."""
    for known in (recipes_for(config.env), *all_recipes().values()):
        recipe = known.get(config.recipe)
        if recipe is None:
            continue
        start: TrainConfig = unset.of_recipe(TrainConfig, config.env, recipe, config.recipe)
        if (start.env, start.agent) == (config.env, config.agent):
            return start
    return replace(GENERAL, env=config.env, agent=config.agent)
