"""Which OpenGL MuJoCo draws with, and contexts of it.

MuJoCo binds to one OpenGL platform while it is imported, by `MUJOCO_GL`, and a platform whose
library is missing makes that import fail. So `configure` runs before the first `import mujoco`: it
looks for the libraries with `ctypes` and sets the variable to one that exists. Nothing here imports
MuJoCo at module level.

The order is: what `MMRL_RENDERER` asks for, what `MUJOCO_GL` says, EGL, OSMesa. Without any of them
images come from ray casting. A platform that looks sound here may still refuse a context; that
shows when the first renderer starts. Whether a display opens is tried then too, not at import.
"""

from __future__ import annotations

import ctypes
import logging
import os
import platform
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mmrl_envs.physics import display

RENDERER_VARIABLE = "MMRL_RENDERER"
RENDERERS = ("egl", "osmesa", "raycast")
INSTALL_HINT = "for OpenGL on a machine without a display: apt-get install libegl1 libgl1"

_logger = logging.getLogger(__name__)
_said: set[str] = set()
_platform_lock = threading.RLock()


def configure() -> None:
    """Choose MuJoCo's OpenGL platform; to be called before MuJoCo is imported.

    Leaves `MUJOCO_GL` alone where the user's value can work, and where an imported MuJoCo is bound
    already. Keeps Mesa's software rasteriser from starting threads of its own, which would compete
    with the render threads.

    Raises:
        ValueError: `MMRL_RENDERER` is none of `RENDERERS`.
    """
    demand = demanded()
    os.environ.setdefault("LP_NUM_THREADS", "0")
    bound = "mujoco" in sys.modules
    if not bound:
        _forget_unknown_platform()
    asked = _asked()
    # macOS and Windows bring a platform that MuJoCo picks by itself.
    if platform.system() != "Linux" or _stands(asked, demand, bound):
        return
    usable = _offscreen(demand, asked)
    if asked in (*_PROBES, *_WINDOW_NAMES) and asked not in (usable, demand):
        instead = f"so images are drawn with {usable}" if usable else INSTALL_HINT
        warn_once(f"MUJOCO_GL={asked} cannot work here (no such library, device or display); {instead}")
    if usable is not None:
        os.environ["MUJOCO_GL"] = usable
    elif display.is_named():
        os.environ.pop("MUJOCO_GL", None)  # MuJoCo then tries a window
    else:
        os.environ["MUJOCO_GL"] = "disable"


def demanded() -> str | None:
    """The renderer that `MMRL_RENDERER` names, `None` when it is unset or empty.

    Raises:
        ValueError: the value is none of `RENDERERS`.
    """
    value = os.environ.get(RENDERER_VARIABLE, "").strip().lower()
    if value and value not in RENDERERS:
        raise ValueError(f"{RENDERER_VARIABLE} is {value!r}; it can be one of {', '.join(RENDERERS)}, or unset")
    return value or None


def preferred() -> str:
    """The renderer to try first: "raycast", or the OpenGL platform that the imported MuJoCo is
    bound to.

    Raises:
        RuntimeError: `MMRL_RENDERER` asks for a platform that MuJoCo was not imported with.
    """
    demand = demanded()
    if demand == "raycast":
        return demand
    bound = bound_platform()
    if demand is not None and demand != bound:
        raise RuntimeError(
            f"{RENDERER_VARIABLE}={demand}, but MuJoCo was imported with platform {bound!r}: "
            "the library is missing, or MuJoCo was imported before mmrl_envs; "
            f"{INSTALL_HINT}"
        )
    if bound == "none":
        warn_once(f"no usable OpenGL, so images are ray cast (slower, plain shading); {INSTALL_HINT}")
        return "raycast"
    return bound


def bound_platform() -> str:
    """The OpenGL platform that MuJoCo draws with: "egl", "osmesa", "glfw", "cgl", or "none".

    A MuJoCo that was imported before `configure` on Linux is bound to GLFW. Without a display that
    opens it is of no use, but MuJoCo's library looks at `MUJOCO_GL` only when it first draws, so a
    platform without a display still serves.
    """
    import mujoco

    context_class = vars(mujoco).get("GLContext")
    name = "none" if context_class is None else str(context_class.__module__).rpartition(".")[2]
    if name != "glfw" or platform.system() != "Linux":
        return name
    if _asked() in _PROBES:
        return _asked()
    return name if display.opens() else _instead_of_windows()


def _instead_of_windows() -> str:
    """A platform that needs no display, "none" where there is none."""
    usable = _offscreen()
    if usable is None:
        return "none"
    if display.is_named():
        warn_once(f"{display.variables_set()} opens no window, so images are drawn with {usable}")
    os.environ["MUJOCO_GL"] = usable
    return usable


