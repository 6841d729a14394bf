"""Hypothesis: anything that may be asked, against the oracle; and the algebra that convolution obeys."""

import numpy as np
import oracle
import pytest
from bounds import arithmetic_of, assert_answer, bound
from cases import DTYPES, METHODS, numbers, outer
from hypothesis import assume, example, given
from hypothesis import strategies as st

import faltung


@st.composite
def problems(draw):
    """Operands of any rank, dtype and layout, with the options of the call."""
    rank = draw(st.integers(1, 4))
    longest = (200, 24, 10, 6)[rank - 1]
    shape = tuple(draw(st.integers(1, longest)) for _ in range(rank))
    count = draw(st.integers(1, rank))
    axes = tuple(draw(st.permutations(range(rank)))[:count])
    taps = tuple(draw(st.integers(1, min(longest, 12))) for _ in axes)
    modes = ["full", "same"]
    if all(shape[axis] >= extent for axis, extent in zip(axes, taps, strict=True)):
        modes.append("valid")
    x_dtype, k_dtype = draw(st.sampled_from(DTYPES)), draw(st.sampled_from(DTYPES))
    rank_one = draw(st.booleans())
    seed = draw(st.integers(0, 2**20))
    k = (outer if rank_one else numbers)(taps, k_dtype, seed + 1)
    options = {
        "mode": draw(st.sampled_from(modes)),
        "axes": tuple(axis - draw(st.sampled_from([0, rank])) for axis in axes),
        "boundary": draw(st.sampled_from(oracle.BOUNDARIES)),
        "cval": draw(st.sampled_from([0, 1, 7])),
    }
    return layout(draw, numbers(shape, x_dtype, seed)), layout(draw, k), options


def layout(draw, array):
    """The same values with other strides."""
    order = draw(st.permutations(range(array.ndim)))
    gaps = [draw(st.sampled_from([1, 1, 2, 3])) for _ in order]
    signs = [draw(st.sampled_from([1, 1, -1])) for _ in order]
    room = np.zeros(
        [array.shape[axis] * gap for axis, gap in zip(order, gaps, strict=True)], array.dtype
    )
    steps = tuple(slice(None, None, gap) for gap in gaps)
    view = room[steps].transpose(np.argsort(order))
    view = view[tuple(slice(None, None, sign) for sign in signs)]
    view[...] = array
    if draw(st.booleans()):
        view = view.astype(view.dtype.newbyteorder(), order="K")
    return view


@given(problems(), st.sampled_from(METHODS), st.sampled_from(faltung._core.levels()), st.booleans())
def test_every_problem(problem, method, level, flip):
    x, k, options = problem
    names = ("convolve",) if flip else ("correlate",)
    previous = faltung._core.force_level(level)
    try:
        for name in names:
            try:
                actual = getattr(faltung, name)(x, k, method=method, **options)
            except ValueError as refusal:
                # only a method that was forced may decline, and it says why
                assert method != "auto"
                assert f"'{method}' cannot serve" in str(refusal)
                assume(False)
            truth = getattr(oracle, name)(x, k, **options)
            native = (dtype.newbyteorder("=") for dtype in (x.dtype, k.dtype))
            assert_answer(actual, truth, method, *native)
    finally:
        faltung._core.force_level(previous)


@given(problems(), st.data())
def test_out_of_any_layout(problem, data):
    x, k, options = problem
    expected = faltung.convolve(x, k, **options)
    out = layout(data.draw, np.zeros_like(expected))
    faltung.convolve(x, k, out=out, **options)
    exact = expected.dtype.kind in "iu"
    scale = 1 if exact else np.abs(expected).max(initial=1)
    tolerance = 0 if exact else 100 * float(np.finfo(expected.dtype).eps) * float(scale)
    np.testing.assert_allclose(out, expected, rtol=0, atol=tolerance)


def lines(dtype, longest=60):
    return st.tuples(st.integers(1, longest), st.integers(0, 2**20)).map(
        lambda pair: numbers(pair[:1], np.dtype(dtype), pair[1])
    )


