"""A policy that acts while somebody looks: every instant of it, a window on it, a recording for rerun."""
