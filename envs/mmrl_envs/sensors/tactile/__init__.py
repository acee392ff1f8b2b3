"""Touch on soft pads: how deep bodies stand in them, the forces of their taxels, and a simulation to compare with."""
