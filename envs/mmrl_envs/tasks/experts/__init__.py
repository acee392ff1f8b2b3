"""Scripted policies of tasks."""
