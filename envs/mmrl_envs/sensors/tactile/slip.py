"""Slip: how fast what a pad touches slides along it, as a skin that sees its surface, or shakes with it, tells.

Letters: n = worlds being read, P = pads.
"""

from __future__ import annotations

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.modality import MLP, EncoderSpec, Modality, TemporalConv
from mmrl_envs.arguments import whole
from mmrl_envs.sensors.base import Requires, Sensor, View

FASTEST = 1.0
"""Speed in m/s beyond which readings are cut."""
_LEAST_N = 1e-6


class Slip(Sensor):
    """Speed along x and y of each pad at which a body slides over it, in m/s, 0 where it does not touch: (2 P,).

    With `history` it is a window (T, 2 P): how long something has slid tells how much firmer it must be gripped.

    It is that of the point of the body at the middle of the pad, so that turning about the pad's normal is no slip. The
    pads are those of `TactilePad`.

    Args:
        name: key in the observation.
        pads: mounts of the pads.
        body: name of the body.
        rate_hz: readings per second.
        history: T; unset is the newest reading alone.
        encoder: how a policy encodes it; unset is a small network that tells 2 mm/s from rest.
    """

    newest_only = True

    def __init__(
        self,
        name: str = "slip",
        *,
        pads: tuple[str, ...] = ("pad",),
        body: str = "object",
        rate_hz: float = 20.0,
        history: int | None = None,
        encoder: EncoderSpec | None = None,
    ) -> None:
        pads = (pads,) if isinstance(pads, str) else tuple(pads)
        self.requires, self.body = Requires(mounts=pads), body
        self.noise_unit = 1e-3
        sides = ("",) if len(pads) == 1 else tuple(f"{pad} " for pad in pads)
        size = 2 * len(pads)
        scales = ((20.0,) * size, (300.0,) * size)
        usual = MLP((32,), 32, scales) if history is None else TemporalConv((16, 32, 32), features=64, squash=scales)
        self.modality = Modality(
            name=name,
            shape=(size,),
            rate_hz=rate_hz,
            history=None if history is None else whole("history", history, 1),
            low=-FASTEST,
            high=FASTEST,
            unit="m/s",
            labels=tuple(f"{side}{axis}" for side in sides for axis in "xy"),
            encoder=encoder or usual,
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's sensors of how the body moves as the pad sees it, and of the force between them."""
        kinds, objects = mujoco.mjtSensor, mujoco.mjtObj
        for mount in self.requires.mounts:
            site = self.mounts[mount]
            if spec.body(self.body) is None or spec.geom(site) is None:
                raise ValueError(f"there is no body {self.body!r} to feel, or no geom {site!r} to feel with")
            seen = {
                "objtype": objects.mjOBJ_XBODY,
                "objname": self.body,
                "reftype": objects.mjOBJ_SITE,
                "refname": site,
            }
            for part, kind in (
                ("place", kinds.mjSENS_FRAMEPOS),
                ("velocity", kinds.mjSENS_FRAMELINVEL),
                ("turning", kinds.mjSENS_FRAMEANGVEL),
            ):
                spec.add_sensor(name=self._part(mount, part), type=kind, **seen)
            spec.add_sensor(
                name=self._part(mount, "force"),
                type=kinds.mjSENS_CONTACT,
                objtype=objects.mjOBJ_GEOM,
                objname=site,
                reftype=objects.mjOBJ_BODY,
                refname=self.body,
                intprm=[1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1],
            )

    def read(self, view: View) -> NDArray[np.float64]:
        """Speeds, (n, 1, 2 P)."""
        return np.concatenate([self._along(view, mount) for mount in self.requires.mounts], axis=1)[:, None]

    def _along(self, view: View, mount: str) -> NDArray[np.float64]:
        """Speed along the pad's x and y, (n, 2)."""
        parts = ("place", "velocity", "turning", "force")
        place, velocity, turning, force = (view[self._part(mount, part)][:, -1] for part in parts)
        touches = np.linalg.norm(force, axis=1) > _LEAST_N
        return np.where(touches[:, None], (velocity - np.cross(turning, place))[:, :2], 0.0)

    def _part(self, mount: str, part: str) -> str:
        return f"{self.modality.name}/{mount}/{part}"
