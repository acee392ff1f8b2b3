"""Peg insertion: the pegs, their holes, the scene, the reward, and the tasks made of them."""
