"""Judging a trained policy: success with intervals, and what each sense is worth."""
