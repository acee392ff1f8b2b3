"""A microphone on a box that is struck and rubbed: what it hears, what it keeps, what it refuses."""

from typing import Any

import gymnasium as gym
import mujoco
import numpy as np
import pytest
from scipy.signal import spectrogram

import mmrl_envs  # noqa: F401  # registers the environments
from mmrl_envs.physics.sound import MATERIALS, SAMPLE_HZ, plate_row
from mmrl_envs.physics.sound.materials import contact_time, half_sine_spectrum
from mmrl_envs.physics.sound.plates import PICKUP, modes_of
from mmrl_envs.physics.sound.resonators import HIGHEST_HZ
from mmrl_envs.physics.sound.spectrogram import QUIET, mel_weights
from mmrl_envs.vector_env import RobotVectorEnv
from tests.toys.tapping import ROD_KG, Tapping

EACH = np.arange(4.0)
STILL = {"stretch": 1.0, "material": EACH}


def make(num_envs: int = 4, task: Tapping | None = None, **kwargs: Any) -> RobotVectorEnv:
    kwargs = {"sensors": ("microphone", "tap_sound"), "context": STILL, "max_episode_steps": 8, **kwargs}
    return RobotVectorEnv(task or Tapping(), num_envs, num_threads=1, **kwargs)


def played(envs: RobotVectorEnv, steps: int, force: tuple[float, float] = (0.0, 0.0)) -> list[dict[str, Any]]:
    """Observations after each step under a steady force."""
    action = np.tile(np.array(force, np.float32), (envs.num_envs, 1))
    return [envs.step(action)[0] for _ in range(steps)]


def heard(envs: RobotVectorEnv) -> np.ndarray:
    """The sound of the last control step, (N, samples)."""
    sound = envs.sensors[0].sound
    assert sound is not None
    assert sound.rate_hz == SAMPLE_HZ
    return sound.samples.copy()


def test_a_tap_rings_in_the_modes_of_the_plate_from_the_moment_of_contact() -> None:
    """Velocity of mode j: J S(f_j) phi_j(struck) phi_j(heard) / m_j exp(-d_j t) cos(2 pi f_j t), J = m v."""
    envs = make(context={**STILL, "place_m": 0.013})
    envs.reset(seed=0)
    sound = []
    for _ in range(3):
        played(envs, 1)
        sound.append(heard(envs))
        touch = envs.world.recorded("microphone/touch")
        if touch[0, :, 0].any() and len(sound) < 3:
            first = len(sound) - 1, int(touch[0, :, 0].argmax())
            speed = -touch[0, first[1], 7]
    assert speed == pytest.approx(0.19, abs=0.01)  # 0.2 m/s less what damping takes
    samples, onset = np.concatenate(sound, axis=1), first[0] * 800 + first[1] * 16
    assert np.abs(samples[:, :onset]).max() == 0.0
    plates = np.stack([plate_row(material, (0.08, 0.07, 0.003)) for material in MATERIALS.values()])
    modes, t = modes_of(plates), np.arange(samples.shape[1] - onset) / SAMPLE_HZ
    duration = contact_time(ROD_KG, 0.006, plates[:, 0], plates[:, 2], np.full(4, speed))
    size = ROD_KG * speed * half_sine_spectrum(modes.frequency_hz, duration[:, None]) / modes.mass_kg
    size *= modes.shape_at(np.tile([0.5 + 0.013 / 0.08, 0.5], (4, 1))) * modes.shape_at(np.tile(PICKUP, (4, 1)))
    size *= modes.frequency_hz < HIGHEST_HZ
    wave = np.exp(-modes.decay[..., None] * t) * np.cos(2 * np.pi * modes.frequency_hz[..., None] * t)
    expected = (size[..., None] * wave).sum(axis=1)
    error = np.abs(samples[:, onset : onset + 800] - expected[:, :800]).max(axis=1)
    assert (error < 1e-2 * np.abs(expected).max(axis=1)).all()  # the rod rubs a little, too
    envs.close()


def test_frames_are_windows_of_the_sound_whatever_control_step_they_fall_into() -> None:
    envs = make(context={**STILL, "place_m": -0.03})
    envs.reset(seed=1)
    sound = [np.zeros((4, 160))]  # windows reach back before the start
    for _ in range(7):
        observation = played(envs, 1, (0.1, -0.08))[0]
        sound.append(heard(envs))
    _, _, power = spectrogram(
        np.concatenate(sound, axis=1), SAMPLE_HZ, "hann", 320, 160, detrend=False, scaling="spectrum"
    )
    expected = 10 * np.log10(1 + np.einsum("nfk,fb->nkb", power, mel_weights(24, 320)) / QUIET**2)
    np.testing.assert_allclose(observation["microphone"][:, -35:], expected, atol=1e-2)
    assert (expected[:, -1].max(axis=1) > 10).all()  # it is rubbed to the end
    envs.close()


