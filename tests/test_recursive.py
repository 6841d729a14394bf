"""Recursive filters against the recurrence itself, in long double."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung
from faltung._recursive import recursive_filter

STABLE = {
    "smooth": ([0.1], [1.0, -0.9]),
    "scaled": ([2.0, 1.0], [4.0, -2.0, 1.0]),
    "resonant": ([1.0, 0.0, -1.0], [1.0, -1.98, 0.9801]),  # double pole: goes step by step
    "long numerator": (np.hanning(40), [1.0, -0.5]),
    "no recursion": ([1.0, 2.0, 3.0], [2.0]),
    "trailing zeros": ([1.0], [1.0, -0.5, 0.0, 0.0]),
    **{f"order {p}": ([1.0, 0.5], np.poly(np.linspace(-0.8, 0.7, p))) for p in range(1, 11)},
}


def recurrence(b, a, x, zi=None):
    """Transposed direct form II on one line, as textbooks write it."""
    kind = np.result_type(np.longdouble, *map(np.asarray, (b, a, x)), *([] if zi is None else [zi]))
    b, a = np.asarray(b, kind) / a[0], np.asarray(a, kind) / a[0]
    states = max(len(b), len(a)) - 1
    b, a = np.pad(b, (0, states + 1 - len(b))), np.pad(a, (0, states + 1 - len(a)))
    z = np.append(np.zeros(states, kind) if zi is None else np.asarray(zi, kind), 0)
    y = np.empty(len(x), kind)
    for n, sample in enumerate(np.asarray(x, kind)):
        y[n] = z[0] + b[0] * sample
        z[:-1] = z[1:] + b[1:] * sample - a[1:] * y[n]
    return y, z[:-1]


def along(b, a, x, axis, zi=None):
    lines = np.moveaxis(x, axis, -1)
    states = max(len(b), len(a)) - 1
    begin = np.zeros((*lines.shape[:-1], states)) if zi is None else np.moveaxis(zi, axis, -1)
    kind = np.result_type(np.longdouble, *map(np.asarray, (b, a)), x, begin)
    y, z = np.empty(lines.shape, kind), np.empty(begin.shape, kind)
    for at in np.ndindex(lines.shape[:-1]):
        y[at], z[at] = recurrence(b, a, lines[at], begin[at])
    return np.moveaxis(y, -1, axis), np.moveaxis(z, -1, axis)


def agree(got, wanted, dtype=np.float64):
    assert got.dtype == dtype
    scale = float(np.max(np.abs(wanted), initial=1e-300))
    loss = 100 * float(np.finfo(dtype).eps) + 2e-13
    np.testing.assert_allclose(got, wanted.astype(got.dtype), rtol=0, atol=loss * scale)


@pytest.mark.parametrize("name", STABLE)
@pytest.mark.parametrize("length", [1, 2, 7, 8, 9, 100, 1024, 1031])
def test_lines(level, name, length, rng):
    b, a = STABLE[name]
    x = rng.normal(size=length)
    zi = rng.normal(size=max(len(b), len(a)) - 1)
    y, zf = recursive_filter(b, a, x, zi=zi)
    wanted, wanted_zf = recurrence(b, a, x, zi)
    agree(y, wanted)
    if zf.size:
        np.testing.assert_allclose(
            zf, wanted_zf.astype(float), rtol=0, atol=1e-11 * abs(wanted).max()
        )


@pytest.mark.parametrize(
    ("shape", "axis"), [((3, 50), 1), ((50, 3), 0), ((50, 67), 0), ((2, 9, 70), 1)]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("order", ["C", "F"])
def test_axes_and_dtypes(level, shape, axis, dtype, order, rng):
    b, a = np.array([1, 0.5], dtype), np.array([1, -0.5, 0.25], dtype).real
    x = rng.normal(size=shape)
    x = (x if np.dtype(dtype).kind == "f" else x + 1j * x[::-1]).astype(dtype, order=order)
    states = list(shape)
    states[axis] = 2
    zi = rng.normal(size=states).astype(dtype)
    y, zf = recursive_filter(b, a, x, axis, zi)
    wanted, wanted_zf = along(b, a, x, axis, zi)
    agree(y, wanted, dtype)
    agree(zf, wanted_zf, dtype)
    agree(recursive_filter(b, a, x, axis)[0], along(b, a, x, axis)[0], dtype)
    assert recursive_filter(b, a, x, axis)[1] is None


def test_complex_coefficients(rng):
    b, a = rng.normal(size=3) + 1j * rng.normal(size=3), np.array([1, 0.3j, -0.2])
    x = rng.normal(size=(4, 60))
    zi = rng.normal(size=(4, 2)) + 1j
    y, zf = recursive_filter(b, a, x, 1, zi)
    wanted, wanted_zf = along(b, a, x, 1, zi)
    agree(y, wanted, np.complex128)
    agree(zf, wanted_zf, np.complex128)


@pytest.mark.parametrize("shape", [(300,), (40, 90)])
def test_cascade_is_one_section_after_another(level, shape, rng):
    sections = [([1.0, 0.2, 0.1], [1.0, -0.3, 0.2]), ([0.5, 0.0, 1.0], [1.0, 0.4, 0.1])]
    x = rng.normal(size=shape)
    zi = rng.normal(size=(2, 2, *shape[1:]))
    b, a = map(np.array, zip(*sections, strict=True))
    y, zf = recursive_filter(b, a, x, 0, zi)
    step, ends = x, []
    for section, begin in zip(sections, zi, strict=True):
        step, end = along(*section, step, 0, begin)
        ends.append(end)
    agree(y, step)
    agree(zf, np.array(ends))


def test_integers_become_float64():
    y, _ = recursive_filter([1], [1, -1], np.arange(5, dtype=np.int16))
    assert y.dtype == np.float64
    assert y.tolist() == [0, 1, 3, 6, 10]


@given(
    st.integers(0, 40), st.integers(0, 40), st.integers(1, 6), st.integers(1, 6), st.integers(0, 99)
)
def test_pieces_continue_each_other(first, second, taps, order, seed):
    rng = np.random.default_rng(seed)
    b, a = rng.normal(size=taps), np.poly(rng.uniform(-0.7, 0.7, order - 1))
    x = rng.normal(size=first + second)
    zi = rng.normal(size=max(taps, order) - 1)
    whole, end = recursive_filter(b, a, x, zi=zi)
    left, middle = recursive_filter(b, a, x[:first], zi=zi)
    right, last = recursive_filter(b, a, x[first:], zi=middle)
    np.testing.assert_allclose(np.append(left, right), whole, rtol=0, atol=1e-11)
    np.testing.assert_allclose(last, end, rtol=0, atol=1e-11)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_touches_nothing_before_it(level, value):
    x = np.ones(3000)
    x[1234] = value
    y, _ = recursive_filter([1.0], [1.0, -0.5, 0.1], x)
    assert np.isfinite(y[:1234]).all()
    assert not np.isfinite(y[1234:]).any()


def test_poles_close_together_keep_their_digits(level, rng):
    # four poles near 1: looking ahead by blocks would lose two digits more than the recurrence does
    a = np.poly([0.97, 0.96, 0.95, 0.94])
    x = rng.normal(size=5000) + 1
    wanted, _ = recurrence([1.0], a, x)
    y, _ = recursive_filter([1.0], a, x)
    z = np.zeros(5)
    plain = np.empty_like(x)
    for n, sample in enumerate(x):
        plain[n] = z[0] + sample
        z[:-1] = z[1:] - a[1:] * plain[n]
    error, usual = np.abs(y - wanted).max(), np.abs(plain - wanted).max()
    assert error <= 4 * usual


def test_workers_change_nothing(rng):
    x = rng.normal(size=(8, 20000))
    one, _ = recursive_filter([1.0], [1.0, -0.5], x, workers=1)
    two, _ = recursive_filter([1.0], [1.0, -0.5], x, workers=3)
    np.testing.assert_array_equal(one, two)


def test_empty():
    y, zf = recursive_filter([1.0], [1.0, -0.5], np.ones((0, 3)), 0, np.ones((1, 3)))
    assert y.shape == (0, 3)
    assert zf.tolist() == [[1, 1, 1]]
    assert recursive_filter([1.0], [1.0, -0.5], np.ones((4, 0)), 0)[0].shape == (4, 0)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        (([], [1], [1.0]), ValueError, "b has shape"),
        (([1], [0, 1], [1.0]), ValueError, "must not begin with 0"),
        (([1], [1, 1], [1.0], 1), ValueError, "axis must be from -1 to 0"),
        (([1], [1, 1], 1.0), ValueError, "x has no axes"),
        (([1], [1, 1], [1.0], 0, [1.0, 2.0]), ValueError, "zi has shape"),
        (([[1], [1]], [[1]], [1.0]), ValueError, "2 sections and a has 1"),
        (([[1]], [1], [1.0]), ValueError, "both"),
        (([1], [1], np.ones(3, np.longdouble)), TypeError, "dtype"),
        (([1], [1], np.ma.ones(3)), TypeError, "masked"),
    ],
)
def test_bad_input(arguments, error, words):
    with pytest.raises(error, match=words):
        recursive_filter(*arguments)


def test_a_result_narrower_than_the_coefficients_is_refused():
    with pytest.raises(TypeError, match="complex"):
        recursive_filter([1j], [1], [1.0], dtype=np.float64)
    assert faltung._recursive.recursive_filter([1.0], [1, 0.5], [1.0], dtype="f4")[0].dtype == "f4"
