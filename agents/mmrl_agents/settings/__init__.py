"""The settings of a command, their readers, and the refusal of those without effect."""
