"""Parts of a MuJoCo model that PyBullet cannot express, refused by name."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import mujoco
import numpy as np

from mmrl_envs.physics.bullet.contacts import meeting, touching_geoms
from mmrl_envs.physics.bullet.links import GROUND, LinkTree, read_links

_GEOM, _JOINT, _SENSOR = mujoco.mjtGeom, mujoco.mjtJoint, mujoco.mjtSensor
SHAPES = frozenset(
    map(
        int,
        (
            _GEOM.mjGEOM_PLANE,
            _GEOM.mjGEOM_SPHERE,
            _GEOM.mjGEOM_CAPSULE,
            _GEOM.mjGEOM_CYLINDER,
            _GEOM.mjGEOM_BOX,
            _GEOM.mjGEOM_MESH,
        ),
    )
)
"""Geom types that have a Bullet shape."""
_CONSTRAINT_SENSORS = {
    int(kind): kind.name
    for kind in (
        _SENSOR.mjSENS_TOUCH,
        _SENSOR.mjSENS_TACTILE,
        _SENSOR.mjSENS_JOINTLIMITPOS,
        _SENSOR.mjSENS_JOINTLIMITVEL,
        _SENSOR.mjSENS_JOINTLIMITFRC,
        _SENSOR.mjSENS_TENDONLIMITPOS,
        _SENSOR.mjSENS_TENDONLIMITVEL,
        _SENSOR.mjSENS_TENDONLIMITFRC,
        _SENSOR.mjSENS_PLUGIN,
        _SENSOR.mjSENS_USER,
    )
}
NET_FORCE = (1 << int(mujoco.mjtConDataField.mjCONDATA_FORCE), 3, 1)
"""`intprm` of the one kind of contact sensor there is: the net force of all contacts."""


class NotExpressible(ValueError):
    """A scene that another engine cannot simulate as MuJoCo does."""


def require_expressible(model: mujoco.MjModel) -> LinkTree:
    """The links of a model that PyBullet can simulate as MuJoCo does.

    Raises:
        NotExpressible: naming everything in the model that PyBullet would simulate otherwise or not at all.
    """
    _refuse([reason for check in (_features, _joints, _sensors) for reason in check(model)])
    tree = read_links(model)  # there are links only where the joints are right
    _refuse([*_masses(model, tree), *_contacts(model, tree)])
    return tree


def _refuse(reasons: list[str]) -> None:
    if reasons:
        raise NotExpressible(f"PyBullet cannot express this scene: {'; '.join(reasons)}")


def _features(model: mujoco.MjModel) -> Iterator[str]:
    counts = {
        "tendons": model.ntendon,
        "equality constraints": model.neq,
        "flexible bodies": model.nflex,
        "plugins": model.nplugin,
        "explicit contact pairs": model.npair,
        "contact exclusions": model.nexclude,
        "actuators with a state": model.na,
    }
    for what, count in counts.items():
        if count:
            yield f"it has {what} ({count})"
    if model.opt.disableflags or model.opt.enableflags:
        flags = f"disableflags {model.opt.disableflags}, enableflags {model.opt.enableflags}"
        yield f"physics options are switched ({flags})"


def _joints(model: mujoco.MjModel) -> Iterator[str]:
    for i in range(model.njnt):
        kind = _JOINT(model.jnt_type[i])
        if kind not in (_JOINT.mjJNT_HINGE, _JOINT.mjJNT_SLIDE):
            yield f"joint {_name(model.joint, i)} is of type {kind.name}, only hinges and slides are known"
    for body in np.flatnonzero(model.body_jntnum > 1):
        yield f"body {_name(model.body, body)} has {model.body_jntnum[body]} joints, at most one is known"
    for dof in np.flatnonzero(model.dof_frictionloss):
        yield f"joint {_name(model.joint, model.dof_jntid[dof])} has frictionloss {model.dof_frictionloss[dof]:g}"


def _sensors(model: mujoco.MjModel) -> Iterator[str]:
    for i in range(model.nsensor):
        kind = int(model.sensor_type[i])
        if kind in _CONSTRAINT_SENSORS:
            yield f"sensor {_name(model.sensor, i)} is of type {_CONSTRAINT_SENSORS[kind]}"
        elif kind == _SENSOR.mjSENS_CONTACT and not is_net_force(model, i):
            yield f"contact sensor {_name(model.sensor, i)} does not give the net force of one body"


def is_net_force(model: mujoco.MjModel, sensor: int) -> bool:
    """Whether a sensor is the net force of all contacts of a body."""
    return (
        model.sensor_type[sensor] == _SENSOR.mjSENS_CONTACT
        and model.sensor_objtype[sensor] == mujoco.mjtObj.mjOBJ_BODY
        and model.sensor_reftype[sensor] == mujoco.mjtObj.mjOBJ_UNKNOWN
        and tuple(model.sensor_intprm[sensor, :3].tolist()) == NET_FORCE
    )


def _masses(model: mujoco.MjModel, tree: LinkTree) -> Iterator[str]:
    for link in tree.links:
        if not link.inertia.mass > 0 or not (link.inertia.diagonal > 0).all():
            yield f"what joint {_name(model.joint, link.joint)} moves has no mass or no inertia"


def _contacts(model: mujoco.MjModel, tree: LinkTree) -> Iterator[str]:
    moving, fixed, meets = touching_geoms(model, tree)
    if moving and len(tree.links) == 1:
        yield f"joint {_name(model.joint, 0)} is the only one, and nothing holds what Bullet moves by one joint"
    for geom in (*moving, *fixed):
        for check in _GEOM_CHECKS:
            yield from check(model, geom)
    for geom in moving:
        if model.geom_type[geom] == _GEOM.mjGEOM_PLANE:
            yield f"geom {_name(model.geom, geom)} is a plane that moves"
    yield from _moving_pairs(model, tree)
    for i, j in np.argwhere(meets):
        one, other = moving[i], fixed[j]
        names = f"geoms {_name(model.geom, one)} and {_name(model.geom, other)}"
        same = (model.geom_solref, model.geom_solimp, model.geom_priority)
        if not all(np.array_equal(field[one], field[other]) for field in same):
            yield f"{names} differ in solref, solimp or priority"
    friction = np.maximum(model.geom_friction[moving, 0][:, None], model.geom_friction[fixed, 0][None, :])
    for j, geom in enumerate(fixed):
        values = friction[meets[:, j], j]
        if np.ptp(values):
            yield f"friction with geom {_name(model.geom, geom)} depends on what touches it ({values.tolist()})"


def _moving_pairs(model: mujoco.MjModel, tree: LinkTree) -> Iterator[str]:
    geoms = np.flatnonzero(tree.link_of[model.geom_bodyid] != GROUND)
    for one, other in np.argwhere(np.triu(meeting(model, geoms, geoms), 1)):
        first, second = (tree.link_of[model.geom_bodyid[geoms[i]]] for i in (one, other))
        if first not in (second, tree.links[second].parent):  # MuJoCo lets neighbours pass, too
            names = f"{_name(model.geom, geoms[one])} and {_name(model.geom, geoms[other])}"
            yield f"geoms {names} may touch and both move"


def _shape(model: mujoco.MjModel, geom: int) -> Iterator[str]:
    if model.geom_type[geom] not in SHAPES:
        yield f"geom {_name(model.geom, geom)} is of type {_GEOM(model.geom_type[geom]).name}"


def _friction_dimensions(model: mujoco.MjModel, geom: int) -> Iterator[str]:
    if model.geom_condim[geom] != 3:
        yield f"geom {_name(model.geom, geom)} has condim {model.geom_condim[geom]}, only 3 is known"


def _distances(model: mujoco.MjModel, geom: int) -> Iterator[str]:
    if model.geom_margin[geom] or model.geom_gap[geom]:
        yield f"geom {_name(model.geom, geom)} has a margin or gap"


def _direct_solref(model: mujoco.MjModel, geom: int) -> Iterator[str]:
    if not (model.geom_solref[geom] > 0).all():
        yield f"geom {_name(model.geom, geom)} has a solref {model.geom_solref[geom].tolist()} that is not positive"


_GEOM_CHECKS: tuple[Callable[[mujoco.MjModel, int], Iterator[str]], ...] = (
    _shape,
    _friction_dimensions,
    _distances,
    _direct_solref,
)


def _name(accessor: Callable[[int], object], number: int | np.intp) -> str:
    name = accessor(int(number)).name  # type: ignore[attr-defined]  # MuJoCo's named views
    return repr(name) if name else f"#{number}"
