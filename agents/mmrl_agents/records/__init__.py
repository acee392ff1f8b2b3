"""The records of a run on disk: its folder, checkpoints, status, model card."""
