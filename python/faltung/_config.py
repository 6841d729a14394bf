"""Workers, the FFT library, and what this installation runs on."""

from __future__ import annotations

import importlib.metadata
import operator
import os
import sys
import time
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from typing import Any

from faltung import _core

# GNU OpenMP's threads do not survive a fork; a child that found them half there would wait for ever.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_core.release_threads)


def check_workers(workers: Any) -> int:
    try:
        count = operator.index(workers)
    except TypeError:
        raise TypeError(f"workers is {workers!r}; it must be an integer") from None
    if not 1 <= count <= 1024:
        raise ValueError(f"workers is {count}; allowed are 1 to 1024")
    return count


def resolve_workers(workers: int | None) -> int | None:
    return None if workers is None else check_workers(workers)


class set_workers:  # reads as a function, and works as one
    """Set how many threads calls use, at once and for the whole process.

    As a context manager, the number before is put back at the end. By default it is the CPUs that this process
    may use: its affinity, capped by the control group's quota.

    Parameters
    ----------
    workers : int
        1 to 1024.

    Examples
    --------
    >>> import faltung
    >>> with faltung.set_workers(1):
    ...     y = faltung.convolve([1, 2], [1, 1])
    """

    def __init__(self, workers: int) -> None:
        count = check_workers(workers)
        self._before = _core.default_workers()
        _core.set_default_workers(count)

    def __enter__(self) -> None:
        return None

    def __exit__(self, *error: object) -> None:
        _core.set_default_workers(self._before)


def _pyfftw_files() -> list[str]:
    """Libraries that the installed pyfftw distribution carries."""
    try:
        files = importlib.metadata.files("pyfftw") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [str(file.locate()) for file in files if "fftw3" in file.name and _is_library(file.name)]


def _mkl_files() -> list[str]:
    """The runtime library of an installed mkl distribution."""
    try:
        files = importlib.metadata.files("mkl") or []
    except importlib.metadata.PackageNotFoundError:
        return []
    return [str(Path(str(file.locate())).resolve()) for file in files if "mkl_rt" in file.name]


def _is_library(name: str) -> bool:
    return ".so" in name or name.endswith((".dll", ".dylib"))


def locate_fft_libraries() -> None:
    """Tell the core where to look; it loads one when the first plan is made."""
    global _located
    if not _located:
        _located = True
        _core.set_search_paths(os.environ.get("FALTUNG_FFTW", ""), _pyfftw_files(), _mkl_files())


_located = False


def _config() -> dict[str, Any]:
    locate_fft_libraries()
    return {
        "version": _core.__version__,
        "python": sys.version.split()[0],
        "machine": _core.machine(),
        "level": _core.level(),
        "levels": _core.levels(),
        "workers": _core.default_workers(),
        "fft": _core.provider(),
    }


def _lines(config: dict[str, Any], indent: str = "") -> Iterator[str]:
    for name, value in config.items():
        if isinstance(value, dict):
            yield f"{indent}{name}:"
            yield from _lines(value, indent + "  ")
        else:
            text = ", ".join(value) if isinstance(value, list) else str(value).strip()
            yield f"{indent}{name}: " + text.replace("\n", f"\n{indent}    ")


def show_config(mode: str = "print") -> dict[str, Any] | None:
    """Show what this installation runs on: level, caches, workers, FFT library with path and version.

    Parameters
    ----------
    mode : {"print", "dict"}
        Print it, or return it.
    """
    from faltung._arguments import pick  # which needs this module

    if pick(mode, "mode", ("print", "dict")) == "dict":
        return _config()
    print("\n".join(_lines(_config())))
    return None


# Lengths that whole-array transforms are made of, most used first.
_TUNED_LENGTHS = (1024, 512, 2048, 256, 768, 1536, 640, 1280, 4096, 3072, 384, 320, 128, 5120, 8192)


def trim() -> None:
    """Give back what is kept for later calls: remembered plans, scratch memory, the memory of results now gone.

    Nothing needs this to be called. Scratch is kept up to 64 MiB, and the memory of large results that Python has
    deleted up to 256 MiB; the latter is already the system's to take when it runs short.
    """
    _core.trim()


def tune(seconds: float = 10.0, *, progress: bool = True) -> dict[str, float]:
    """Measure the FFT library's transforms once, and keep the outcome for later processes.

    Plans that are only estimated can be several times slower than measured ones. What is found is stored per
    library and processor in the user's cache directory (``FALTUNG_CACHE=off`` keeps nothing).

    Parameters
    ----------
    seconds : float
        Stop before a further length once this much time has gone.
    progress : bool
        Show a line per length on standard error.

    Returns
    -------
    dict
        Seconds spent per transform, under names such as ``"float32 1024"``.

    Raises
    ------
    RuntimeError
        No FFT library was found.
    """
    from faltung._arguments import flag
    from faltung._kernel_parts import real

    seconds, progress = real("seconds", seconds), flag(progress, "progress")
    if not seconds > 0:
        raise ValueError(f"seconds is {seconds!r}; it must be positive")
    locate_fft_libraries()
    spent: dict[str, float] = {}
    start = time.monotonic()
    for length, precision in product(_TUNED_LENGTHS, ("float32", "float64")):
        if time.monotonic() - start > seconds:
            break
        name = f"{precision} {length}"
        spent[name] = _core.tune_length(length, precision)
        if progress:
            elapsed = time.monotonic() - start
            print(
                f"\rfaltung.tune: {name} ({elapsed:.1f} s of {seconds:g})  ",
                end="",
                file=sys.stderr,
            )
    if progress:
        print(f"\rfaltung.tune: {len(spent)} transforms measured and kept      ", file=sys.stderr)
    return spent
