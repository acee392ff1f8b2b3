"""Searching settings: many short trainings, of which each is an ordinary run."""