FLOATS = st.sampled_from(["float32", "float64", "complex64", "complex128"])
BOTH = pytest.mark.parametrize("dtype", ["float64", "int32"])


def tolerance(x, k):
    truth = oracle.convolve(np.abs(x), np.abs(k))
    return float(bound(truth, "auto", arithmetic_of(x.dtype, k.dtype)).max()) * 4


def same(a, b, x, k):
    if a.dtype.kind in "iu":
        np.testing.assert_array_equal(a, b)
    else:
        np.testing.assert_allclose(a, b, rtol=0, atol=tolerance(x, k))


class TestAlgebra:
    @BOTH
    @given(data=st.data(), method=st.sampled_from(METHODS))
    def test_full_convolution_commutes(self, dtype, data, method):
        x, k = data.draw(lines(dtype)), data.draw(lines(dtype))
        same(faltung.convolve(x, k, method=method), faltung.convolve(k, x, method=method), x, k)

    @BOTH
    @given(
        data=st.data(),
        method=st.sampled_from(METHODS),
        boundary=st.sampled_from(oracle.BOUNDARIES),
    )
    def test_linear_in_x(self, dtype, data, method, boundary):
        x, k = data.draw(lines(dtype)), data.draw(lines(dtype))
        y = numbers(x.shape, x.dtype, data.draw(st.integers(0, 99)))
        options = {"mode": "same", "method": method, "boundary": boundary}
        together = faltung.convolve(2 * x - 3 * y, k, **options)
        apart = 2 * faltung.convolve(x, k, **options) - 3 * faltung.convolve(y, k, **options)
        same(together, apart, np.concatenate([5 * x, 5 * y]), k)

    @BOTH
    @given(data=st.data(), method=st.sampled_from(METHODS))
    def test_associative_in_full_mode(self, dtype, data, method):
        x, k, h = (data.draw(lines(dtype, 20)) for _ in range(3))
        one = faltung.convolve(faltung.convolve(x, k, method=method), h, method=method)
        other = faltung.convolve(x, faltung.convolve(k, h, method=method), method=method)
        same(one, other, np.abs(faltung.convolve(np.abs(x), np.abs(k))), h)

    @BOTH
    @given(data=st.data(), shift=st.integers(-40, 40), method=st.sampled_from(METHODS))
    def test_wrapping_convolution_is_equivariant(self, dtype, data, shift, method):
        x, k = data.draw(lines(dtype)), data.draw(lines(dtype))
        options = {"mode": "same", "method": method, "boundary": "wrap"}
        moved = faltung.convolve(np.roll(x, shift), k, **options)
        same(moved, np.roll(faltung.convolve(x, k, **options), shift), x, k)

    @BOTH
    @given(data=st.data(), at=st.integers(0, 9), method=st.sampled_from(METHODS))
    @example(data=None, at=4, method="direct")
    def test_a_delta_shifts(self, dtype, data, at, method):
        x = numbers((50,), np.dtype(dtype)) if data is None else data.draw(lines(dtype))
        delta = np.zeros(10, dtype)
        delta[at] = 1
        expected = np.zeros(x.size + 9, dtype)
        expected[at : at + x.size] = x
        same(faltung.convolve(x, delta, method=method), expected, x, delta)

    @given(x=lines("int64"), k=lines("int64"), method=st.sampled_from(METHODS))
    def test_the_sum_of_the_full_result(self, x, k, method):
        assert faltung.convolve(x, k, method=method).sum() == x.sum() * k.sum()

    @given(data=st.data(), dtype=FLOATS, method=st.sampled_from(METHODS))
    def test_correlation_is_the_adjoint(self, data, dtype, method):
        # <k * x, y> = <x, k corr y>: what gradients rest on
        x, k = data.draw(lines(dtype)), data.draw(lines(dtype))
        y = numbers((x.size + k.size - 1,), x.dtype, data.draw(st.integers(0, 99)))
        one = np.vdot(y, faltung.convolve(x, k, method=method))
        other = np.vdot(faltung.correlate(y, k, "valid", method), x)
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance(x, k) * np.abs(y).sum())
