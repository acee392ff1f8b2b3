"""Comparing trainings that are done, and groups of them that differ in their seed alone."""
