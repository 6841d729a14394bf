"""A prepared convolution."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from faltung import _core
from faltung._arguments import Array, as_array, check_out


class Plan:
    """A kernel prepared for arrays of one shape and dtype. Made by `faltung.plan`; safe to share between threads."""

    __slots__ = ("_plan",)

    def __init__(self, plan: _core.Plan) -> None:
        self._plan = plan

    def __call__(self, x: npt.ArrayLike, out: Array | None = None) -> Array:
        """The answer for x.

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
        if type(x) is not np.ndarray:
            x = as_array(x, "x")
        return self._plan(x) if out is None else self._plan(x, check_out(out))

    @property
    def method(self) -> str:
        """The method that runs."""
        return self._plan.method

    @property
    def level(self) -> str:
        """The instruction-set level that it runs on."""
        return self._plan.level

    @property
    def predicted_seconds(self) -> float:
        """What one call was predicted to take."""
        return self._plan.predicted_seconds

    @property
    def workspace_bytes(self) -> int:
        """Scratch memory that one worker borrows during a call."""
        return self._plan.workspace_bytes

    def explain(self) -> str:
        """What was chosen, what it is predicted to cost, and why each other method was not taken."""
        return self._plan.explain()

    def __repr__(self) -> str:
        seconds = self.predicted_seconds
        return f"<faltung.Plan: {self.method} on {self.level}, {seconds * 1e3:.3g} ms predicted>"
