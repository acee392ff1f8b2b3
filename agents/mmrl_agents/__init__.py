"""Learning and judging policies: PPO, its recipes and runs, evaluation, and the `mmrl` command line."""
