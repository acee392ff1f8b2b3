"""The tactile pad: what its taxels add up to, what they show, what it refuses, and all that every sense can do."""

from dataclasses import replace

import mujoco
import numpy as np
import pytest
from numpy.typing import NDArray

from mmrl.faults import BrokenVectorSenses, Delayed, Frozen
from mmrl.modality import Modality, Unencoded
from mmrl_envs.physics.world import World
from mmrl_envs.sensors import Sensor, View
from mmrl_envs.sensors.tactile.pad import TactilePad
from tests.toys.pressing import HALF_PAD, STIFFNESS, Pressing, geom, pressing

BOX = geom("box", 0.008, 0.006, 0.02, pos=[0, 0, 0.02])
PRESS = np.array([[0, 0, -0.8, 0, 0, 0], [0.3, -0.2, -0.7, 0.01, 0.02, 0.3]], np.float32)
CELL = 2 * HALF_PAD / 16


class Contacts(Sensor):
    """Each of eight contacts by itself: force in its own frame, place, normal, tangent; then the pose of the pad."""

    newest_only = True
    modality = Modality("contacts", shape=(8 * 13 + 7,), rate_hz=20, encoder=Unencoded())

    def install(self, spec: mujoco.MjSpec) -> None:
        kinds, objects, data = mujoco.mjtSensor, mujoco.mjtObj, mujoco.mjtConDataField
        fields = (data.mjCONDATA_FOUND, data.mjCONDATA_FORCE, data.mjCONDATA_POS, data.mjCONDATA_NORMAL)
        spec.add_sensor(
            name="contacts",
            type=kinds.mjSENS_CONTACT,
            objtype=objects.mjOBJ_GEOM,
            objname="pad",
            reftype=objects.mjOBJ_BODY,
            refname="object",
            intprm=[sum(1 << int(f) for f in (*fields, data.mjCONDATA_TANGENT)), 0, 8],
        )
        for name, kind in (("pad_at", kinds.mjSENS_FRAMEPOS), ("pad_as", kinds.mjSENS_FRAMEQUAT)):
            spec.add_sensor(name=name, type=kind, objtype=objects.mjOBJ_SITE, objname="pad")

    def read(self, view: View) -> NDArray[np.float64]:
        return np.concatenate([view[name] for name in ("contacts", "pad_at", "pad_as")], axis=2)


def totals(map_: np.ndarray) -> np.ndarray:
    """Forces and the moment about the normal that taxels (k, k, 3) of 1.5 mm add up to, (4,)."""
    at = (np.arange(16) - 7.5) * CELL
    moment = (at[None, :] * map_[..., 2] - at[:, None] * map_[..., 1]).sum()
    return np.array([*map_.sum(axis=(0, 1)), moment])


def of_contacts(row: np.ndarray) -> np.ndarray:
    """The same of MuJoCo's single contacts."""
    place, turn = row[104:107], np.zeros(9)
    mujoco.mju_quat2Mat(turn, row[107:])
    total = np.zeros(4)
    for _, *numbers in row[:104].reshape(8, 13)[row[:104:13] > 0]:
        force, at, normal, tangent = np.reshape(numbers, (4, 3))
        world = np.stack([normal, tangent, np.cross(normal, tangent)], axis=1) @ force  # on the body
        f, r = -turn.reshape(3, 3).T @ world, turn.reshape(3, 3).T @ (at - place)
        total += [-f[2], f[0], f[1], r[0] * f[1] - r[1] * f[0]]
    return total


class Unrounded(Sensor):
    """A sensor whose readings are kept as it gives them: observations are rounded to 32 bits."""

    newest_only = True

    def __init__(self, inner: Sensor) -> None:
        self.inner, self.modality, self.requires = inner, inner.modality, inner.requires
        self.readings: list[NDArray[np.float64]] = []

    def install(self, spec: mujoco.MjSpec) -> None:
        self.inner.mounts = self.mounts
        self.inner.install(spec)

    def attach(self, world: World) -> None:
        self.inner.attach(world)

    def read(self, view: View) -> NDArray[np.float64]:
        self.readings.append(self.inner.read(view)[:, 0])
        return self.readings[-1][:, None]


