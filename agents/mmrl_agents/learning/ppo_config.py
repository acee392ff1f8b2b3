"""The settings of proximal policy optimisation."""

import math
from dataclasses import dataclass

from mmrl.policy.config import LOG_STD_MIN
from mmrl.settings.documents import fit
from mmrl_agents.learning.optimizers import OptimizerName, require_steps
from mmrl_agents.machine.precision import Precision


@dataclass(frozen=True)
class PPOConfig:
    """Settings of the algorithm; the network has its own."""

    optimizer: OptimizerName = "adam"
    """How a gradient becomes a step."""
    learning_rate: float = 5e-4
    """Step size at the start, epsilon_0."""
    anneal: bool = True
    """Let the step size fall linearly to `final_learning_rate`."""
    final_learning_rate: float = 0.0
    """Step size at the end when it is annealed, epsilon_tau."""
    decay_share: float = 1.0
    """Share of `total_steps` after which an annealed step size has reached its end, tau; it stays there."""
    momentum: float = 0.9
    """Share of the last step that `momentum` takes again."""
    rms_decay: float = 0.99
    """Decay per update of the mean squares of `rmsprop` and `adadelta`."""
    adam_betas: tuple[float, float] = (0.9, 0.999)
    """Decays per update of the mean and the mean square that `adam` and `adamw` keep."""
    eps: float = 1e-5
    """Added to the root of the squares in all optimisers but `sgd` and `momentum`; within it in `adadelta`."""
    weight_decay: float = 0.01
    """Share of a weight, times the step size, that `adamw` takes off at each update."""
    num_steps: int = 32
    """Steps of every world between two updates."""
    minibatch_size: int = 512
    """Samples of one gradient step; the last minibatch of an epoch may be smaller. A recurrent policy takes whole
    sequences of `num_steps`, as many as fit."""
    epochs: int = 3
    """Passes over the rollout per update."""
    gamma: float = 0.99
    """Discount per step."""
    gae_lambda: float = 0.95
    """Decay of the advantage trace: 0 is one-step, 1 is Monte Carlo."""
    cut_at_rewards: bool = False
    """Let every reward end what came before, as a point does in Pong: no later reward counts for earlier actions."""
    clip: float = 0.2
    """Largest change of the probability ratio that is rewarded."""
    value_coef: float = 0.5
    """Weight of the value loss."""
    entropy_coef: float = 0.0
    """Weight of the entropy bonus at the start."""
    final_entropy_coef: float | None = None
    """Weight of the entropy bonus at the end, approached linearly; unset is that of the start."""
    log_std: tuple[float, float] | None = None
    """Logarithm of the standard deviation of continuous actions at the start and at the end, between which it moves
    linearly, as in the Roboschool experiments of the PPO paper; unset learns it, from `policy.log_std_init` on."""
    max_grad_norm: float = 0.5
    """The gradient is scaled down to this norm."""
    normalize_advantages: bool = True
    """Bring the advantages of a rollout to zero mean and unit deviation."""
    target_kl: float | None = None
    """Stop the epochs of an update once the policy moved further than this; unset never stops."""
    scale_values: bool = True
    """Let the critic predict in standard deviations of recent returns (PopArt), so that their size does not matter.
    Better without where rewards are 0, 1 and -1 anyway and too rare to tell their spread from one rollout."""
    clip_value: float | None = None
    """Clip the change of the value prediction as well, to this much; unset leaves it free."""
    precision: Precision = "float32"
    """Numbers that the update multiplies: float32, bfloat16, or auto, which is bfloat16 where the processor has
    instructions for it. Acting stays in float32. Convolutions gain, small networks do not."""

    def __post_init__(self) -> None:
        fit(self, "ppo.")
        positive = ("learning_rate", "num_steps", "minibatch_size", "epochs", "clip")
        for name in (*positive, "max_grad_norm"):
            if not vars(self)[name] > 0:
                raise ValueError(f"ppo.{name} must be above 0, got {vars(self)[name]}")
        require_steps(self, "ppo")
        if not 0 < self.decay_share <= 1:
            raise ValueError(f"ppo.decay_share must lie above 0 and up to 1, got {self.decay_share}")
        for name in ("gamma", "gae_lambda"):
            if not 0 <= vars(self)[name] <= 1:
                raise ValueError(f"ppo.{name} must lie in [0, 1], got {vars(self)[name]}")
        for name in ("final_learning_rate", "value_coef", "entropy_coef"):
            if not vars(self)[name] >= 0:
                raise ValueError(f"ppo.{name} must not be negative, got {vars(self)[name]}")
        if self.final_entropy_coef is not None and not self.final_entropy_coef >= 0:
            raise ValueError(f"ppo.final_entropy_coef must not be negative, got {self.final_entropy_coef}")
        for name in ("target_kl", "clip_value"):
            if vars(self)[name] is not None and not vars(self)[name] > 0:
                raise ValueError(f"ppo.{name} must be above 0, got {vars(self)[name]}")
        if self.log_std is not None and not all(LOG_STD_MIN <= value < math.inf for value in self.log_std):
            raise ValueError(f"ppo.log_std must be two numbers of at least {LOG_STD_MIN}, got {self.log_std}")
