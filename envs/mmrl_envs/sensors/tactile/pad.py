"""Touch: soft pads that feel where a body presses on them, how hard, and which way it drags.

Letters: N = worlds, n = those being read, k = taxels to the side of a pad, P = pads.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from mmrl.arrays import FloatArray, Indices
from mmrl.modality import EncoderSpec, ImageConv, Modality
from mmrl_envs.arguments import number, whole
from mmrl_envs.physics.world import World
from mmrl_envs.sensors.base import Requires, Sensor, View
from mmrl_envs.sensors.tactile.glove import GLOVE_RESOLUTION
from mmrl_envs.sensors.tactile.solids import GridOnPlane, Solid, solids_of
from mmrl_envs.sensors.tactile.taxels import Taxels

FORCE_LIMIT_N = 100.0
"""Largest force of a taxel, newtons."""
MASKS = ("full", "glove")
"""Which taxels of the array there are."""
LEAST_RESOLUTION, MOST_RESOLUTION = 8, 64
_KINDS, _OBJECT, _DATA = mujoco.mjtSensor, mujoco.mjtObj, mujoco.mjtConDataField
_NET_FORCE = 3  # how MuJoCo reduces contacts: to one, with force, torque and place of all of them in the world's frame


class TactilePad(Sensor):
    """Forces on the taxels of one or two soft pads by one body, in newtons: (k, k, 3) a pad, side by side as channels.

    Channels of a pad: the force that presses, then shear along x and y of the pad, by the body on the pad. Where the
    body stands in the undeformed surface, and how deep, says which taxels share the force of the contact solver; they
    add up to it and to its moment about the normal. Where the body hangs on the pad's own body by joints, as one that
    is held by suction does, the force is that which the joints carry.

    A pad is a mount of the robot: a site in the middle of a face of a box, z out of it and x along an edge, whose geom
    has the name of the site. Row i of a reading lies at ascending y, column j at ascending x.

    Args:
        name: key in the observation.
        pads: mounts of the pads, one or two.
        body: name of the body that is felt; its geoms are boxes, convex meshes, spheres, cylinders or capsules.
        resolution: k.
        mask: "full", or "glove": 548 of 32 x 32 taxels in the shape of a hand; the others read 0.
        blur_m: standard deviation in metres of the Gaussian by which the surface spreads depth. With 0.5 mm maps are
            those of a simulated elastic pad to a correlation of 0.97 to 0.998.
        suction_n: force in newtons that draws a body which hangs on the pad to it, added to what the joints carry.
        rate_hz: readings per second.
        encoder: how a policy encodes the maps; unset is two convolutions.

    Raises ValueError for other pads, resolutions and masks.
    """

    newest_only = True

    def __init__(  # noqa: PLR0913 - one keyword each on the command line
        self,
        name: str = "tactile",
        *,
        pads: tuple[str, ...] = ("pad",),
        body: str = "object",
        resolution: int = 16,
        mask: str = "full",
        blur_m: float = 0.5e-3,
        suction_n: float = 0.0,
        rate_hz: float = 20.0,
        encoder: EncoderSpec | None = None,
    ) -> None:
        pads = (pads,) if isinstance(pads, str) else tuple(pads)
        if len(pads) not in (1, 2) or len(set(pads)) < len(pads):
            raise ValueError(f"pads of {name!r} must be one or two different mounts, got {pads!r}")
        if mask not in MASKS:
            raise ValueError(f"mask of {name!r} must be one of {MASKS}, got {mask!r}")
        self.resolution, self.masked = whole("resolution", resolution, LEAST_RESOLUTION), mask == "glove"
        if self.resolution > MOST_RESOLUTION or (self.masked and self.resolution != GLOVE_RESOLUTION):
            most = f"{GLOVE_RESOLUTION} with the mask of the glove" if self.masked else f"at most {MOST_RESOLUTION}"
            raise ValueError(f"resolution of {name!r} must be {most}, got {resolution}")
        self.blur_m, self.suction_n = number("blur_m", blur_m), number("suction_n", suction_n)
        if not self.blur_m > 0 or self.suction_n < 0:
            raise ValueError(f"{name!r} needs a blur_m > 0 and a suction_n >= 0, got {blur_m} and {suction_n}")
        self.requires, self.body = Requires(mounts=pads), body
        self._pads: list[_Pad] = []
        self._memory: dict[str, NDArray[np.float64]] = {}
        sides = ("",) if len(pads) == 1 else tuple(f"{pad} " for pad in pads)
        self.noise_unit = (0.01,) * 3 * len(pads)
        self.modality = Modality(
            name=name,
            shape=(resolution, resolution, 3 * len(pads)),
            rate_hz=rate_hz,
            low=-FORCE_LIMIT_N,
            high=FORCE_LIMIT_N,
            unit="N",
            labels=tuple(f"{side}{channel}" for side in sides for channel in ("normal", "shear x", "shear y")),
            encoder=encoder or ImageConv((16, 32), (3, 3), (2, 2), features=64, zero=0.0, unit=0.1),
        )

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds MuJoCo's sensors of where the body is and what it exerts, for each pad."""
        if spec.body(self.body) is None:
            raise ValueError(f"there is no body {self.body!r} to feel")
        self._pads = [self._pad(spec, mount) for mount in self.requires.mounts]
        for pad in self._pads:
            pad.install(spec)

    def _pad(self, spec: mujoco.MjSpec, mount: str) -> _Pad:
        site, part = self.mounts[mount], f"{self.modality.name}/{mount}"
        if spec.geom(site) is None:
            raise ValueError(f"the pad {site!r} has no geom of its name, a box with the site in the middle of a face")
        hangs = spec.body(self.body).parent.name == spec.site(site).parent.name
        if self.suction_n and not hangs:
            raise ValueError(
                f"suction_n is of a body that hangs on the pad's by joints, {self.body!r} does not: leave it at 0, got "
                f"{self.suction_n:g}"
            )
        return _Carried(part, site, self.body, self.suction_n) if hangs else _Touched(part, site, self.body)

    def attach(self, world: World) -> None:
        """Makes room for the geometry of the body in each world.

        Raises ValueError for a pad that is no face of a box, and for a body that is not convex.
        """
        try:
            self._solids = solids_of(world.variants, self.body, world.num_worlds)
            sizes = [_size_of_face(world.template, pad.site) for pad in self._pads]
        except ValueError as error:
            raise ValueError(f"sensor {self.modality.name!r} (TactilePad): {error}") from error
        self._taxels = [Taxels(size, self.resolution, self.blur_m, self.masked) for size in sizes]
        self._world = world
        self._memory = {f"{i}/{name}": a for i, solid in enumerate(self._solids) for name, a in solid.arrays().items()}

    def arrays(self) -> Mapping[str, NDArray[Any]]:
        """The geometry of the body in each world, which a task may change with a reset."""
        return self._memory

    def read(self, view: View) -> NDArray[np.float64]:
        """Forces on the taxels, (n, 1, k, k, 3 P)."""
        if view.begins:
            for world in view.worlds.tolist():
                for solid in self._solids:
                    solid.take(world, self._world.model_of(world))
        maps = np.empty((len(view.worlds), *self.modality.shape))
        for i, (pad, taxels) in enumerate(zip(self._pads, self._taxels, strict=True)):
            self._feel(view, pad, taxels, maps[..., 3 * i : 3 * i + 3])
        return maps[:, None]

    def _feel(self, view: View, pad: _Pad, taxels: Taxels, out: FloatArray) -> None:
        """Writes the forces on the taxels of a pad, (n, k, k, 3)."""
        place, axes = view[f"{pad.part}/place"][:, -1], _matrices(view[f"{pad.part}/turn"][:, -1])
        in_body = np.einsum("nij,ni->nj", axes, -place)  # the pad's origin as the body has it
        grid = GridOnPlane(in_body, axes, taxels.columns, taxels.rows)
        shares = taxels.shares(_deepest(self._solids, view.worlds, grid))
        taxels.share_out(shares, *pad.load(view, place, axes), out)


