"""Tasks: one file each, registered with Gymnasium at its foot."""
