"""The agent of fitted Q iteration: rounds of driving, each followed by iterations over all that was seen so far."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from mmrl.policy.q_network import QNetwork, choices_of
from mmrl_agents.experience.episodes import Ended
from mmrl_agents.experience.q_states import StatesOfEncodings, StatesOfReadings, encodings
from mmrl_agents.experience.transition_collector import TransitionCollector
from mmrl_agents.learning.agent import Resources, Setting
from mmrl_agents.learning.fitted_q import FittedQ
from mmrl_agents.learning.teaching import READ_AT_ONCE, teach
from mmrl_agents.records.checkpoint import numpy_tree
from mmrl_agents.worlds.making import action_space_of


def q_network(setting: Setting) -> QNetwork:
    """The untrained Q network, from what the worlds declare and the settings say."""
    choices = choices_of(action_space_of(setting.envs), setting.settings.levels)
    remembered = setting.settings.remembered_actions
    return QNetwork(setting.modalities, choices, setting.policy, remembered, setting.objectives)


class FittedQAgent:
    """Fitted Q iteration with a network (Riedmiller 2005), on a batch that grows by what the newest policy meets.

    The first steps are random. Without objectives the encoders learn with the values, from readings that are kept.
    With objectives these alone teach the encoders, from the random steps; afterwards the encoders stay as they are,
    and what they make of readings is kept in place of these: the two stages of Lange, Riedmiller & Voigtlaender 2012,
    "Autonomous reinforcement learning on raw visual input data in a real world application".
    """

    begins_in_mid_episode = False
    scores_episodes = False

    def __init__(self, setting: Setting, network: QNetwork, resources: Resources) -> None:
        _require_simple(setting, resources)
        self.network, self.config, self._shuffling = network, setting.settings, resources.shuffling
        self.fitted_q = FittedQ(network, self.config, resources.shuffling)
        states, random_steps = StatesOfReadings(network), self.config.random_steps * setting.envs.num_envs
        states.require_room(random_steps if network.objectives else setting.total_steps)
        self.collector = TransitionCollector(setting.envs, network, states, resources.statistics, resources.acting)
        self.start = self.collector.start
        self._epsilon = self.config.epsilon
        self._shown = 0  # states that running statistics have learned from
        self._losses: dict[str, float] = {}  # of the objectives, once they have taught

    @property
    def last_error(self) -> str:
        """The last error of `FittedQ`."""
        return self.fitted_q.last_error

    def warm_up(self) -> int:
        """Random steps, from which the objectives teach the encoders, if there are any."""
        self.network.epsilon.fill_(1.0)
        taken = self.collector.collect(self.config.random_steps)
        if self.network.objectives:
            self._teach()
        else:
            self._show_new_states()
        return taken

    def _teach(self) -> None:
        """Teach the encoders, and keep of all states what they make of them."""
        network, config, transitions = self.network, self.config, self.collector.transitions
        network.train()
        losses = teach(network, transitions, config.teaching_epochs, config.teaching_rate, self._shuffling)
        network.eval()
        self._losses = {f"{name}_loss": loss for name, loss in losses.items()}
        self._keep_encodings()

    def _keep_encodings(self) -> None:
        readings = {name: column.rows for name, column in self.collector.transitions.columns.items()}
        self.collector.change_states(StatesOfEncodings(self.network), encodings(self.network, readings, READ_AT_ONCE))

    def _show_new_states(self) -> None:
        """Let running statistics learn from the states that were not shown yet."""
        states, transitions = self.collector.states, self.collector.transitions
        columns, _ = transitions.states(np.arange(self._shown, transitions.num_states))
        states.show({name: rows.to(self.network.actions.device) for name, rows in columns.items()})
        self._shown = transitions.num_states

    def collect(self) -> int:
        """One round."""
        self.network.epsilon.fill_(self._epsilon)
        return self.collector.collect(self.config.num_steps)

    def update(self) -> dict[str, float]:
        """Iterations over all transitions so far."""
        self._show_new_states()
        metrics = self.fitted_q.update(self.collector.states, self.collector.transitions)
        return {**metrics, **self._losses, "epsilon": float(self.network.epsilon)}

    def set_progress(self, fraction: float) -> float:
        """Set the share of random choices for the done fraction of the training; returns the step size."""
        start, end = self.config.epsilon, self.config.final_epsilon
        self._epsilon = start if end is None else start + min(max(fraction, 0.0), 1.0) * (end - start)
        return float(self.config.learning_rate)

    def ended(self) -> list[Ended]:
        """Without scores."""
        return self.collector.ended

    def state_dict(self) -> dict[str, object]:
        """All transitions: without them the values would have nothing to go on from."""
        return {
            "transitions": self.collector.transitions.state_dict(),
            "shown": self._shown,
            "losses": self._losses,
            "shuffle": self._shuffling.get_state(),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Undo `state_dict`; ValueError where states are made of other things, as with objectives and without."""
        if self.network.objectives:
            self._keep_encodings()
        self.collector.transitions.load_state_dict(numpy_tree(state["transitions"]))
        self._shown, self._losses = int(state["shown"]), dict(state["losses"])
        self._shuffling.set_state(state["shuffle"])

    def rollout_state(self) -> dict[str, Any]:
        """Where the worlds are, and their episodes so far."""
        return self.collector.rollout_state()

    def resume_rollout(self, state: Mapping[str, Any], options: dict[str, Any] | None) -> None:
        """The worlds restart by themselves, without options."""
        self.collector.load_rollout_state(numpy_tree(state))


def _require_simple(setting: Setting, resources: Resources) -> None:
    """Raise ValueError where senses would be taken away, or several processes would train one network."""
    if setting.dropped:
        shares = ", ".join(f"{sense} {share}" for sense, share in setting.dropped.items())
        raise ValueError(f"{setting.algorithm} always trains with all senses, so sense_dropout must be 0: {shares}")
    if resources.ranks.count > 1:
        raise ValueError(f"{setting.algorithm} trains in one process, got {resources.ranks.count} ranks")
