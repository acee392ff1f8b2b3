"""Comparing trainings: groups that differ in their seed alone, and in `sweeping` a search for the best settings."""
