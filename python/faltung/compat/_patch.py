"""Puts the functions of `faltung.compat` in the place of SciPy's."""

from __future__ import annotations

import importlib
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from faltung.compat import ndimage, signal
from faltung.compat._routing import original

_lock = threading.RLock()
_depth = 0
_replaced: list[tuple[dict[str, Any], str, Callable[..., Any]]] = []


def functions() -> dict[str, Callable[..., Any]]:
    """Every function that stands in for one of SciPy's, as ``"signal.convolve"``."""
    return {
        f"{module.__name__.rpartition('.')[2]}.{name}": getattr(module, name)
        for module in (signal, ndimage)
        for name in module.__all__
    }


def install() -> None:
    """Replaces SciPy's functions in every module that has them by name, SciPy's own included."""
    global _depth
    with _lock:
        _depth += 1
        if _depth > 1:
            return
        for home in ("scipy.signal", "scipy.ndimage"):
            importlib.import_module(home)
        ours = {id(original(name)): function for name, function in functions().items()}
        for module in list(sys.modules.values()):
            if getattr(module, "__name__", "").startswith("faltung."):
                continue
            names: dict[str, Any] = getattr(module, "__dict__", {})
            for name, value in list(names.items()):
                if id(value) in ours:
                    _replaced.append((names, name, value))
                    names[name] = ours[id(value)]


def remove() -> None:
    """Undoes `install`, as often as it was called."""
    global _depth
    with _lock:
        _depth -= 1
        while _depth == 0 and _replaced:
            names, name, value = _replaced.pop()
            names[name] = value


@contextmanager
def patch_scipy() -> Iterator[None]:
    """Within this context, SciPy's convolutions and filters are Faltung's, in the whole process.

    The functions that `faltung.compat.signal` and `faltung.compat.ndimage` have are replaced wherever a
    module holds them by name: in ``scipy.signal`` and ``scipy.ndimage``, in SciPy's functions that build on
    them (``filtfilt``, ``resample_poly``, ``decimate`` ...), and in modules that imported them before.
    Functions kept elsewhere, in a list or a closure, stay SciPy's. Contexts may be nested.

    Examples
    --------
    >>> import faltung
    >>> from scipy import ndimage
    >>> with faltung.compat.patch_scipy():
    ...     ndimage.gaussian_filter([0.0, 0.0, 1.0, 0.0, 0.0], 1, radius=1).round(2).tolist()
    [0.0, 0.27, 0.45, 0.27, 0.0]
    """
    install()
    try:
        yield
    finally:
        remove()
