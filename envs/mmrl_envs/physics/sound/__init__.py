"""The sound of things that are struck or rubbed: modes of plates, resonators, and what a microphone makes of them.

A plate rings in its modes. Each mode is a resonator; a strike kicks all of them at once, the short ones less the longer
the strike takes, and rubbing is a hail of small kicks. A contact microphone on the plate hears the sum.
"""

from mmrl_envs.physics.sound.materials import MATERIALS, Material, material_named
from mmrl_envs.physics.sound.plates import PLATE_COLUMNS, plate_row
from mmrl_envs.physics.sound.resonators import SAMPLE_HZ

__all__ = ["MATERIALS", "PLATE_COLUMNS", "SAMPLE_HZ", "SOUNDING", "Material", "material_named", "plate_row"]

SOUNDING = "sounding"
"""Name, where nobody gives another, of the geom that rings when it is touched, or of the joint whose spring snaps."""
