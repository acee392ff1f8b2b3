"""Tasks whose goal is an instruction in words."""
