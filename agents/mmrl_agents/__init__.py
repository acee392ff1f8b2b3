"""Learning and judging policies: PPO, its recipes and runs, evaluation, and the `mmrl` command line."""

import os

# Threads that spin while they wait make an update several times slower as soon as another process
# wants the same cores. OpenMP reads this once, when torch is loaded: import this package before torch.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
