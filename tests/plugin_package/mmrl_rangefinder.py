"""A laser range finder beside the tool: metres to the first surface along the tool's axis."""

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import Modality, TemporalConv
from mmrl_envs.sensors.base import Sensor, View


class RangeFinder(Sensor):
    """Distance (1,) in metres, the last ten of 100 readings a second; -1 where nothing is hit."""

    modality = Modality("range_finder", shape=(1,), rate_hz=100, encoder=TemporalConv(), history=10, low=-1)

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds a site 6 cm beside the tool that looks along +z, and MuJoCo's range finder at it."""
        spec.body("hand").add_site(name="range_finder", pos=[0.06, 0, 0])
        at_site = {"objtype": mujoco.mjtObj.mjOBJ_SITE, "objname": "range_finder"}
        kind, distance_only = mujoco.mjtSensor.mjSENS_RANGEFINDER, [1, 0, 0]
        spec.add_sensor(name="range_finder", type=kind, intprm=distance_only, **at_site)

    def read(self, view: View) -> NDArray[np.float64]:
        """Distances (n, k, 1)."""
        return view["range_finder"]
