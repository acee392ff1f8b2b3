"""Settings known to work, as data: environment or game -> name -> fields of a training run; a file for each task."""

from mmrl_agents.recipes.registry import NO_RECIPE, Recipe, all_recipes, recipes_for

__all__ = ["NO_RECIPE", "Recipe", "all_recipes", "recipes_for"]
