"""Robots as MuJoCo model parts: kinematics, limits and inertias from published sources."""
