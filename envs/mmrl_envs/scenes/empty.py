"""The beginning of every scene: how its physics is stepped and solved, and the sky."""

from __future__ import annotations

import mujoco


def make_empty_scene(name: str, physics_hz: int, headlight: float) -> mujoco.MjSpec:
    """A scene with nothing but a sky, in radians.

    Args:
        name: of the model.
        physics_hz: physics steps per second.
        headlight: ambient and diffuse brightness of the light at the camera, 0 to 1.
    """
    spec = mujoco.MjSpec()
    spec.modelname = name
    spec.compiler.degree = False
    spec.option.timestep = 1.0 / physics_hz
    spec.option.integrator = mujoco.mjtIntegrator.mjINT_IMPLICITFAST
    spec.option.cone = mujoco.mjtCone.mjCONE_ELLIPTIC
    spec.stat.extent, spec.visual.map.znear = 1.0, 0.01
    spec.visual.headlight.ambient = spec.visual.headlight.diffuse = (headlight,) * 3
    spec.visual.headlight.specular = (0.0, 0.0, 0.0)
    spec.add_texture(
        name="backdrop",
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=(0.93, 0.95, 0.97),
        rgb2=(0.70, 0.76, 0.82),
        width=64,
        height=64 * 6,
    )
    return spec