def test_taxels_add_up_to_force_and_moment_of_the_contacts() -> None:
    touch, contacts = Unrounded(TactilePad()), Unrounded(Contacts())
    envs = pressing(Pressing(BOX), touch, contacts)
    envs.reset(seed=0)
    for _ in range(30):
        envs.step(PRESS)
    for maps, rows in zip(touch.readings[12:], contacts.readings[12:], strict=True):
        for map_, row in zip(maps, rows, strict=True):
            expected = of_contacts(row)
            assert expected[0] > 5.0  # newtons: it is pressed
            np.testing.assert_allclose(totals(map_), expected, atol=1e-9)
    # at last the force is that of the servo: 200 N/m on 35 mm
    assert totals(maps[1])[0] == pytest.approx(STIFFNESS * 0.035, rel=0.03)


def test_of_a_body_that_hangs_on_the_pad_they_add_up_to_what_its_joints_carry_and_the_suction() -> None:
    envs = pressing(Pressing(BOX, hangs=True), TactilePad(suction_n=3.0))
    envs.reset(seed=0)
    for _ in range(40):
        seen, *_ = envs.step(0 * PRESS)
    # servo and spring have the same stiffness, and act along the axes of the pad, the yaw about its normal
    joints = 2 * STIFFNESS * envs.world.qpos[0]
    assert abs(joints[2]) > 1.0
    np.testing.assert_allclose(totals(seen["tactile"][0])[:3], [3.0 - joints[2], joints[0], joints[1]], atol=1e-3)


def test_the_map_is_the_outline_of_what_presses() -> None:
    # a box of 16 x 12 mm, upright, pressed evenly: taxels of 1.5 mm whose middles lie within 8 and 6 mm of the middle
    seen, _ = pressing(Pressing(BOX, at=(0, 0, -0.0005, 0, 0, 0)), TactilePad()).reset(seed=0)
    normal = seen["tactile"][0, :, :, 0]
    at = np.abs((np.arange(16) - 7.5) * CELL)
    inside = (at[:, None] < 0.006 - CELL) & (at[None, :] < 0.008 - CELL)
    outside = (at[:, None] > 0.006 + CELL) | (at[None, :] > 0.008 + CELL)
    assert normal[inside].min() > 0.95 * normal.max()
    assert normal[outside].max() < 0.02 * normal.max()


def test_rows_go_along_y_and_columns_along_x() -> None:
    ball = geom("sphere", 0.004, pos=[0.006, 0.003, 0.004])
    seen, _ = pressing(Pressing(ball, at=(0, 0, -0.001, 0, 0, 0)), TactilePad()).reset(seed=0)
    row, column = np.unravel_index(seen["tactile"][0, :, :, 0].argmax(), (16, 16))
    assert (row, column) in [(9, 11), (9, 12), (10, 11), (10, 12)]  # 7.5 + 3 / 1.5 and 7.5 + 6 / 1.5


def test_it_has_two_pads_resolutions_and_the_mask_of_the_glove() -> None:
    sensor = TactilePad(resolution=32, mask="glove")
    seen, _ = pressing(Pressing(geom("box", 0.02, 0.02, 0.01, pos=[0, 0, 0.0095])), sensor).reset(seed=0)
    assert ((seen["tactile"][0, :, :, 0] > 0).sum(), seen["tactile"].shape) == (548, (2, 32, 32, 3))
    assert TactilePad(pads=("left", "right")).modality.shape == (16, 16, 6)
    assert TactilePad(pads=("left", "right")).modality.labels[3] == "right normal"


