"""A training run in memory: worlds, policy, algorithm, curriculum and counters, and how they are saved and restored."""

import dataclasses
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mmrl.evaluation.figures import figures_of
from mmrl.normalization import pool_statistics
from mmrl.settings.effects import require_effect
from mmrl_agents.algorithms import find_algorithm
from mmrl_agents.experience.episodes import EpisodeStatistics, NewEpisodes, episode_on_record
from mmrl_agents.learning.agent import Network, Resources, require_agent
from mmrl_agents.machine.description import machine
from mmrl_agents.machine.device import choose_device
from mmrl_agents.machine.launching import torchrun_job
from mmrl_agents.machine.ranks import ALONE, Ranks
from mmrl_agents.policies.trained import load_weights
from mmrl_agents.records.checkpoint import numpy_tree, require_same_senses, unpacking
from mmrl_agents.records.claiming import JOB
from mmrl_agents.records.older_checkpoints import without_idle_read_out
from mmrl_agents.records.runs import RunFolder, library_versions
from mmrl_agents.settings.algorithm import setting_of
from mmrl_agents.settings.config import TrainConfig
from mmrl_agents.settings.readers import of_actions
from mmrl_agents.settings.recorded import config_to_dict
from mmrl_agents.settings.starting_points import begun_as
from mmrl_agents.training.curriculum import make_world_curriculum
from mmrl_agents.training.judge import SUCCESS, Judge
from mmrl_agents.training.shared_worlds import put_back, require_ranks, saved_worlds
from mmrl_agents.training.stopping import Stopping
from mmrl_agents.worlds.making import require_context_known, senses_of, world_settings
from mmrl_envs.multimodal import describing

# Fewer finished episodes than this say too little to call a checkpoint the best.
_EPISODES_TO_JUDGE = 50
# What must be as it was for worlds to be put back as they stood.
_DECIDES_WORLDS = ("env", "env_kwargs", "sensors", "context", "num_worlds", "agent", "curriculum", "vary")


def seeds(entropy: int | list[int], count: int) -> list[int]:
    """Independent seeds of 31 bits, the most that every environment takes."""
    state = np.random.SeedSequence(entropy).generate_state(count)
    return [int(word) >> 1 for word in state]


