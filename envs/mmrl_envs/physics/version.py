"""Which physics a figure was measured on."""

PHYSICS_VERSION = 2
"""Number of the robot tasks' physics, raised by every change that moves their trajectories, readings or judgement.

1: contacts with critical damping, a cylinder as the round peg, and fields of the task sensed one control step late.
2: contacts with less damping, a prism as the round peg, all senses of one instant, impossible states are errors,
   success only upright and in no wall; PyBullet's contacts stiffen with depth.
"""