@pytest.mark.parametrize(
    ("task", "options", "message"),
    [
        (Pressing(BOX, {"type": mujoco.mjtGeom.mjGEOM_CYLINDER}), {}, "'pad' must be a face of a box.*mjGEOM_CYLINDER"),
        (Pressing(BOX, {"pos": [0, 0, -0.003]}), {}, "in the middle of a face of the box 'pad'.*0.003"),
        (Pressing(BOX), {"pads": ("side",)}, "'side' has no geom of its name"),
        (Pressing(BOX), {"pads": ("palm",)}, "needs the mounts palm; there are pad, side"),
        (Pressing(BOX), {"body": "pen"}, "there is no body 'pen'"),
        (Pressing(BOX), {"suction_n": 1.0}, "suction_n is of a body that hangs on the pad"),
        (Pressing(geom("ellipsoid", 0.01, 0.01, 0.02)), {}, "sensor 'tactile'.*is of kind ellipsoid"),
    ],
)
def test_unfit_pads_and_bodies_are_refused(task: Pressing, options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        pressing(task, TactilePad(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"resolution": 65}, "resolution of 'tactile' must be at most 64, got 65"),
        ({"resolution": 7}, "resolution must be .* 8"),
        ({"mask": "glove"}, "resolution of 'tactile' must be 32 with the mask of the glove, got 16"),
        ({"mask": "mitten"}, r"mask of 'tactile' must be one of \('full', 'glove'\), got 'mitten'"),
        ({"pads": ("a", "b", "c")}, "must be one or two different mounts"),
        ({"blur_m": 0.0}, "needs a blur_m > 0"),
    ],
)
def test_bad_options_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        TactilePad(**options)  # type: ignore[arg-type]


def test_it_has_units_bounds_and_noise() -> None:
    sensor = TactilePad()
    still, _ = pressing(Pressing(BOX), TactilePad()).reset(seed=0)
    noisy, _ = pressing(Pressing(BOX), sensor, context={"tactile_noise": 1.0}).reset(seed=0)
    assert (noisy["tactile"] - still["tactile"]).std() == pytest.approx(0.01, rel=0.1)  # newtons
    assert sensor.modality.units == ("N",) * 3
    assert sensor.modality.space.contains(noisy["tactile"][0])


@pytest.mark.parametrize("fault", [Frozen(), Delayed(2)])
def test_it_breaks_as_every_sense_does(fault: Frozen | Delayed) -> None:
    plain = pressing(Pressing(BOX), TactilePad())
    broken = BrokenVectorSenses(pressing(Pressing(BOX), TactilePad()), {"tactile": fault})
    seen = [plain.reset(seed=0)[0]["tactile"]] + [plain.step(PRESS)[0]["tactile"] for _ in range(4)]
    felt = [broken.reset(seed=0)[0]["tactile"]] + [broken.step(PRESS)[0]["tactile"] for _ in range(4)]
    assert np.abs(seen[4] - seen[2]).max() > 1e-3
    np.testing.assert_array_equal(felt[4], seen[2 if isinstance(fault, Delayed) else 0])


def test_latency_shows_what_was_felt_then() -> None:
    late = TactilePad("late")
    late.modality = replace(late.modality, latency_s=0.1)  # two control steps
    envs = pressing(Pressing(BOX), TactilePad(), late)
    seen = [envs.reset(seed=0)[0]] + [envs.step(PRESS)[0] for _ in range(5)]
    np.testing.assert_array_equal(seen[5]["late"], seen[3]["tactile"])


def test_a_saved_state_goes_on_with_the_same_readings() -> None:
    envs, twin = (pressing(Pressing(BOX), TactilePad()) for _ in range(2))
    envs.reset(seed=0)
    twin.reset(seed=4)
    for _ in range(5):
        envs.step(PRESS)
    twin.set_state(envs.get_state())
    np.testing.assert_array_equal(envs.step(PRESS)[0]["tactile"], twin.step(PRESS)[0]["tactile"])
