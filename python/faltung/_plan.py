"""A prepared convolution."""

from __future__ import annotations

import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array, as_array, check_out


class Plan(_core.Plan):
    """A kernel prepared for arrays of one shape and dtype. Made by `faltung.plan`; safe to share between threads.

    ``plan(x, out=None)`` is the answer for x.

    Parameters
    ----------
    x : array_like
        An array of the plan's shape and dtype, with any strides and byte order.
    out : ndarray, optional
        Where to put the answer.

    Raises
    ------
    ValueError
        A shape other than the plan's.
    TypeError
        A dtype other than the plan's.
    OverflowError
        Integers whose exact answer might not fit.
    """

    __slots__ = ()

    def __new__(cls, *arguments: object) -> Plan:
        if not arguments:  # the core would not notice that there is nothing to run
            raise TypeError("a Plan is made by faltung.plan")
        return super().__new__(cls)

    def _call(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """What calling does with anything but one plain array."""
        return self.run(as_array(x, "x"), check_out(out))

    @property
    def method(self) -> str:
        """The method that runs."""
        return super().method

    @property
    def level(self) -> str:
        """The instruction-set level that it runs on."""
        return super().level

    @property
    def predicted_seconds(self) -> float:
        """What one call was predicted to take."""
        return super().predicted_seconds

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory that one worker borrows during a call."""
        return super().workspace_bytes

    def explain(self) -> str:
        """What was chosen, what it is predicted to cost, and why each other method was not taken."""
        return super().explain()

    def __repr__(self) -> str:
        seconds = self.predicted_seconds
        return f"<faltung.Plan: {self.method} on {self.level}, {seconds * 1e3:.3g} ms predicted>"
