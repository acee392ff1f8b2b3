"""Judging a trained policy from its run folder: a table to read and a file to keep."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, NamedTuple

import gymnasium as gym
import tyro
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)

from mmrl.arrays import Envs
from mmrl.evaluation.episodes import LONGEST_EPISODE
from mmrl.evaluation.rates import Report, divisor_worlds, evaluate
from mmrl.settings.documents import fit
from mmrl.settings.effects import require_effect
from mmrl.worth import BrokenWays, SensesReport
from mmrl_agents.evaluation.printed_report import print_report
from mmrl_agents.evaluation.repeated_games import STICKY, beside_sticky, draws_nothing, under_sticky
from mmrl_agents.machine.description import machine
from mmrl_agents.machine.device import choose_device
from mmrl_agents.policies.acting import TorchPolicy
from mmrl_agents.policies.imagining import ABSENT
from mmrl_agents.policies.shipped import DEFAULT_POLICY
from mmrl_agents.policies.trained import TrainedPolicy, load_policy
from mmrl_agents.records.checkpoint import weights_digest
from mmrl_agents.records.files import require_place, write_json
from mmrl_agents.records.marks import EVALUATION, marked
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.records.terminal import say, terminal
from mmrl_agents.settings.config import Settings
from mmrl_agents.settings.readers import BY_AN_EVALUATION
from mmrl_agents.worlds.incidents import about_clipped, clipped_readings
from mmrl_agents.worlds.making import require_context_known, world_settings


@dataclass(frozen=True)
class EvaluateConfig:
    """Judge a trained policy: how often it succeeds, what its episodes come to, what each sense adds."""

    run: tyro.conf.Positional[str] = DEFAULT_POLICY
    """Folder of a run, or the name of a pretrained policy."""
    episodes: int = 500
    """Episodes of every row of the report, the same number in each world."""
    num_worlds: int = 50
    """Most worlds side by side; taken is the largest number up to this that divides episodes."""
    seed: int = 10_000
    """Decides every initial state; training draws its own elsewhere."""
    checkpoint: str = "best"
    """best, last or a checkpoint file."""
    device: str = "auto"
    """Where the network lives: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    without: bool = True
    """Also run the same episodes without each sense, one after another."""
    senses: bool = False
    """Say instead what each sense is worth: every subset of the senses, and each sense broken in each way."""
    absent: Literal["learned", "imagined"] = "learned"
    """Stand-in for a sense that is taken away: the vector that the fusion has learned, or the readings that the other
    senses predict of it, by the objective translation."""
    faults: BrokenWays = field(default_factory=BrokenWays)
    """Faults that each sense has for that, one after another."""
    context: Settings = field(default_factory=dict)
    """Values of the task's context, such as clearance_mm, in place of those of the training."""
    engine: str | None = None
    """Physics engine to judge in, mujoco, pybullet or warp, in place of that of the training."""
    episode_limit: int = LONGEST_EPISODE
    """Most steps of an episode; one that still goes on is cut there, and the report says so."""
    deterministic: bool = True
    """Take the mean action, or the most probable one, instead of drawing."""
    output: Path | None = None
    """The JSON file to write; unset is evaluation.json in the run folder, or evaluation_ENGINE.json and
    evaluation_imagined.json; with `senses` the name begins with that."""
    trust: tuple[str, ...] = ()
    """Modules that the run may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self)
        for name in ("episodes", "num_worlds", "episode_limit"):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")

    @property
    def world_changes(self) -> dict[str, Any]:
        """Keyword arguments of the environment in place of those of the training."""
        return {} if self.engine is None else {"engine": self.engine}


def reset_options(
    trained: TrainedPolicy,
    context: Mapping[str, Any],
    worlds: gym.Env[Any, Any] | Envs,
) -> dict[str, Any] | None:
    """Options of `reset` with the context that the training aims at, overridden; None without any.

    After a curriculum this is the whole target distribution, whatever was practised last.

    Raises ValueError for a context given to worlds that have none.
    """
    require_context_known(trained.env_id, context, worlds)
    merged = {**trained.config.target_context, **context}
    return {"context": merged} if merged else None


def evaluate_run(config: EvaluateConfig, console: Console | None = None) -> Report:
    """Judge the policy of a run, print the report and write it to the run folder as JSON.

    What `config.senses` asks for is `mmrl_agents.evaluation.evaluate_senses`.

    Raises CheckpointError or FileNotFoundError where `config.run` holds no usable policy.
    """
    console = console or terminal()
    require_effect(config, BY_AN_EVALUATION, EvaluateConfig())
    device = choose_device(config.device)
    trained = load_policy(config.run, device, config.checkpoint, config.trust)
    num_worlds = divisor_worlds(config.episodes, config.num_worlds)
    senses = tuple(trained.document["senses"])
    without = senses if config.without and len(senses) > 1 else ()
    if num_worlds != config.num_worlds:
        say(
            console,
            f"{config.episodes} episodes do not spread evenly over {config.num_worlds} worlds: taking {num_worlds}",
        )
    path = _output(config)
    if path is not None:
        require_place(path)
    with _progress(config, console) as progress:
        judged = _judge(trained, config, num_worlds, without, progress)
        report = judged.report
        if judged.repeats:
            sticky = _judge(trained, config, num_worlds, (), under_sticky(progress), sticky=STICKY)
            report = beside_sticky(report, sticky.report)
    say(console, f"{trained.env_id}, {trained.source}")
    print_report(report, config.episode_limit, console)
    if judged.clipped:
        say(console, about_clipped(judged.clipped), "yellow")
    if path is not None:
        write_json(path, describe(report, config, trained, judged.world, judged.clipped))
        say(console, f"wrote {path}")
    return report


class _Judged(NamedTuple):
    """The results of episodes in one kind of worlds."""

    report: Report
    world: dict[str, Any]
    """Their settings."""
    repeats: bool
    """Whether nothing is drawn in them, so that episodes of one start repeat each other."""
    clipped: dict[str, int]
    """Readings by sense that were beyond its declared bounds."""


def _judge(
    trained: TrainedPolicy,
    config: EvaluateConfig,
    num_worlds: int,
    without: Sequence[str],
    progress: Callable[[str, int], None],
    **changes: Any,
) -> _Judged:
    """Plays in the worlds of the training, some arguments changed."""
    acting = ABSENT[config.absent](trained, config.run, config.checkpoint)
    with closing(trained.worlds.make(num_worlds, **config.world_changes, **changes)) as envs:
        space = envs.single_action_space

        def make_policy() -> TorchPolicy:
            return TorchPolicy(acting, space, deterministic=config.deterministic, seed=config.seed)

        options = reset_options(trained, config.context, envs)
        world = world_settings(envs, judged_context(config, trained))
        report = evaluate(
            envs, make_policy, config.episodes, config.seed, without, options, progress, config.episode_limit
        )
        repeats, clipped = config.deterministic and draws_nothing(envs), clipped_readings(envs)
    return _Judged(report, world, repeats, clipped)


def judged_context(config: EvaluateConfig, trained: TrainedPolicy) -> dict[str, Any]:
    """The context that the training aims at, overridden."""
    return {**trained.config.target_context, **config.context}


def describe(
    report: Report | SensesReport,
    config: EvaluateConfig,
    trained: TrainedPolicy,
    world: Mapping[str, Any],
    clipped: Mapping[str, int],
) -> dict[str, Any]:
    """The document of evaluation.json or senses.json: the report, all that is needed to repeat it, and our mark."""
    document = {
        **report.to_json(),
        "env_id": trained.env_id,
        "env_kwargs": {**trained.worlds.kwargs, **config.world_changes},
        "weights": str(trained.source),
        "weights_sha256": weights_digest(trained.policy.state_dict()),
        "senses": trained.document["senses"],
        "context": judged_context(config, trained),
        "world": world,
        "clipped_readings": dict(clipped),
        "config": dataclasses.asdict(config) | {"output": config.output and str(config.output)},
        "versions": library_versions(),
        "machine": machine(next(trained.policy.parameters()).device),
    }
    return marked(EVALUATION, document)


def _output(config: EvaluateConfig) -> Path | None:
    """Where to write: a policy shipped with the package has no run folder."""
    folder = Path(config.run)
    if config.output is not None or not folder.is_dir():
        return config.output
    path = RunFolder(folder).evaluation_path
    return path.with_name(f"{path.stem}{differing(config)}{path.suffix}")


def differing(config: EvaluateConfig) -> str:
    """The end of the name of a file about an evaluation that is not the usual one, such as "_pybullet"."""
    imagined = config.absent if config.absent != EvaluateConfig.absent else None
    return "".join(f"_{word}" for word in (config.engine, imagined) if word is not None)


@contextmanager
def _progress(config: EvaluateConfig, console: Console) -> Iterator[Callable[[str, int], None]]:
    """A bar per row of the report on a terminal, silence elsewhere."""
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), MofNCompleteColumn())
    bars: dict[str, TaskID] = {}
    with Progress(
        *columns,
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as progress:

        def update(label: str, done: int) -> None:
            if label not in bars:
                bars[label] = progress.add_task(label, total=config.episodes)
            progress.update(bars[label], completed=done)

        yield update
