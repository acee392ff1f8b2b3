"""Senses that hear: what rings, when it is struck or rubbed, and what is reported of its sound."""
