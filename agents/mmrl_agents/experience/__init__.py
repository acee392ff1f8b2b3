"""What worlds gave and policies did: rollouts, games, episodes, returns."""
