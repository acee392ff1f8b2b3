"""The learning algorithms by name: a record of each in one table.

An algorithm reads top to bottom in a file of its own. One of somebody's own is registered by one call,

    register_algorithm(Algorithm("mine", "An algorithm of my own.", MySettings, MyAgent))

and trained by `mmrl train ENV --agent mine --agent-options learning_rate=1e-3`. An installed package offers one through
the entry-point group `mmrl.algorithms`, whose name is that of the algorithm:

    [project.entry-points."mmrl.algorithms"]
    mine = "my_package.mine:ALGORITHM"
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mmrl.effects import Reads
from mmrl.policy.actor_critic import ActorCritic
from mmrl_agents.experience.episode_errors import EpisodeErrors
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.experience.rollout import Rollout
from mmrl_agents.experience.storage import RolloutStorage
from mmrl_agents.learning.agent import Agent, Network, Resources, Setting
from mmrl_agents.learning.ppo import PPO, PPOConfig
from mmrl_agents.learning.reinforce import Reinforce
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.learning.sb3_algorithms import SB3_ALGORITHMS, SB3Algorithm, SB3Config
from mmrl_agents.worlds.making import action_space_of, critic_senses_of

if TYPE_CHECKING:
    from mmrl_agents.sb3.network import SB3Network

ENTRY_POINT_GROUP = "mmrl.algorithms"

Trained = TypeVar("Trained", bound=Network)


def native_network(setting: Setting) -> ActorCritic:
    """The untrained actor and critic of mmrl, from what the worlds declare and `setting.policy` says."""
    envs = setting.envs
    return ActorCritic(
        setting.modalities, action_space_of(envs), setting.policy, critic_senses_of(envs), setting.objectives
    )


@dataclass(frozen=True)
class Algorithm(Generic[Trained]):
    """A learning algorithm, from its settings to its agent."""

    name: str
    """The word that `--agent` takes."""
    summary: str
    """A sentence for `mmrl list agents`."""
    settings: type[Any]
    """The frozen dataclass of its settings."""
    agent: Callable[[Setting, Trained, Resources], Agent]
    """Makes its agent of a network."""
    network: Callable[[Setting], Trained] = native_network  # type: ignore[assignment]  # of those that train such a one
    """Makes its untrained network; ValueError where the settings do not fit the worlds."""
    part: str = ""
    """The part of the settings of a training that holds its own; without one they are the agent_options."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """Settings of a training that no recipe is for, in place of the general ones."""
    reads: tuple[Reads, ...] = ()
    """Settings of a training that it does not read, or not always."""
    trains_critic: Callable[[Any], bool] = lambda settings: True
    """Whether the values of its network mean anything, by its settings."""
    plays_whole_episodes: bool = False
    """Whether it learns from episodes that have ended alone, and so must know when to cut one that does not."""


class PPOAgent:
    """Proximal policy optimisation over rollouts of fixed length."""

    begins_in_mid_episode = True
    scores_episodes = True

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        config, envs = setting.settings, setting.envs
        storage = RolloutStorage(
            config.num_steps, envs.num_envs, policy.senses, action_space_of(envs), resources.device
        )
        self.ppo = PPO(policy, config, resources.shuffling, resources.ranks)
        self.rollout = Rollout(envs, policy, storage, resources.statistics, resources.acting, setting.dropout())
        self.start = self.rollout.start
        self.set_progress = self.ppo.set_progress
        self.state_dict = self.ppo.state_dict
        self.load_state_dict = self.ppo.load_state_dict
        self._errors = EpisodeErrors(envs.num_envs)
        self._ended: list[Ended] = []

    @property
    def last_error(self) -> str:
        """As of `PPO`."""
        return self.ppo.last_error

    def warm_up(self) -> int:
        """A rollout for the running statistics alone.

        Otherwise the first update would meet readings on a scale that the second one does not.
        """
        steps = self.collect()
        self._ended = [replace(ended, episode=None) for ended in self.rollout.ended]
        self.rollout.learn_statistics()
        return steps

    def collect(self) -> int:
        """One rollout."""
        self.rollout.collect()
        return self.rollout.storage.num_steps * self.rollout.storage.num_worlds

    def update(self) -> dict[str, float]:
        """The epochs over the rollout, then the running statistics."""
        storage, ended = self.rollout.storage, self.rollout.ended
        metrics = self.ppo.update(storage)
        errors = (storage.returns - storage.values[:-1]).abs().double().cpu().numpy()
        scores = self._errors.means(errors, [(end.row, end.world) for end in ended])
        self._ended = [replace(end, score=score) for end, score in zip(ended, scores, strict=True)]
        self.rollout.learn_statistics()
        return metrics

    def ended(self) -> list[Ended]:
        """Scored by the mean |advantage| of their steps, "L1 value loss" in Jiang et al. 2021."""
        return self._ended

    def rollout_state(self) -> dict[str, Any]:
        """The last observation, the episodes so far and their scores."""
        return {"rollout": self.rollout.state_dict(), "errors": self._errors.state_dict()}

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The worlds restart by themselves, without options."""
        self.rollout.load_state_dict(state["rollout"])
        self._errors.load_state_dict(state["errors"])


