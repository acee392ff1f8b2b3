"""The experience of policies in worlds: rollouts, games, episodes, returns."""