def test_pressing_harder_and_sliding_faster_rub_louder_and_resting_is_silent() -> None:
    loud = []
    for force in ((0.0, -0.04), (0.1, -0.04), (0.16, -0.1)):
        context = {**STILL, "material": 2.0, "place_m": -0.03, "down_m_s": 0.05}
        envs = make(max_episode_steps=None, context=context)
        envs.reset(seed=0)
        played(envs, 7, (0.0, force[1]))
        played(envs, 1, force)
        envs.close()
        loud.append(np.sqrt(np.square(heard(envs)).mean()))
    assert loud[0] < 1e-7
    assert loud[1] > 1e-5
    assert loud[2] > 1.2 * loud[1]  # the same surplus of force slides as fast, under 2.5 times the load: root 2.5


def test_an_episode_begins_in_silence_and_a_saved_state_goes_on_bit_for_bit() -> None:
    envs, twin = make(), make()
    envs.reset(seed=0)
    seen = played(envs, 4)
    assert seen[-1]["microphone"].max() > 20
    twin.reset(seed=9)
    played(twin, 2)
    twin.set_state(envs.get_state())
    for one, other in zip(played(envs, 6, (0.3, -0.2)), played(twin, 6, (0.3, -0.2)), strict=True):
        for name in one:
            np.testing.assert_array_equal(one[name], other[name])
    observation, _ = envs.reset(seed=0)
    assert {name: float(array.max()) for name, array in observation.items()} == {"microphone": 0.0, "tap_sound": 0.0}
    for one, other in zip(played(envs, 4), seen, strict=True):
        np.testing.assert_array_equal(one["microphone"], other["microphone"])
    envs.close()
    twin.close()


def test_a_world_sounds_the_same_whatever_the_number_of_worlds() -> None:
    many, one = make(4, context={"material": 1.0}), make(1, context={"material": 1.0})
    for envs in (many, one):
        envs.reset(seed=4)
    for all_of_them, alone in zip(played(many, 10, (0.2, -0.2)), played(one, 10, (0.2, -0.2)), strict=True):
        np.testing.assert_allclose(all_of_them["microphone"][:1], alone["microphone"], atol=1e-3)
    many.close()
    one.close()


def test_noise_is_in_decibels_and_silence_stays_the_least_there_is() -> None:
    envs = make(sensors=("microphone",), context={**STILL, "microphone_noise": 2.0})
    quiet = envs.reset(seed=0)[0]["microphone"]
    assert 0.3 < quiet[quiet > 0].std() < 3.0  # decibels; half of it is clipped to silence
    assert quiet.min() == 0.0
    envs.close()


def test_the_plate_may_be_given_in_place_of_the_task() -> None:
    given = "microphone:material=wood,sides_m=[0.08,0.07,0.003],history=8"
    envs = make(2, sensors=(given, "microphone:name=own,history=8"), context={"material": 2.0, "stretch": 1.0})
    envs.reset(seed=0)
    for seen in played(envs, 5):
        np.testing.assert_array_equal(seen["microphone"], seen["own"])
    assert seen["own"].shape == (2, 8, 24)
    envs.close()


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        ("microphone:material=jelly", "unknown material 'jelly'; materials are steel, glass, wood, plastic"),
        ("microphone:rate_hz=10", "at least control_hz, 20, got 10"),
        ("tap_sound:frames_hz=30", "must divide 16000 and be a multiple of control_hz, 20, got 30"),
        ("microphone:bands=200", r"'microphone': a window of 20 ms tells at most \d+ bands apart, got 200"),
        ("microphone:window_ms=5", "at least as long as the time between frames, 10 ms.*got 5 ms"),
        ("microphone:window_ms=20.03", "window_ms must be whole samples of 0.0625 ms, got 20.03"),
        ("microphone:sides_m=[1,1,0.1]", "give material too"),
        (
            "microphone:material=wood,sides_m=[1,0,0.1]",
            r"sides_m\[1\]|sides_m must be a number, in \[0.0001, 10\], got 0",
        ),
        ("microphone:listens_to=bell", "nothing here is called 'bell'.*the geoms rod, sounding; the joints x, z"),
        ("tap_sound:frames=0", "frames must be a whole number of at least 1, got 0"),
    ],
)
def test_unfit_senses_are_refused_by_name_with_the_bound(sensor: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(sensors=(sensor,))


def test_what_sounds_is_a_box_or_a_slide_and_the_physics_fits_the_samples() -> None:
    with pytest.raises(ValueError, match="must be a box, but the geom 'sounding' is none"):
        make(task=Tapping(mujoco.mjtGeom.mjGEOM_ELLIPSOID))
    with pytest.raises(ValueError, match="16000 samples per second, which physics_hz must divide, got 1200"):
        make(physics_hz=1200)
    with pytest.raises(ValueError, match="needs the fields sounding_plate"):
        gym.make_vec("mmrl/PegInsertion-v0", num_envs=1, sensors=("microphone",))
