"""Where OpenGL comes from, and what happens without it: broken drivers, the variables that choose one, processes."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from mmrl_envs.physics import display, gl

gl.configure()

import mujoco  # noqa: E402  # after the OpenGL platform is settled

from mmrl_envs.physics import painter_pool, rendering  # noqa: E402
from mmrl_envs.physics.raycast import RaycastPainter  # noqa: E402
from mmrl_envs.physics.rendering import Renderer, make_renderer  # noqa: E402

SCENE = mujoco.MjModel.from_xml_string("""
<mujoco><worldbody>
  <camera name="above" pos="0 0 1"/>
  <geom type="plane" size="0 0 1" rgba="0.1 0.1 0.9 1"/>
  <body name="box" mocap="true"><geom type="box" size="0.1 0.1 0.1" rgba="0.9 0.1 0.1 1"/></body>
</worldbody></mujoco>
""")


def draw(renderer: Renderer) -> np.ndarray:
    """Three worlds, the box elsewhere in each."""
    places = np.array([[[-0.2, 0.1, 0.1]], [[0.0, 0.0, 0.1]], [[0.15, -0.1, 0.1]]])
    turns = np.tile([1.0, 0.0, 0.0, 0.0], (3, 1, 1))
    images: np.ndarray = renderer.render([SCENE] * 3, np.zeros((3, 0)), places, turns, "above", 64, 64)
    return images


class NeverStarts(RaycastPainter):
    """A driver that gives no context."""

    def __init__(self, *arguments: Any) -> None:
        raise OSError("no context to be had")


class DiesLater(RaycastPainter):
    """A driver that fails while it draws."""

    def __init__(self, model: mujoco.MjModel, look: Any, geom_groups: Sequence[int]) -> None:
        super().__init__(geom_groups)

    def paint(self, *arguments: Any, **options: Any) -> None:
        raise OSError("the device is lost")


class Hangs(DiesLater):
    """A driver that never returns, for as long as a test cares."""

    def paint(self, *arguments: Any, **options: Any) -> None:
        time.sleep(1.5)


@pytest.mark.parametrize(
    ("driver", "complaint"),
    [(NeverStarts, "no context"), (DiesLater, "is lost"), (Hangs, "silent for 0.2 s")],
)
def test_a_broken_driver_is_replaced_by_ray_casting_with_one_warning(
    driver: type[RaycastPainter],
    complaint: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    if gl.preferred() == "raycast":
        pytest.skip("no OpenGL platform to replace")
    monkeypatch.setattr(rendering, "OpenGLPainter", driver)
    monkeypatch.setattr(painter_pool, "PATIENCE_S", 0.2)
    exact = make_renderer(SCENE, backend="raycast")
    for _ in range(2):
        renderer = make_renderer(SCENE, num_threads=2)
        np.testing.assert_array_equal(draw(renderer), draw(exact))
        assert renderer.backend == "raycast"
        assert renderer.failures == 1
        renderer.close()
    warnings = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert len(warnings) == 1
    assert complaint in warnings[0].getMessage()
    assert "apt-get install libegl1" in warnings[0].getMessage()
    exact.close()


def test_the_environment_variable_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MMRL_RENDERER", "raycast")
    assert make_renderer(SCENE).backend == "raycast"
    monkeypatch.setenv("MMRL_RENDERER", "vulkan")
    with pytest.raises(ValueError, match="'vulkan'; it can be one of egl, osmesa, raycast"):
        make_renderer(SCENE)
    other = "egl" if gl.bound_platform() == "osmesa" else "osmesa"
    monkeypatch.setenv("MMRL_RENDERER", other)
    with pytest.raises(RuntimeError, match=f"MMRL_RENDERER={other}, but MuJoCo was imported with"):
        draw(make_renderer(SCENE))


def test_no_silent_fallback_from_what_the_variable_asks_for(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    platform = gl.preferred()
    if platform not in gl.RENDERERS or platform == "raycast":
        pytest.skip("no OpenGL platform that the variable can name")
    monkeypatch.setenv("MMRL_RENDERER", platform)
    monkeypatch.setattr(rendering, "OpenGLPainter", NeverStarts)
    with pytest.raises(RuntimeError, match="no context to be had"):
        draw(make_renderer(SCENE))


def run_python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """`script` in a fresh interpreter without this one's OpenGL settings."""
    dropped = ("MUJOCO_GL", "PYOPENGL_PLATFORM", "LP_NUM_THREADS", "MMRL_RENDERER", display.ANSWER_VARIABLE)
    clean = {name: value for name, value in os.environ.items() if name not in dropped}
    return subprocess.run(
        [sys.executable, "-c", script],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo picks its platform")
def test_mujoco_may_be_imported_first() -> None:
    if gl.preferred() not in ("egl", "osmesa"):
        pytest.skip("no off-screen OpenGL on this machine")
    result = run_python("import mujoco" + DRAW + "print(renderer.backend)", DISPLAY="")
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() in ("egl", "osmesa")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo picks its platform")
@pytest.mark.parametrize("asked", ["", "egl", "osmesa", "disable", "glfw", "nonsense"])
def test_importing_works_whatever_mujoco_gl_names(asked: str) -> None:
    script = """
import os
from mmrl_envs.physics import gl
gl.configure()
import mujoco
print(os.environ["MUJOCO_GL"], gl.bound_platform())
"""
    result = run_python(script, MUJOCO_GL=asked, DISPLAY="", WAYLAND_DISPLAY="")
    assert result.returncode == 0, result.stderr
    chosen, bound = result.stdout.split()
    assert bound == {"disable": "none"}.get(chosen, chosen)
    if asked == "disable":
        assert chosen == "disable"
    elif asked and chosen != asked:
        said = "counts as unset: it can be one of" if asked == "nonsense" else "cannot work here"
        assert f"MUJOCO_GL={asked} {said}" in result.stderr
    if asked != "disable" and gl.preferred() in ("egl", "osmesa"):
        assert chosen in ("egl", "osmesa")  # also where a window was asked for


DRAW = """
import numpy as np, os, sys
from mmrl_envs.physics import gl
gl.configure()
import mujoco
from mmrl_envs.physics.rendering import make_renderer
model = mujoco.MjModel.from_xml_string(
    '<mujoco><worldbody><camera name="c" pos="0 0 3"/><geom size="1"/></worldbody></mujoco>'
)
renderer = make_renderer(model, num_threads=2)
def draw():
    return renderer.render([model] * 4, np.zeros((4, 0)), np.zeros((4, 0, 3)), np.zeros((4, 0, 4)),
                           "c", 32, 32)
image = draw()
"""


DEAD_DISPLAY = ":77"
TWO = (
    DRAW
    + """
other = make_renderer(model)
other.render([model], np.zeros((1, 0)), np.zeros((1, 0, 3)), np.zeros((1, 0, 4)), "c", 32, 32)
print(renderer.backend, other.backend)
"""
)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo picks its platform")
@pytest.mark.parametrize("asked", ["", "glfw"])
@pytest.mark.parametrize("first", ["", "import mujoco"])
def test_a_display_that_does_not_open_hangs_nothing(first: str, asked: str) -> None:
    result = run_python(first + TWO, DISPLAY=DEAD_DISPLAY, WAYLAND_DISPLAY="", MUJOCO_GL=asked)
    assert result.returncode == 0, result.stderr
    offscreen = gl.preferred() if gl.preferred() in ("egl", "osmesa") else "raycast"
    assert result.stdout.split() == [offscreen, offscreen]
    if offscreen != "raycast" and (first or asked):
        assert result.stderr == f"DISPLAY={DEAD_DISPLAY} opens no window, so images are drawn with {offscreen}\n"


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo picks its platform")
def test_mujoco_is_not_asked_again_once_it_found_no_opengl() -> None:
    """A display that closes after it was tried: MuJoCo hangs or aborts when it looks for OpenGL twice."""
    settings = {"DISPLAY": DEAD_DISPLAY, "WAYLAND_DISPLAY": "", "MUJOCO_GL": "glfw", "PYTHONWARNINGS": "ignore"}
    result = run_python(TWO, **settings, **{display.ANSWER_VARIABLE: f"DISPLAY={DEAD_DISPLAY}: yes"})
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["raycast", "raycast"]
    assert "found no OpenGL in this process before" in result.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere MuJoCo picks its platform")
def test_a_device_that_is_no_number_is_named() -> None:
    if gl.preferred() != "egl":
        pytest.skip("devices are EGL's")
    result = run_python(TWO, MUJOCO_EGL_DEVICE_ID="abc")
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["raycast", "raycast"]
    assert "MUJOCO_EGL_DEVICE_ID='abc' must be the number of a device" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_process_may_end_without_closing() -> None:
    result = run_python(DRAW + "print(image.max())")
    assert result.returncode == 0, result.stderr
    assert int(result.stdout) > 0
    assert result.stderr == ""


@pytest.mark.skipif(sys.platform != "linux", reason="forking a process with threads")
def test_a_forked_child_draws_with_threads_of_its_own() -> None:
    script = """
child = os.fork()
if child == 0:
    same = (draw() == image).all()
    renderer.close()
    os._exit(0 if same else 3)
assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
assert (draw() == image).all()
"""
    result = run_python(DRAW + script)
    assert result.returncode == 0, result.stderr
