"""How well instructions are followed, heard in training or never heard: `python -m benchmarks.telling`.

Without a run it plays scripts: `FollowingExpert` reads the words, finds the hole and goes there; the second does not
listen. `--run RUN` judges a trained policy by the same episodes in both contexts of `mmrl/ToldInsertion-v0`, which
differ in the words and the looks of the holes alone, and prints the gap. `--picture PATH` draws the scene and its sets
and words as a policy senses them.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from functools import partial
from pathlib import Path

import gymnasium as gym
import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from rich.console import Console
from rich.table import Table

from benchmarks.scripts import Act, play
from mmrl.evaluation.rates import Report, compare
from mmrl_agents.evaluation.evaluate import EvaluateConfig, evaluate_run
from mmrl_agents.watching.drawings import draw_set, draw_words
from mmrl_envs.tasks.experts.by_task import step_m
from mmrl_envs.tasks.experts.following_expert import SENSES, FollowingExpert
from mmrl_envs.vector_env import RobotVectorEnv

ENV = "mmrl/ToldInsertion-v0"
HEARD, NEVER_HEARD = "train", "held_out"
SAID = {HEARD: "heard in training", NEVER_HEARD: "never heard"}


def following(envs: RobotVectorEnv, *, listens: bool) -> Act:
    """The script, with its ears open or shut."""
    return FollowingExpert(envs.num_envs, step_m=step_m(envs), listens=listens).act


def play_scripts(episodes: int, seed: int) -> None:
    """Plays both scripts on pairs of both kinds and prints the table."""
    table = Table("script", *(f"pairs {words}" for words in SAID.values()), "in a wrong hole", "largest force (N)")
    for name, listens in (("listens", True), ("does not listen", False)):
        played = [
            play(ENV, partial(following, listens=listens), episodes, seed, sensors=SENSES, context={"words": words})
            for words in SAID
        ]
        wrong = sum(figures["wrong_hole"].mean() for _, figures in played) / len(played)
        force = max(figures["peak_force_n"].max() for _, figures in played)
        table.add_row(name, *(str(success) for success, _ in played), f"{100 * wrong:.1f} %", f"{force:.0f}")
    Console().print(table)


def judge(run: str, episodes: int, seed: int, checkpoint: str) -> None:
    """Judges a policy on pairs of both kinds and prints the gap between them."""
    heard, never = (_report(run, episodes, seed, checkpoint, words) for words in (HEARD, NEVER_HEARD))
    gap = compare(heard.rows[0].episodes, never.rows[0].episodes)
    assert gap.difference is not None
    assert gap.interval is not None
    low, high = gap.interval
    Console().print(
        f"heard in training {heard.rows[0].success_at_end}, never heard {never.rows[0].success_at_end}: never heard "
        f"less heard {100 * gap.difference:.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
    )


def _report(run: str, episodes: int, seed: int, checkpoint: str, words: str) -> Report:
    path = Path(run) / f"evaluation_{words}.json" if Path(run).is_dir() else Path(f"evaluation_{words}.json")
    context = {"words": words}
    chosen = EvaluateConfig(run, episodes, seed=seed, checkpoint=checkpoint, without=False, context=context)
    return evaluate_run(replace(chosen, output=path))


def draw(path: Path) -> None:
    """The scene as a film has it, and what a policy senses of it as sets and words."""
    sensors = ("holes", "instruction", "point_cloud:reach_m=0.2", "point_cloud:name=fixed_cloud,view=fixed,points=512")
    envs = gym.make_vec(ENV, num_envs=1, sensors=sensors, render_mode="rgb_array", width=1280, height=1280)
    assert isinstance(envs, RobotVectorEnv)
    seen, _ = envs.reset(seed=3)
    frames = envs.render()
    assert frames is not None
    names = ("instruction", "holes", "point_cloud", "fixed_cloud")
    drawn = [
        (draw_words if name == "instruction" else draw_set)(envs.modalities[name], seen[name][0]) for name in names
    ]
    titles = ("a film", "instruction", "holes", "point_cloud", "point_cloud, view=fixed")
    figure, grid = plt.subplots(1, 5, figsize=(12.5, 2.8), dpi=100)
    for axes, picture, title in zip(grid, (frames[0][740:1160, 500:920], *drawn), titles, strict=True):
        axes.imshow(picture)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    figure.tight_layout()
    figure.savefig(path)
    envs.close()


def main() -> None:
    """Plays scripts, or does what the options ask for instead."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", help="folder of a run, or the name of a pretrained policy, to judge")
    parser.add_argument("--checkpoint", default="last")
    parser.add_argument("--episodes", type=int, default=500)
    parser.add_argument("--seed", type=int, default=10_000)
    parser.add_argument("--picture", type=Path, help="file to draw into")
    options = parser.parse_args()
    if options.picture:
        draw(options.picture)
    elif options.run:
        judge(options.run, options.episodes, options.seed, options.checkpoint)
    else:
        play_scripts(options.episodes, options.seed)


if __name__ == "__main__":
    main()
