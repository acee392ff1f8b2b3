"""The settings of a training run, in memory and as JSON, and the worlds it runs in."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro

from mmrl.curriculum import CURRICULA, ContextSpace, curriculum_config
from mmrl.evaluation.episodes import LONGEST_EPISODE
from mmrl.modality.foreign import overrides_from
from mmrl.policy.config import PolicyConfig
from mmrl.representation import with_weights
from mmrl.settings.documents import build, fit
from mmrl.settings.named import Settings as Settings
from mmrl.settings.named import nested
from mmrl_agents.algorithms import BUILT_IN, find_algorithm
from mmrl_agents.learning.clone import CloneConfig
from mmrl_agents.learning.fitted_q_config import FittedQConfig
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.pretrain import PretrainConfig
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.learning.sb3_algorithms import SB3Config
from mmrl_agents.settings.recorded import described, from_dict
from mmrl_agents.settings.unset import starting_from_a_recipe
from mmrl_agents.worlds.spec import WorldSpec
from mmrl_agents.worlds.trust import require_trusted
from mmrl_agents.worlds.worker import TIMEOUT_S
from mmrl_envs.arguments import MAX_WORLDS


@starting_from_a_recipe
@dataclass(frozen=True)
class TrainConfig:
    """One training run, from environment to final evaluation.

    Settings that are not given are those of the recipe that `recipe` names, unset of the first recipe of the
    environment, as with `mmrl train`: `TrainConfig("mmrl/PegInsertion-v0", seed=2)` is its recipe with another seed.
    Those given win. `env_kwargs`, `context` and `modalities` are joined with the recipe's name by name; a part such as
    `ppo` counts as a whole, so that `replace(recipe_for(env).ppo, epochs=5)` changes one setting of it.
    `recipe="none"` starts from the defaults below. With `resume` those not given are of the run that goes on.
    """

    env: tyro.conf.Positional[str]
    """Id of the environment, such as mmrl/PegInsertion-v0, CartPole-v1 or package:Env-v0, or what makes one, as
    module:function."""
    agent: Annotated[str, tyro.conf.arg(metavar=f"{{{','.join(BUILT_IN)}}}")] = "ppo"
    """The learning algorithm, one of these or another that `mmrl list agents` shows."""
    recipe: str = ""
    """Name of the recipe that the settings start from, of those `mmrl list environments` shows; unset is the
    first, none are the general defaults."""
    seed: int = 1
    """Seeds the worlds, the initial weights, the actions and the shuffling."""
    num_worlds: int = 16
    """Copies of the environment stepped side by side."""
    total_steps: int = 1_000_000
    """Environment steps over all worlds."""
    device: str = "auto"
    """Where the networks live: auto, cpu, cuda, cuda:1; auto takes CUDA where it is."""
    threads: int | None = None
    """CPU threads of the networks, of each process; unset takes every core it may use."""
    processes: int = 1
    """Processes of this machine that share the worlds and train one policy together; those of several machines are
    started with torchrun."""
    rank_timeout_s: float = 600.0
    """Seconds after which a process that gives the others no answer ends the training."""
    sensors: tuple[str, ...] = ()
    """Senses by name; empty leaves the choice to the environment."""
    env_kwargs: Annotated[Settings, tyro.conf.arg(name="set")] = field(default_factory=dict)
    """Keyword arguments of the environment, such as control_hz=10 impedance.stiffness=1000."""
    modalities: Settings = field(default_factory=dict)
    """How senses are encoded, such as camera.features=32, and how keys of an environment of another package are read,
    such as force.kind=window."""
    context: Settings = field(default_factory=dict)
    """Fixed values of the task's context, such as clearance or start offset."""
    workers: int = 0
    """Processes that step the worlds of an environment of another package, side by side; 0 steps them one after
    another in this process. One that dies is replaced."""
    worker_timeout_s: float = TIMEOUT_S
    """Seconds after which such a process that gives no answer is replaced."""
    curriculum: str | None = None
    """How the context of each episode is chosen, of those `mmrl list curricula` shows; unset leaves it fixed."""
    vary: Settings = field(default_factory=dict)
    """Parameters to vary, from easy to hard, such as clearance_mm=[2,0.3] hole_yaw_rad=[0,[-3,3]]."""
    curriculum_options: Settings = field(default_factory=dict)
    """Settings of the curriculum, such as episodes=64."""
    sense_dropout: float = 0.0
    """Share of the episodes that each sense is absent from while training, never all at once; success in training is
    then that of policies which lack senses."""
    sense_dropout_of: Settings = field(default_factory=dict)
    """The share for single senses in place of `sense_dropout`, such as camera=0.5 force_torque=0."""
    ppo: PPOConfig = field(default_factory=PPOConfig)
    """Settings of PPO."""
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    """Settings of REINFORCE."""
    fitted_q: FittedQConfig = field(default_factory=FittedQConfig)
    """Settings of fitted Q iteration."""
    clone: CloneConfig = field(default_factory=CloneConfig)
    """Settings of behaviour cloning."""
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    """Settings of a pretraining."""
    sb3: SB3Config = field(default_factory=SB3Config)
    """Settings of the agents of Stable-Baselines3."""
    agent_options: Settings = field(default_factory=dict)
    """Settings of an agent that has no part of its own among these, such as learning_rate=1e-3."""
    policy: PolicyConfig = field(default_factory=PolicyConfig)
    """Settings of the network."""
    objectives: Settings = field(default_factory=dict)
    """Losses that the encoders learn from besides, of those `mmrl list objectives` shows, with their weights and other
    settings, such as clip=0.05 clip.size=32; state=null leaves out that of the recipe."""
    evaluate_episodes: int = 100
    """Episodes of the evaluation after training; 0 leaves it out."""
    judge_every: int | None = None
    """Environment steps between evaluations during training; unset leaves them out."""
    judge_episodes: int = 64
    """Episodes of each such evaluation: always the same, with the best actions, on the hard end of a curriculum."""
    episode_limit: int = LONGEST_EPISODE
    """Most steps of an episode: one that still goes on is cut there in such evaluations and in the one after training,
    and the report says so; REINFORCE, which learns from whole episodes, refuses it."""
    stop_at_judged_success: float | None = None
    """Stop early once the success rate of such an evaluation reaches this."""
    stop_at_success: float | None = None
    """Stop early once the success rate of the last 200 episodes reaches this."""
    stop_at_return: float | None = None
    """Stop early once the mean return of the last 20 episodes reaches this."""
    time_limit_minutes: float | None = None
    """Stop early after this long, earlier parts of a resumed run included."""
    checkpoint_every_minutes: float = 2.0
    """Time between checkpoints; one is always written at the end."""
    keep_checkpoints: int = 3
    """Newest checkpoints kept beside the best."""
    most_failed_updates: int = 10
    """Updates in a row with a loss or gradient that is not finite, each left out, after which the run stops."""
    runs_root: Path = Path("runs")
    """Folder in which a run gets a folder of its own."""
    run_dir: Path | None = None
    """Exact folder of the run instead; it must be new or empty."""
    init: str | None = None
    """Begin with the weights of a trained policy: a run folder, of which the best are taken, an exported policy or one
    of `mmrl list pretrained`. Its senses, encoders and networks have to be the same."""
    init_except: tuple[str, ...] = ()
    """Parts of the network that begin anew all the same: head, critic, perception, or the beginning of the names of
    weights, such as perception.encoders.camera."""
    freeze: tuple[str, ...] = ()
    """Parts of the network that stay as they begin, weights and running statistics: head, critic, perception, or the
    beginning of the names of weights, such as perception.encoders.camera."""
    resume: Path | None = None
    """Continue the run in this folder; options given besides replace those of the run."""
    track: Literal["none", "wandb", "mlflow", "trackio"] = "none"
    """A tracker that gets the metrics too, beside metrics.jsonl and TensorBoard: wandb, mlflow or trackio, each an
    extra of that name."""
    trust: tuple[str, ...] = ()
    """Modules that the run to be resumed may import, where it was not trained by you on this machine."""

    def __post_init__(self) -> None:
        fit(self)
        object.__setattr__(self, "env_kwargs", nested(self.env_kwargs))
        object.__setattr__(self, "objectives", with_weights(self.objectives))
        algorithm = find_algorithm(self.agent)
        if not algorithm.part:
            build(algorithm.settings, self.agent_options, "agent_options.")
        for name in (
            "num_worlds",
            "processes",
            "total_steps",
            "keep_checkpoints",
            "most_failed_updates",
            "judge_episodes",
            "episode_limit",
        ):
            if vars(self)[name] < 1:
                raise ValueError(f"{name} must be at least 1, got {vars(self)[name]}")
        if self.num_worlds > MAX_WORLDS:
            raise ValueError(f"num_worlds must be at most {MAX_WORLDS:,}, got {self.num_worlds:,}")
        if self.seed < 0:
            raise ValueError(f"seed must not be negative, got {self.seed}")
        if self.threads is not None and self.threads < 1:
            raise ValueError(f"threads must be at least 1, got {self.threads}")
        if not self.checkpoint_every_minutes >= 0:
            raise ValueError(f"checkpoint_every_minutes must not be negative, got {self.checkpoint_every_minutes}")
        if self.workers < 0:
            raise ValueError(f"workers must not be negative, got {self.workers}")
        for name in ("rank_timeout_s", "worker_timeout_s"):
            if not vars(self)[name] > 0:
                raise ValueError(f"{name} must be above 0, got {vars(self)[name]}")
        if self.evaluate_episodes < 0:
            raise ValueError(f"evaluate_episodes must not be negative: {self.evaluate_episodes}")
        if self.judge_every is not None and self.judge_every < 1:
            raise ValueError(f"judge_every must be at least 1, got {self.judge_every}")
        for name in ("stop_at_success", "stop_at_judged_success"):
            goal = vars(self)[name]
            if goal is not None and not 0 < goal <= 1:
                raise ValueError(f"{name} must lie in (0, 1], got {goal}")
        if self.stop_at_judged_success is not None and self.judge_every is None:
            raise ValueError("stop_at_judged_success needs judge_every, the steps between two evaluations")
        _require_share("sense_dropout", self.sense_dropout)
        for name, share in self.sense_dropout_of.items():
            _require_share(f"sense_dropout_of {name}", share)
        overrides_from(self.modalities)
        if self.curriculum is not None:
            try:
                curriculum_config(self.curriculum, self.curriculum_options)
            except ValueError as error:
                raise ValueError(f"{error}; --curriculum-options with nothing behind it drops a recipe's") from error
            ContextSpace.of(self.vary)
        elif self.vary or self.curriculum_options:
            raise ValueError(f"vary and curriculum_options need a curriculum: {', '.join(CURRICULA)}")

    def dropped_senses(self, senses: Sequence[str]) -> dict[str, float]:
        """The share of the training episodes in which each sense is absent, where that is any.

        Raises ValueError where `sense_dropout_of` names what is not one of `senses`.
        """
        if unknown := [name for name in self.sense_dropout_of if name not in senses]:
            raise ValueError(f"sense_dropout_of {', '.join(unknown)}: the senses are {', '.join(senses)}")
        shares = {name: float(self.sense_dropout_of.get(name, self.sense_dropout)) for name in senses}
        return {name: share for name, share in shares.items() if share}

    @property
    def worlds(self) -> WorldSpec:
        """The worlds of the training."""
        sensors = {"sensors": self.sensors} if self.sensors else {}
        kwargs = {**self.env_kwargs, **sensors}
        return WorldSpec(self.env, kwargs, self.modalities, self.workers, self.worker_timeout_s)

    @property
    def target_context(self) -> dict[str, Any]:
        """The context for judging the policy: the fixed one, and the hard end of all that a curriculum varies."""
        return {**self.context, **(ContextSpace.of(self.vary).target if self.curriculum else {})}


def _require_share(name: str, share: Any) -> None:
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
        raise ValueError(f"{name} must be a number in [0, 1], got {share!r}")


def config_from_dict(document: Mapping[str, Any]) -> TrainConfig:
    """Undo `config_to_dict`; raises ValueError naming fields this version does not know and values it refuses."""
    return from_dict(TrainConfig, document)


def described_config(document: Mapping[str, Any], source: str = "config.json") -> TrainConfig:
    """As `recorded_config`, to be looked at and not to be run: no code that it names is of any consequence."""
    return described(TrainConfig, document, source)


def recorded_config(document: Mapping[str, Any], source: str = "config.json", trust: Sequence[str] = ()) -> TrainConfig:
    """The training run that a config.json, or another `source`, describes, written by this version or an older one.

    Raises Untrusted where it names code that this user neither trained with nor names in `trust`.
    """
    require_trusted(document, source, trust)
    return described_config(document, source)
