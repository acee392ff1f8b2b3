"""Tasks: one file each; that of its variants registers them with Gymnasium."""
