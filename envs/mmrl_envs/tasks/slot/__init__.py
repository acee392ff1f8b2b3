"""The slot car: its tracks, its pictures and the task."""
