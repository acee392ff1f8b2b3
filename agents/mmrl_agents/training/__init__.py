"""Running a training from its first step to its end."""