class Trainer:
    """Everything that a run is made of, and its folder."""

    def __init__(self, config: TrainConfig, run: RunFolder, ranks: Ranks = ALONE) -> None:
        """Build everything at step 0; `begin` starts it there, `restore` moves it to a checkpoint.

        All `ranks` share the worlds of `config`.
        """
        self.config, self.run, self.ranks = config, run, ranks
        self.device, self.share = choose_device(config.device), ranks.share(config.num_worlds)
        algorithm = require_ranks(find_algorithm(config.agent), ranks)
        self.envs = config.worlds.make(len(self.share))
        self.worlds = describing(self.envs)
        self.worlds.first_world = self.share.start
        require_context_known(config.env, config.context, self.envs)
        self.senses = {name: modality.describe() for name, modality in senses_of(self.envs).items()}
        setting = setting_of(config, self.envs)
        weights_seed, shuffle_seed, actions_seed, curriculum_seed, judge_seed = seeds(config.seed, 5)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(weights_seed)
            network: Network = algorithm.network(setting)
        self.policy = network.to(self.device)
        pool_statistics(self.policy.modules(), self.ranks.gather)
        self.actions = torch.Generator(self.device).manual_seed(actions_seed)
        self.statistics, self._new_episodes = EpisodeStatistics(), NewEpisodes()
        shuffling = torch.Generator().manual_seed(shuffle_seed)
        resources = Resources(self._new_episodes, self.device, shuffling, self.actions, self.ranks)
        self.agent = require_agent(algorithm.agent(setting, self.policy, resources), algorithm.name)
        scores = self.agent.scores_episodes
        self.curriculum = make_world_curriculum(config, self.envs, curriculum_seed, scores=scores, ranks=ranks)
        require_effect(config, of_actions(self.envs.single_action_space), begun_as(config))
        self.judge = None if config.judge_every is None else Judge(config, self.policy, judge_seed, ranks)
        self.step = 0
        self.updates = 0
        self.seconds = 0.0
        self.best_score = -np.inf
        self.stopping = Stopping(config, self.statistics)
        self._earlier_incidents: dict[str, int] = {}
        self.metrics: dict[str, float] = {}

    def close(self) -> None:
        """Close the worlds."""
        self.envs.close()
        if self.judge is not None:
            self.judge.close()

    def describe(self) -> dict[str, Any]:
        """The document of config.json."""
        return {
            "env_id": self.config.env,
            "env_kwargs": config_to_dict(self.config)["env_kwargs"],
            "sensors": list(self.config.sensors),
            "seed": self.config.seed,
            "train": config_to_dict(self.config),
            "senses": self.senses,
            "world": world_settings(self.envs, self.config.context),
            "versions": library_versions(),
            "machine": machine(self.device),
            JOB: torchrun_job(),
        }

    def begin(self) -> None:
        """Start the worlds, and let the agent see what it must before its first update; all ranks with one network."""
        self.policy.load_state_dict(self.ranks.agree(self.policy.state_dict()))
        self._start_worlds()
        self.policy.eval()
        self.step += self._count(self.agent.warm_up())
        self._update_curriculum()

    def _start_worlds(self) -> None:
        """Reset the worlds; seeds of a resumed run follow from its step, so none is repeated."""
        (seed,) = seeds([self.config.seed, self.step], 1)
        options = self._options()
        if self.worlds.begins_in_mid_episode and self.agent.begins_in_mid_episode:
            # Worlds in step would all end, and all be reset and judged, in the same few updates.
            limit = self.worlds.max_episode_steps or 0
            options["elapsed_steps"] = np.array(self.share) * limit // self.config.num_worlds
        self.agent.start(seed, options or None)

    def _count(self, taken: int) -> int:
        """Count the episodes that ended on any rank; returns the steps of all, of which this one has `taken`."""
        for _, episode in self.ranks.merge(self._new_episodes.drain(), key=lambda ended: ended[0]):
            self.statistics.add(episode)
        return sum(self.ranks.gather([taken]))

    def _options(self) -> dict[str, Any]:
        return {"context": dict(self.config.context)} if self.config.context else {}

    def advance(self, stopping: Callable[[], bool] = lambda: False) -> None:
        """Collect once and update once, and judge where that is due; the clock of the training leaves that out.

        An evaluation under way ends without a result once `stopping` becomes true.
        """
        start = time.perf_counter()
        rate = self.agent.set_progress(self.step / self.config.total_steps)
        self.policy.eval()
        taken = self._count(self.agent.collect())
        collected = time.perf_counter()
        self.policy.train()
        update = self.agent.update()
        self.step += taken
        self.updates += 1
        of_curriculum = self._update_curriculum()
        duration = time.perf_counter() - start
        self.seconds += duration
        self.stopping.count_failures(update["skipped_updates"])
        self.metrics = {
            **self.statistics.metrics(),
            **{name: float(count) for name, count in self._incidents().items()},
            **update,
            **of_curriculum,
            "skipped_updates_in_all": float(self.stopping.skipped),
            "learning_rate": rate,
            "steps_per_second": taken / duration,
            "collect_seconds": collected - start,
            "update_seconds": duration - (collected - start),
            "wall_time_s": self.seconds,
        }
        if self.judge is not None and self.judge.is_due(self.step - taken, self.step):
            self.policy.eval()
            judged = self.judge.metrics(stopping)
            self.metrics |= judged
            if judged:  # else it was given up
                self.stopping.require_reported("stop_at_judged_success", SUCCESS, self.metrics)
        if len(self.statistics.recent) == self.statistics.recent.maxlen:
            self.stopping.require_reported("stop_at_success", "success_rate", self.metrics)
        of_episodes = [figure.name for figure in figures_of(self.envs)]
        self.ranks.on_first(lambda: self.run.log(self.step, self.metrics, of_episodes))

    def _incidents(self) -> dict[str, int]:
        """Counts over the whole run and all ranks, what was before it was resumed included."""
        of_ranks = self.ranks.gather([self.worlds.incidents])
        return {
            name: sum(counts[name] for counts in of_ranks) + self._earlier_incidents.get(name, 0)
            for name in self.worlds.incidents
        }

    def _update_curriculum(self) -> dict[str, float]:
        """Hand the curriculum the episodes that ended; returns its metrics."""
        if self.curriculum is None:
            return {}
        ended = [dataclasses.replace(end, world=self.share[end.world]) for end in self.agent.ended()]
        records = self.curriculum.update(self.ranks.merge(ended, key=lambda end: end.row), self.step)
        self.ranks.on_first(lambda: self.run.log_contexts(records))
        return self.curriculum.metrics()

    @property
    def failure(self) -> str | None:
        """Why there is no sense in going on, or None."""
        return self.stopping.failure(self.agent.last_error)

    def reason_to_stop(self) -> str | None:
        """Why the training is over, or None."""
        arrived = self.curriculum is None or self.curriculum.has_arrived
        return self.ranks.agree(self.stopping.reason(self.step, self.seconds, self.metrics, arrived))

    def save(self) -> Path:
        """Write a checkpoint, and call it the best if no earlier one scored as high."""
        score = self._score()
        judged = len(self.statistics.recent) >= _EPISODES_TO_JUDGE
        best, before = judged and score >= self.best_score, self.best_score
        if best:
            self.best_score = score
        try:
            state, keep = self._state(), self.config.keep_checkpoints
            return self.ranks.on_first(lambda: self.run.save(self.step, state, best=best, keep=keep))
        except OSError:  # no room for it: the best is the one before
            self.best_score = before
            raise

    def _score(self) -> float:
        """Success, else return; under a curriculum success counts by difficulty, since the easy comes first."""
        for name in ("curriculum/mastered", "success_rate", "mean_return"):
            if name in self.metrics:
                return self.metrics[name]
        return -np.inf

    def _state(self) -> dict[str, Any]:
        return {
            "policy": self.policy.state_dict(),
            "agent": self.agent.state_dict(),
            "senses": self.senses,
            "step": self.step,
            "updates": self.updates,
            "seconds": self.seconds,
            "best_score": self.best_score,
            "skipped": self.stopping.skipped,
            "failures_in_a_row": self.stopping.failures_in_a_row,
            "metrics": self.metrics,
            "episodes": [dataclasses.asdict(episode) for episode in self.statistics.recent],
            "episode_count": self.statistics.count,
            "physics_errors": self.statistics.physics_errors,
            "incidents": self._incidents(),
            "device": self.device.type,
            "actions": self.actions.get_state(),
            "curriculum": None if self.curriculum is None else self.curriculum.rule.state_dict(),
            "made_by": self._decides_worlds(),
            **saved_worlds(self.worlds, self.agent, self.share, self.ranks),
        }

    def _decides_worlds(self) -> dict[str, Any]:
        document = config_to_dict(self.config)
        return {name: document[name] for name in _DECIDES_WORLDS}

    def restore(self, path: Path, state: Mapping[str, Any]) -> str:
        """Continue from a checkpoint: everything, exactly; returns "" or why the worlds begin new episodes.

        Raises CheckpointError where the state does not fit this run.
        """
        with unpacking(path):
            require_same_senses(path, state["senses"], self.senses)
            load_weights(self.policy, state["policy"], path)
            known = dict(self.policy.named_parameters())
            self.agent.load_state_dict(without_idle_read_out(state["agent"], state["policy"], known))
            self._restore_counters(state)
            if state["device"] == self.device.type:
                self.actions.set_state(state["actions"])
            else:  # the generators of two kinds of device share no state
                self.actions.manual_seed(*seeds([self.config.seed, self.step], 1))
            if self.curriculum is not None and state["curriculum"] is not None:
                self.curriculum.rule.load_state_dict(numpy_tree(state["curriculum"]))
                self.curriculum.metrics()
            reason = self._restore_worlds(state)
        if reason:
            if self.curriculum is not None:
                self.curriculum.rule.abandon()
            self._start_worlds()
        return reason

    def _restore_counters(self, state: Mapping[str, Any]) -> None:
        self.step, self.updates = int(state["step"]), int(state["updates"])
        self.seconds, self.best_score = float(state["seconds"]), float(state["best_score"])
        self.stopping.skipped = int(state["skipped"])
        self.stopping.failures_in_a_row = int(state["failures_in_a_row"])
        self.metrics = {str(name): float(value) for name, value in state["metrics"].items()}
        self.statistics.recent.extend(episode_on_record(episode) for episode in state["episodes"])
        self.statistics.count = int(state["episode_count"])
        self.statistics.physics_errors = int(state["physics_errors"])
        self._earlier_incidents = dict(state.get("incidents", {}))  # older checkpoints count none

    def _restore_worlds(self, state: Mapping[str, Any]) -> str:
        if state["worlds"] is None:
            return f"{self.config.env} cannot be put back as it was"
        saved, present = state["made_by"], self._decides_worlds()
        # older checkpoints do not name all of them
        changed = [name for name in _DECIDES_WORLDS if saved.get(name, present[name]) != present[name]]
        if changed:
            return f"the run goes on with another {', '.join(changed)}"
        return put_back(state, self.worlds, self.agent, self.share, self.ranks, self._options() or None)
