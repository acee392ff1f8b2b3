"""Trained policies: loading, exporting and acting."""
