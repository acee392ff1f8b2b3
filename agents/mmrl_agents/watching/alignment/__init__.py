"""Senses of recorded episodes brought onto one clock: `mmrl align`."""
