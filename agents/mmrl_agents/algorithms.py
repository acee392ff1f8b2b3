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
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from mmrl.policy.actor_critic import ActorCritic
from mmrl.policy.q_network import QNetwork
from mmrl.settings.effects import Reads
from mmrl.settings.offers import by_name, claimed_by, origin_of, usable
from mmrl_agents.experience.behaviours import BEHAVIOURS
from mmrl_agents.learning.agent import Agent, Network, Resources, Setting, native_network
from mmrl_agents.learning.clone import CloneAgent, CloneConfig
from mmrl_agents.learning.fitted_q_agent import FittedQAgent, q_network
from mmrl_agents.learning.fitted_q_config import FittedQConfig
from mmrl_agents.learning.optimizers import reads_of_optimizers
from mmrl_agents.learning.ppo_agent import PPOAgent
from mmrl_agents.learning.ppo_config import PPOConfig
from mmrl_agents.learning.pretrain import PretrainAgent, PretrainConfig
from mmrl_agents.learning.reinforce_agent import ReinforceAgent
from mmrl_agents.learning.reinforce_config import ReinforceConfig
from mmrl_agents.learning.sb3_algorithms import SB3_ALGORITHMS, SB3Algorithm, SB3Config

if TYPE_CHECKING:
    from mmrl_agents.sb3.network import SB3Network

ENTRY_POINT_GROUP = "mmrl.algorithms"

Trained = TypeVar("Trained", bound=Network)


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
    trained_parts: tuple[str, ...] = ()
    """Parts of its network that it trains, where these are not all; another training begins with those alone."""
    of_a_recipe: tuple[str, ...] = ("env", "env_kwargs")
    """Settings that it takes of the first recipe of an environment that has none for it."""
    plays_whole_episodes: bool = False
    """Whether it learns from episodes that have ended alone, and so must know when to cut one that does not."""
    shares_worlds: bool = False
    """Whether several processes may train one network with it, taking all statistics over `Resources.ranks`."""


_NO_OBJECTIVE = Reads(("objectives",), lambda c: False, "agent {agent} learns from no objective besides its own")

_DECAY = ("ppo.final_learning_rate", "ppo.decay_share")
_PENALTY = ("policy.penalty", "policy.penalty_power")
_NO_PENALTY = Reads(_PENALTY, lambda c: False, "agent {agent} has no penalty on weights")
_PENALTY_POWER = Reads(_PENALTY[1:], lambda c: c.policy.penalty > 0, "policy.penalty is 0")

_PPO: Algorithm[ActorCritic] = Algorithm(
    "ppo",
    "Proximal policy optimisation over rollouts of fixed length.",
    PPOConfig,
    PPOAgent,
    part="ppo",
    reads=(
        Reads(("policy.log_std_init",), lambda c: c.ppo.log_std is None, "it follows ppo.log_std, {ppo.log_std}"),
        Reads(_DECAY, lambda c: c.ppo.anneal, "ppo.anneal is off, the step size stays"),
        *(*reads_of_optimizers("ppo"), _PENALTY_POWER),
    ),
    shares_worlds=True,
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
            ("policy.separate_critic", "policy.privileged_critic", "policy.critic_hidden"),
            lambda c: c.reinforce.baseline == "value",
            "REINFORCE has no critic unless reinforce.baseline is value; it is {reinforce.baseline}",
        ),
        _NO_OBJECTIVE,
        *reads_of_optimizers("reinforce"),
        _PENALTY_POWER,
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
    shares_worlds=True,
)


_FITTED_Q: Algorithm[QNetwork] = Algorithm(
    "fitted-q",
    "Neural fitted Q iteration over a growing batch of transitions.",
    FittedQConfig,
    FittedQAgent,
    q_network,
    part="fitted_q",
    reads=(
        _NO_PENALTY,
        Reads(
            (
                *("policy.head", "policy.actor_hidden", "policy.log_std_init"),
                *("policy.separate_critic", "policy.privileged_critic"),
            ),
            lambda c: False,
            "agent {agent} takes the action of the highest value, and its network is the critic",
        ),
        Reads(
            ("fitted_q.minibatch_size",),
            lambda c: c.fitted_q.fit == "adam",
            "{fitted_q.fit} takes all transitions at once",
        ),
        Reads(
            ("fitted_q.teaching_epochs", "fitted_q.teaching_rate"),
            lambda c: c.objectives,
            "no objective teaches the encoders",
        ),
    ),
)


_CLONE: Algorithm[ActorCritic] = Algorithm(
    "clone",
    "Behaviour cloning: the actions of recorded episodes made as likely as they can be.",
    CloneConfig,
    CloneAgent,
    part="clone",
    reads=(
        _NO_PENALTY,
        _NO_OBJECTIVE,
        Reads(
            ("policy.critic_hidden", "policy.separate_critic", "policy.privileged_critic"),
            lambda c: False,
            "agent {agent} trains no critic",
        ),
        Reads(
            ("sense_dropout", "curriculum", "stop_at_success", "stop_at_return"),
            lambda c: False,
            "agent {agent} plays no episode",
        ),
    ),
    trains_critic=lambda settings: False,
)


_PRETRAIN: Algorithm[ActorCritic] = Algorithm(
    "pretrain",
    "Pretraining: encoders and fusion learn from objectives alone, before any policy.",
    PretrainConfig,
    PretrainAgent,
    part="pretrain",
    defaults={"total_steps": 100_000, "evaluate_episodes": 0},
    reads=(
        _NO_PENALTY,
        Reads(
            ("stop_at_success", "stop_at_return", "stop_at_judged_success", "judge_every"),
            lambda c: False,
            "agent {agent} learns no actions",
        ),
        Reads(
            ("curriculum",),
            lambda c: c.pretrain.data in BEHAVIOURS,
            "recorded episodes have their contexts, {pretrain.data}",
        ),
    ),
    trains_critic=lambda settings: False,
    trained_parts=("perception", "objectives"),
    of_a_recipe=("env", "env_kwargs", "sensors", "modalities", "policy", "num_worlds", "context"),
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
            *(_NO_OBJECTIVE, _NO_PENALTY),
            Reads(("most_failed_updates",), lambda c: False, at_once),
        ),
    )


_TABLE: tuple[Algorithm[Any], ...] = (
    _PPO,
    _REINFORCE,
    _FITTED_Q,
    _CLONE,
    _PRETRAIN,
    *(_of_sb3(*named) for named in SB3_ALGORITHMS.items()),
)
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

    Warns of packages that cannot be imported; `refused_offers` are left out.
    """
    refused_offers()
    return dict(_registered)


def refused_offers() -> dict[str, str]:
    """Register what installed packages offer; the answer is why that is refused of some, by name."""
    refused: dict[str, str] = {}
    for name, points in by_name(entry_points(group=ENTRY_POINT_GROUP)).items():
        if len(points) > 1:
            refused[name] = claimed_by(points)
            continue
        for point, offered in usable(points):
            if not isinstance(offered, Algorithm) or offered.name != name:
                refused[name] = f"{origin_of(point)} must be an Algorithm of the name {name!r}, it is {offered!r}"
            elif (known := _registered.setdefault(name, offered)) is not offered:
                refused[name] = f"{origin_of(point)} offers {name!r}, which is taken by another: {known.summary}"
    return refused


def find_algorithm(name: str) -> Algorithm[Any]:
    """The algorithm of a name; ValueError naming those there are, or why what a package offers is refused."""
    if name not in _registered:
        refused = refused_offers()
        if name not in _registered:
            raise ValueError(refused.get(name, f"there is no agent {name!r}; there are {', '.join(_registered)}"))
    return _registered[name]
