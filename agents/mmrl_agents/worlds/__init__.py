"""Environments of other packages, and what happens to worlds while a training goes on."""