class ReinforceAgent:
    """REINFORCE, the policy gradient over batches of whole games."""

    begins_in_mid_episode = False
    scores_episodes = False

    def __init__(self, setting: Setting, policy: ActorCritic, resources: Resources) -> None:
        self.reinforce = Reinforce(
            setting.envs,
            policy,
            setting.settings,
            resources.statistics,
            resources.acting,
            setting.dropout(),
            setting.episode_limit,
        )
        self.start = self.reinforce.start
        self.collect = self.reinforce.collect
        self.update = self.reinforce.update
        self.set_progress = self.reinforce.set_progress
        self.state_dict = self.reinforce.state_dict
        self.load_state_dict = self.reinforce.load_state_dict

    @property
    def last_error(self) -> str:
        """As of `Reinforce`."""
        return self.reinforce.last_error

    def warm_up(self) -> int:
        """Nothing is needed."""
        return 0

    def ended(self) -> list[Ended]:
        """Without scores: returns of whole games leave no expectation to be wrong about."""
        return self.reinforce.games.ended

    def rollout_state(self) -> dict[str, Any]:
        """The contexts of the games that the last batch left unfinished."""
        return self.reinforce.games.state_dict()

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The next batch begins with a reset of all worlds."""
        self.reinforce.games.load_state_dict(state, options)


def _of_optimizers(setting: str, *optimizers: str) -> Reads:
    return Reads(
        (f"reinforce.{setting}",),
        lambda c: c.reinforce.optimizer in optimizers,
        "reinforce.optimizer {reinforce.optimizer} does without",
    )


_NO_OBJECTIVE = Reads(("objectives",), lambda c: False, "agent {agent} learns from no objective besides its own")

_PPO: Algorithm[ActorCritic] = Algorithm(
    "ppo",
    "Proximal policy optimisation over rollouts of fixed length.",
    PPOConfig,
    PPOAgent,
    part="ppo",
    reads=(
        Reads(
            ("policy.log_std_init",),
            lambda c: c.ppo.log_std is None,
            "the deviation follows ppo.log_std, {ppo.log_std}",
        ),
        Reads(("ppo.final_learning_rate",), lambda c: c.ppo.anneal, "ppo.anneal is off, the step size stays"),
    ),
)

_REINFORCE: Algorithm[ActorCritic] = Algorithm(
    "reinforce",
    "REINFORCE, the policy gradient over batches of whole games.",
    ReinforceConfig,
    ReinforceAgent,
    part="reinforce",
    defaults={"num_worlds": ReinforceConfig().games_per_batch},
    reads=(
        Reads(
            ("policy.separate_critic", "policy.critic_hidden"),
            lambda c: c.reinforce.baseline == "value",
            "REINFORCE has no critic unless reinforce.baseline is value; it is {reinforce.baseline}",
        ),
        _NO_OBJECTIVE,
        _of_optimizers("momentum", "momentum"),
        _of_optimizers("rms_decay", "rmsprop"),
        _of_optimizers("adam_betas", "adam"),
        _of_optimizers("eps", "adagrad", "rmsprop", "adam"),
        Reads(
            ("reinforce.baseline_decay",),
            lambda c: c.reinforce.baseline == "running_mean",
            "reinforce.baseline is {reinforce.baseline}, no running mean",
        ),
        Reads(
            ("reinforce.value_learning_rate", "reinforce.value_epochs"),
            lambda c: c.reinforce.baseline == "value",
            "reinforce.baseline is {reinforce.baseline}, not value",
        ),
    ),
    trains_critic=lambda settings: bool(settings.baseline == "value"),
    plays_whole_episodes=True,
)


def _of_sb3(name: str, algorithm: SB3Algorithm) -> Algorithm[SB3Network]:
    """An algorithm of Stable-Baselines3, which is loaded when its network is made."""

    def network(setting: Setting) -> SB3Network:
        algorithm.load()  # its error says what to install
        from mmrl_agents.sb3.network import SB3Network

        return SB3Network(setting)

    def agent(setting: Setting, trained: SB3Network, resources: Resources) -> Agent:
        from mmrl_agents.sb3.agent import make_agent

        return make_agent(setting, trained, resources)

    own_way = Reads(("policy.log_std_init",), lambda c: False, "agent {agent} explores in a way of its own")
    at_once = "agent {agent} ends with the first update that is not finite"
    return Algorithm(
        name,
        algorithm.summary,
        SB3Config,
        agent,
        network,
        part="sb3",
        reads=(
            *((own_way,) if algorithm.replays else ()),
            _NO_OBJECTIVE,
            Reads(("most_failed_updates",), lambda c: False, at_once),
        ),
    )


_TABLE: tuple[Algorithm[Any], ...] = (_PPO, _REINFORCE, *(_of_sb3(*named) for named in SB3_ALGORITHMS.items()))
_registered: dict[str, Algorithm[Any]] = {algorithm.name: algorithm for algorithm in _TABLE}
BUILT_IN = tuple(_registered)
"""Names of the algorithms that come with the package."""
PARTS = tuple(dict.fromkeys(algorithm.part for algorithm in _registered.values()))
"""The parts of the settings of a training that hold those of an algorithm."""


def register_algorithm(algorithm: Algorithm[Any]) -> None:
    """Make an algorithm available under its name in this process.

    Raises ValueError where another one has the name; the same one again changes nothing.
    """
    known = _registered.setdefault(algorithm.name, algorithm)
    if known is not algorithm:
        raise ValueError(f"the name {algorithm.name!r} is taken by another algorithm: {known.summary}")


def algorithms() -> dict[str, Algorithm[Any]]:
    """All algorithms by name: those that come with the package, were registered, or are offered by installed packages.

    Raises ValueError where a package offers something else, or two claim a name.
    """
    for point in entry_points(group=ENTRY_POINT_GROUP):
        offered = point.load()
        if not isinstance(offered, Algorithm) or offered.name != point.name:
            raise ValueError(f"{point.value} must be an Algorithm of the name {point.name!r}, it is {offered!r}")
        register_algorithm(offered)
    return dict(_registered)


def find_algorithm(name: str) -> Algorithm[Any]:
    """The algorithm of a name; ValueError naming those there are."""
    found = _registered.get(name) or algorithms().get(name)
    if found is None:
        raise ValueError(f"there is no agent {name!r}; there are {', '.join(algorithms())}")
    return found
