"""Scenes that tasks share."""
