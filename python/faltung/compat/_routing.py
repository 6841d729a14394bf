"""Which calls the core serves, which go to SciPy, and how many of each."""

from __future__ import annotations

import functools
import importlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from faltung._arguments import flag

P = ParamSpec("P")
R = TypeVar("R")


class PassOn(Exception):
    """Raised by a function of `faltung.compat` that leaves a call to SciPy."""


@dataclass(frozen=True)
class Report:
    """How many calls ran where: by function, as ``"signal.convolve"``.

    Attributes
    ----------
    served : dict of str to int
        Calls that Faltung's core answered.
    passed_on : dict of str to int
        Calls that SciPy answered.
    refused : dict of str to int
        Calls that SciPy answered with an error.
    """

    served: dict[str, int]
    passed_on: dict[str, int]
    refused: dict[str, int]

    @property
    def share(self) -> float:
        """Served calls over all that were answered; 1 if there were none."""
        served, others = sum(self.served.values()), sum(self.passed_on.values())
        return served / (served + others) if served + others else 1.0

    def __str__(self) -> str:
        lines = [f"{'':32}{'faltung':>10}{'scipy':>10}{'errors':>10}"]
        for name in sorted({*self.served, *self.passed_on, *self.refused}):
            counts = (kind.get(name, 0) for kind in (self.served, self.passed_on, self.refused))
            lines.append(f"{name:32}" + "".join(f"{count:10}" for count in counts))
        return "\n".join([*lines, f"{self.share:.1%} of the answered calls by faltung"])


_counts: dict[str, dict[str, int]] = {"served": {}, "passed_on": {}, "refused": {}}
_counts_lock = threading.Lock()
# SciPy's functions, by our name for them, from before any were replaced
_originals: dict[str, Callable[..., Any]] = {}
_thread = threading.local()


def report(*, reset: bool = False) -> Report:
    """How many calls of `faltung.compat` ran where, since the start or the last reset.

    Parameters
    ----------
    reset : bool
        Begin anew at zero.

    Examples
    --------
    >>> from faltung import compat
    >>> _ = compat.report(reset=True)
    >>> compat.signal.convolve([1, 2, 3], [1, 1]).tolist()
    [1, 3, 5, 3]
    >>> compat.report().served
    {'signal.convolve': 1}
    """
    reset = flag(reset, "reset")
    with _counts_lock:
        answer = Report(**{kind: dict(counts) for kind, counts in _counts.items()})
        if reset:
            for counts in _counts.values():
                counts.clear()
    return answer


def _count(kind: str, name: str) -> None:
    with _counts_lock:
        counts = _counts[kind]
        counts[name] = counts.get(name, 0) + 1


def original(name: str) -> Callable[..., Any]:
    """SciPy's function behind ``"signal.convolve"``."""
    if name not in _originals:
        module, function = name.split(".")
        home = module if module == "numpy" else f"scipy.{module}"
        try:
            _originals[name] = getattr(importlib.import_module(home), function)
        except ImportError:
            raise ImportError(
                f"this call of faltung.compat.{name} is left to SciPy, which is not installed; "
                "pip install 'faltung[compat]'"
            ) from None
    return _originals[name]


def routed(module: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Counts the calls of a function, and takes to SciPy what it does not serve or finds wrong.

    Within SciPy's own functions the functions of `faltung.compat` stand back: what they are asked there
    belongs to a call that has been counted.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        name = f"{module}.{function.__name__}"

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if getattr(_thread, "in_scipy", False):
                passed: R = original(name)(*args, **kwargs)
                return passed
            try:
                answer = function(*args, **kwargs)
            # what is wrong is SciPy's to tell: its words, and its exceptions
            except (PassOn, TypeError, ValueError, OverflowError, IndexError, AttributeError):
                pass
            else:
                _count("served", name)
                return answer
            _thread.in_scipy = True
            try:
                answer = original(name)(*args, **kwargs)
            except BaseException:
                _count("refused", name)
                raise
            finally:
                _thread.in_scipy = False
            _count("passed_on", name)
            return answer

        return call

    return decorate
