"""How far an answer may be from the truth: the one place where the library's promise is written as code.

With eps the machine epsilon of the arithmetic (float32 also serves float16) and L the number of taps, every output is
within

    direct               c * eps * log2(2 + L) * ||window|| * ||k||
    separable            the same, with m/64 added to the logarithm: its passes sum m taps in one go
    fft, overlap_save    c * eps * log2(2 + L) * sqrt(L) * min(max|x~|, 64 * max|x~| nearby) * ||k||

of the exact sum, c = 4, m the longest side of the kernel, "nearby" the window and what surrounds it (semantics.md),
plus half a unit in the last place of the output's own type where that is narrower than the
arithmetic. ||.|| is the l2 norm, the window the samples that the output depends on. Integers are exact.
"""

from __future__ import annotations

import numpy as np
from oracle import Truth

C = 4
RANGE = 64  # of magnitudes that one transform serves
TRANSFORMS = ("fft", "overlap_save")


def bound(truth: Truth, method: str, arithmetic: np.dtype) -> np.ndarray:
    """Per output. `auto` may take any method, so it is held to the widest bound."""
    eps = np.finfo(arithmetic).eps
    growth = C * eps * np.log2(2 + truth.taps) * truth.kernel_norm
    if method == "separable":
        return (growth + C * eps * truth.longest / 64 * truth.kernel_norm) * truth.window
    if method == "direct":
        return growth * truth.window
    return np.full(truth.window.shape, growth * np.sqrt(truth.taps) * truth.peak)


def bound_nearby(truth: Truth, nearby: np.ndarray, arithmetic: np.dtype) -> np.ndarray:
    """The part of a transform's bound that does not ask for the largest sample of the array."""
    growth = C * np.finfo(arithmetic).eps * np.log2(2 + truth.taps) * truth.kernel_norm
    return growth * np.sqrt(truth.taps) * np.minimum(truth.peak, RANGE * nearby)


def arithmetic_of(x: np.dtype, k: np.dtype) -> np.dtype:
    """What inexact types are computed in."""
    result = np.result_type(x, k)
    return np.result_type(result, np.float32)


def assert_close(actual: np.ndarray, truth: Truth, method: str, arithmetic: np.dtype) -> None:
    """Inexact answers: finite where the window is, and there within the bound."""
    assert actual.shape == truth.value.shape
    # float16 ends early: a sum that it cannot hold is infinite, rightly
    clean = ~truth.touched & (np.abs(truth.value) < 0.999 * np.finfo(actual.dtype).max)
    value = truth.value[clean]
    got = actual[clean].astype(value.dtype)
    assert np.isfinite(got).all(), "an output whose window is finite is not"
    allowed = bound(truth, method, arithmetic)[clean]
    if np.finfo(actual.dtype).eps > np.finfo(arithmetic).eps:
        allowed = allowed * (1 + np.finfo(actual.dtype).eps)
        allowed += np.finfo(actual.dtype).eps * np.abs(value) / 2
    # a complex number rounds twice; the last ulp of a subnormal is not relative to anything
    smallest = np.finfo(actual.dtype).smallest_subnormal
    allowed = allowed * (np.sqrt(2) if actual.dtype.kind == "c" else 1) + smallest * truth.taps
    error = np.abs(got - value)
    if error.size and (error > allowed).any():
        worst = int(np.argmax(error - allowed))
        raise AssertionError(
            f"{method}: error {float(error[worst]):.3g}, allowed {float(allowed[worst]):.3g}, at output"
            f" {tuple(int(i[worst]) for i in np.nonzero(clean))}: {got[worst]}, not {value[worst]};"
            f" {int((error > allowed).sum())} of {error.size} outputs are out of bound"
        )


def assert_exact(actual: np.ndarray, truth: Truth) -> None:
    """Integer answers of integer arrays."""
    assert actual.shape == truth.value.shape
    wrong = actual.astype(object) != truth.value.astype(object)
    if np.any(wrong):
        at = tuple(int(i[0]) for i in np.nonzero(np.atleast_1d(wrong)))
        raise AssertionError(
            f"{actual[at]}, not {truth.value[at]}, at output {at};"
            f" {int(np.sum(wrong))} of {actual.size} outputs are wrong"
        )


def assert_answer(actual: np.ndarray, truth: Truth, method: str, x: np.dtype, k: np.dtype) -> None:
    """An answer in its natural dtype, of arrays of these dtypes."""
    x, k = np.dtype(x), np.dtype(k)
    if x.kind in "biu" and k.kind in "biu":
        assert actual.dtype == natural_integer(x, k)
        assert_exact(actual, truth)
    else:
        assert actual.dtype == np.result_type(x, k)
        assert_close(actual, truth, method, arithmetic_of(x, k))


def natural_integer(x: np.dtype, k: np.dtype) -> np.dtype:
    unsigned = x.kind in "bu" and k.kind in "bu"
    return np.dtype(np.uint64 if unsigned and np.uint64 in (x, k) else np.int64)


def rounded(value: np.ndarray, dtype: np.dtype) -> np.ndarray:
    """Exact values as an integer type holds them: half to even, saturated."""
    low, high = (0, 1) if dtype == bool else (np.iinfo(dtype).min, np.iinfo(dtype).max)

    def one(number):
        if number != number:
            return 0
        if abs(number) == np.inf:
            return high if number > 0 else low
        # round() goes half to even and gives an integer of any size
        return min(max(round(number), low), high)

    return np.array([one(v) for v in value.flat], dtype=dtype).reshape(value.shape)


def layer_bound(
    method: str,
    arithmetic: np.dtype,
    steps: int,
    window: np.ndarray,
    norm: np.ndarray,
    peak: float,
) -> np.ndarray:
    """How far a layer's output may be from the sum over channels and taps, `steps` products in all.

    `window` is the l2 norm of the samples behind each output, `norm` that of each bank, `peak` the largest sample. As
    above: `direct` is within the direct method's bound, everything that transforms within that of transforms.
    """
    growth = C * np.finfo(arithmetic).eps * np.log2(2 + steps) * norm
    if method == "direct":
        return growth * window
    return np.broadcast_to(growth * np.sqrt(steps) * peak, window.shape)