def create_context() -> Any:
    """A new OpenGL context, made current on the calling thread.

    Returns:
        A `mujoco.GLContext`. It serves off-screen framebuffers, so its own size does not matter.
    """
    name = bound_platform()
    if name == "egl":
        _check_egl_device()
    with exclusive():
        context = import_module(f"mujoco.{name}").GLContext(64, 64)
        try:
            context.make_current()
        except BaseException:
            context.free()
            raise
        return context


@contextmanager
def exclusive() -> Iterator[None]:
    """Hold the process-wide lock for creating and freeing contexts: drivers share one display among
    threads."""
    with _platform_lock:
        yield


def warn_once(message: str) -> None:
    """Log `message` as a warning, the first time this process says it."""
    if message not in _said:
        _said.add(message)
        _logger.warning(message)


def _egl_has_device() -> bool:
    """Whether EGL and OpenGL load and EGL lists a device; initialises no driver, so forking stays
    safe."""
    egl = _load("libEGL.so.1")
    if egl is None or not (_load("libOpenGL.so.0") or _load("libGL.so.1")):
        return False
    egl.eglGetProcAddress.restype = ctypes.c_void_p
    address = egl.eglGetProcAddress(b"eglQueryDevicesEXT")
    if not address or not _pyopengl_accepts("egl"):
        return False
    query = ctypes.CFUNCTYPE(ctypes.c_uint, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_int))(address)
    count = ctypes.c_int(0)
    return bool(query(0, None, ctypes.byref(count))) and count.value > 0


def _osmesa_loads() -> bool:
    names = ("libOSMesa.so", "libOSMesa.so.8", "libOSMesa.so.6")
    return _pyopengl_accepts("osmesa") and any(_load(name) is not None for name in names)


_PROBES: dict[str | None, Callable[[], bool]] = {"egl": _egl_has_device, "osmesa": _osmesa_loads}
_ANYWHERE = ("glfw", "enable", "enabled", "on", "true", "1")
_WINDOW_NAMES = (*_ANYWHERE, "glx")
_OFF_NAMES = ("disable", "disabled", "off", "false", "0")
_ONLY_OF = {"Linux": ("glx", "egl", "osmesa"), "Windows": ("wgl",), "Darwin": ("cgl",)}


def _asked() -> str:
    return os.environ.get("MUJOCO_GL", "").strip().lower()


def _forget_unknown_platform() -> None:
    """MuJoCo does not import with a platform that it does not know."""
    own = _ONLY_OF.get(platform.system(), ())
    if _asked() and _asked() not in (*_ANYWHERE, *_OFF_NAMES, *own):
        names = ", ".join((*own, "glfw", "disable"))
        warn_once(f"MUJOCO_GL={_asked()} counts as unset: it can be one of {names}")
        del os.environ["MUJOCO_GL"]


def _stands(asked: str, demand: str | None, bound: bool) -> bool:
    """Whether what `MUJOCO_GL` asks for stays, with a MuJoCo `bound` by its import or not."""
    if bound and asked and asked not in _WINDOW_NAMES:
        return True
    if bound or asked in _WINDOW_NAMES:
        return display.is_named() and (bound or demand not in _PROBES)
    return asked in _OFF_NAMES and demand not in _PROBES


def _offscreen(*wishes: str | None) -> str | None:
    """The first platform that needs no display and is there, wishes first."""
    names = [name for name in (*wishes, "egl", "osmesa") if name in _PROBES]
    return next((name for name in dict.fromkeys(names) if name is not None and _PROBES[name]()), None)


def _check_egl_device() -> None:
    """MuJoCo's own word for a device that is no number does not name the variable.

    Raises:
        RuntimeError: `MUJOCO_EGL_DEVICE_ID` is no whole number.
    """
    device = os.environ.get("MUJOCO_EGL_DEVICE_ID")
    if device is not None and not device.strip().isdecimal():
        raise RuntimeError(f"MUJOCO_EGL_DEVICE_ID={device!r} must be the number of a device, from 0 on, or unset")


def _pyopengl_accepts(name: str) -> bool:
    """MuJoCo refuses to import when `PYOPENGL_PLATFORM` names another platform than `MUJOCO_GL`."""
    return os.environ.get("PYOPENGL_PLATFORM", "").strip().lower() in ("", name)


def _load(library: str) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(library)
    except OSError:
        return None


def _renew_lock() -> None:
    """A thread that held the lock while the process forked does not exist in the child."""
    global _platform_lock
    _platform_lock = threading.RLock()


if sys.platform != "win32":
    os.register_at_fork(after_in_child=_renew_lock)