class _Pad(ABC):
    """A pad and the body on it, as MuJoCo's sensors have them.

    Args:
        part: first part of the names of those sensors.
        site: name of the site of the pad.
        body: name of the body.
    """

    def __init__(self, part: str, site: str, body: str) -> None:
        self.part, self.site, self.body = part, site, body

    def install(self, spec: mujoco.MjSpec) -> None:
        """Adds the sensors."""
        body = {"objtype": _OBJECT.mjOBJ_XBODY, "objname": self.body}
        for name, kind in (("place", _KINDS.mjSENS_FRAMEPOS), ("turn", _KINDS.mjSENS_FRAMEQUAT)):
            spec.add_sensor(
                name=f"{self.part}/{name}", type=kind, **body, reftype=_OBJECT.mjOBJ_SITE, refname=self.site
            )

    @abstractmethod
    def load(self, view: View, place: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Normal force and force along x and y on the pad, (n, 3) N, and moment about its normal, (n,) N m.

        Args:
            view: of the worlds.
            place: of the body in the frame of the pad, (n, 3) metres.
            axes: of the body in that frame, as columns, (n, 3, 3).
        """


class _Touched(_Pad):
    """A pad that a body touches: the force is that of their contacts."""

    def install(self, spec: mujoco.MjSpec) -> None:
        super().install(spec)
        data = sum(1 << int(field) for field in (_DATA.mjCONDATA_FORCE, _DATA.mjCONDATA_TORQUE, _DATA.mjCONDATA_POS))
        spec.add_sensor(
            name=f"{self.part}/contact",
            type=_KINDS.mjSENS_CONTACT,
            objtype=_OBJECT.mjOBJ_GEOM,
            objname=self.site,
            reftype=_OBJECT.mjOBJ_BODY,
            refname=self.body,
            intprm=[data, _NET_FORCE, 1],
        )
        site = {"objtype": _OBJECT.mjOBJ_SITE, "objname": self.site}
        for name, kind in (("pad_place", _KINDS.mjSENS_FRAMEPOS), ("pad_turn", _KINDS.mjSENS_FRAMEQUAT)):
            spec.add_sensor(name=f"{self.part}/{name}", type=kind, **site)

    def load(self, view: View, place: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
        force, torque, point = np.split(view[f"{self.part}/contact"][:, -1], 3, axis=1)  # on the body, in the world
        turn = _matrices(view[f"{self.part}/pad_turn"][:, -1])
        torque = torque + np.cross(point - view[f"{self.part}/pad_place"][:, -1], force)
        return _on_pad(np.einsum("nij,ni->nj", turn, force)), -np.einsum("ni,ni->n", turn[:, :, 2], torque)


class _Carried(_Pad):
    """A pad on which a body hangs by joints: the force is that which they carry, and suction presses besides.

    Args:
        part: first part of the names of the sensors.
        site: name of the site of the pad.
        body: name of the body.
        suction_n: in newtons.
    """

    def __init__(self, part: str, site: str, body: str, suction_n: float) -> None:
        super().__init__(part, site, body)
        self._suction = np.array([suction_n, 0.0, 0.0])

    def install(self, spec: mujoco.MjSpec) -> None:
        super().install(spec)
        spec.body(self.body).add_site(name=self.part, group=5)
        for name, kind in (("force", _KINDS.mjSENS_FORCE), ("torque", _KINDS.mjSENS_TORQUE)):
            spec.add_sensor(name=f"{self.part}/{name}", type=kind, objtype=_OBJECT.mjOBJ_SITE, objname=self.part)

    def load(self, view: View, place: FloatArray, axes: FloatArray) -> tuple[FloatArray, FloatArray]:
        force, torque = (
            np.einsum("nij,nj->ni", axes, view[f"{self.part}/{name}"][:, -1]) for name in ("force", "torque")
        )
        about_pad = torque + np.cross(place, force)
        return _on_pad(force) + self._suction, -about_pad[:, 2]


def _on_pad(force: FloatArray) -> FloatArray:
    """Normal force, and force along x and y, on the pad, of forces on the body in the frame of the pad, (n, 3)."""
    return np.stack([force[:, 2], -force[:, 0], -force[:, 1]], axis=1)


def _deepest(solids: list[Solid], worlds: Indices, grid: GridOnPlane) -> FloatArray:
    """Depth of the points of a grid in the body, that in the geom in which it is deepest, metres."""
    depth = solids[0].depth(worlds, grid)
    for solid in solids[1:]:
        np.maximum(depth, solid.depth(worlds, grid), out=depth)
    return depth


def _matrices(quat: FloatArray) -> FloatArray:
    """Rotation matrices (n, 3, 3) of unit quaternions (n, 4)."""
    w, x, y, z = quat.T
    rows = (
        (1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        (2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        (2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    )
    return np.stack([np.stack(row, axis=1) for row in rows], axis=1)


def _size_of_face(model: mujoco.MjModel, site: str) -> tuple[float, float]:
    """Sides in metres of the face that a site is in the middle of, along its x and y.

    Raises ValueError where the geom of its name is no box, or has no such face.
    """
    geom = model.geom(site).id
    kind = mujoco.mjtGeom(model.geom_type[geom])
    if kind != mujoco.mjtGeom.mjGEOM_BOX:
        raise ValueError(f"the pad {site!r} must be a face of a box, which is flat, its geom is of kind {kind.name}")
    at = model.site(site)
    place, turn = _seen_from(model.geom_pos[geom], model.geom_quat[geom], at.pos, at.quat)
    half = model.geom_size[geom]
    sides = np.abs(turn.T) @ half  # along x, y, z of the site
    along = np.abs(np.abs(turn).max(axis=0) - 1.0).max() < 1e-6
    same_body = model.geom_bodyid[geom] == at.bodyid[0]
    if not (along and same_body and np.allclose(place, turn[:, 2] * sides[2], atol=1e-6)):
        raise ValueError(
            f"the site {site!r} must lie in the middle of a face of the box {site!r} of its body, z out of it and x "
            f"along an edge; it lies at {np.round(place, 6).tolist()} m in a box of half sizes {half.tolist()} m"
        )
    return float(2 * sides[0]), float(2 * sides[1])


def _seen_from(
    origin: FloatArray, quat: FloatArray, place: FloatArray, turn: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Place (3,) and axes as columns (3, 3) of a frame as another one, of origin and quaternion, has them."""
    own, other = (_matrices(np.asarray(each)[None])[0] for each in (quat, turn))
    return own.T @ (place - origin), own.T @ other
