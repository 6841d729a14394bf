"""8-bit samples by small whole taps: exact at every level, by products of bytes where the level has them."""

import sys

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from script import output_of

import faltung
from faltung import _api, _core

SAMPLES = [np.dtype(name) for name in ("uint8", "int8", "bool")]
RESULTS = [np.dtype(code) for code in "?bBhHiIqQefd"]
WITH_BYTES = [level for level in _core.levels() if level in _core.levels_upon()]
needs_bytes = pytest.mark.skipif(not WITH_BYTES, reason="no level with products of bytes here")


def samples(shape, dtype, rng):
    x = rng.integers(0, 256, shape, np.uint8)
    return x % 2 == 1 if dtype == bool else x.view(dtype)


def stored(values, dtype):
    """Whole numbers as results of that dtype: saturated, or rounded."""
    if dtype == bool:
        return values > 0
    if dtype.kind == "f":
        with np.errstate(over="ignore"):
            return values.astype(dtype)
    info = np.iinfo(dtype)
    return np.array([min(max(int(v), info.min), info.max) for v in values.flat], dtype).reshape(
        values.shape
    )


def goes_by_bytes(x, k, **options):
    plan = faltung.plan(k, x.shape, "same", "direct", x_dtype=x.dtype, **options)
    return "products of 8-bit integers" in plan.explain()


@pytest.mark.parametrize("dtype", RESULTS, ids=str)
@pytest.mark.parametrize("kind", SAMPLES, ids=str)
def test_every_result(level, kind, dtype, rng):
    x, k = samples((23, 157), kind, rng), rng.integers(-128, 128, (5, 3))
    truth = oracle.convolve(x, k, "same", boundary="mirror").value
    answer = faltung.convolve(x, k, "same", boundary="mirror", method="direct", dtype=dtype)
    assert answer.dtype == dtype
    np.testing.assert_array_equal(answer, stored(truth, dtype))


@pytest.mark.parametrize("boundary", oracle.BOUNDARIES)
@pytest.mark.parametrize("kind", SAMPLES, ids=str)
@pytest.mark.parametrize("method", ["auto", "direct"])
def test_every_boundary(level, method, kind, boundary, rng):
    options = {"boundary": boundary, "cval": 1 if boundary == "constant" else 0}
    cases = [((9,), (17,)), ((1025,), (31,)), ((40, 70), (7, 7)), ((3, 300), (4, 9))]
    for shape, taps in [*cases, ((7, 9, 40), (3, 2, 5))]:
        x, k = samples(shape, kind, rng), rng.integers(-128, 128, taps)
        for mode in ("full", "same"):
            truth = oracle.convolve(x, k, mode, **options).value
            answer = faltung.convolve(x, k, mode, method=method, **options)
            np.testing.assert_array_equal(answer, truth)


@pytest.mark.parametrize("tap", [-128, 127, 128, -129, 32639, 32640, -32896, -32897])
@pytest.mark.parametrize("sample", [255, -128, 127])
def test_extremes(level, sample, tap):
    x = np.full((19, 45), sample, np.uint8 if sample > 127 else np.int8)
    for taps in [(1, 1), (3, 3), (9, 9), (11, 12), (1, 60), (60, 1)]:
        k = np.full(taps, tap)
        truth = oracle.correlate(x, k, "full").value
        np.testing.assert_array_equal(faltung.correlate(x, k, method="direct"), truth)


@pytest.mark.parametrize("kind", ["uint8", "int8"])
@pytest.mark.parametrize("sign", [1, -1])
def test_sums_that_just_fit_32_bits_and_just_do_not(level, kind, sign):
    # the least sample of int8 is -128; the bound is 2^31 below zero and one less above
    x = np.full(700, 255 if kind == "uint8" else -128, kind)
    most = (2**31 - (sign > 0 if kind == "uint8" else sign < 0)) // abs(int(x[0]))
    for total, fits in [(most, True), (most + 1, False)]:
        taps = np.full(-(-total // 32639), total // -(-total // 32639))
        taps[: total - taps.sum()] += 1
        k = sign * taps
        assert abs(k.sum()) == total
        if level in WITH_BYTES:
            assert goes_by_bytes(x, k) == fits
        truth = oracle.correlate(x, k, "full").value
        np.testing.assert_array_equal(faltung.correlate(x, k, method="direct"), truth)
        asked = faltung.correlate(x, k, method="direct", dtype=np.int32)
        np.testing.assert_array_equal(asked, stored(truth, np.dtype(np.int32)))


@pytest.mark.parametrize("dtype", RESULTS, ids=str)
@pytest.mark.parametrize("whole", [np.int64, np.float32])
def test_as_c_casts(level, whole, dtype, rng):
    x, k = samples((12, 90), np.dtype(np.uint8), rng), rng.integers(-99, 99, (3, 3))
    answer = _api.windows(
        x, k.astype(whole), (0, 1), (0, 0), (10, 88), flip=False, dtype=dtype, c_casts=True
    )
    truth = oracle.correlate(x, k, "valid").value
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(answer, truth.astype(dtype))


def test_whole_taps_of_floats(level, rng):
    # rounded once, from the exact sum
    x, k = samples((33, 70), np.dtype(np.uint8), rng), rng.integers(-9999, 9999, (7, 7))
    truth = oracle.convolve(x, k, "same").value
    for real in (np.float32, np.float64):
        answer = faltung.convolve(x, k.astype(real), "same", method="direct")
        assert answer.dtype == real
        if level in WITH_BYTES:
            np.testing.assert_array_equal(answer, truth.astype(real))
        np.testing.assert_allclose(answer, truth, rtol=1e-6, atol=np.abs(truth).max() * 1e-6)


@needs_bytes
def test_what_goes_by_bytes(rng):
    previous = _core.force_level(WITH_BYTES[-1])
    try:
        x, k = samples((64, 64), np.dtype(np.uint8), rng), rng.integers(-128, 128, (3, 3))
        assert goes_by_bytes(x, k)
        assert goes_by_bytes(x, 100 * k)
        assert goes_by_bytes(x, k.astype(np.float32))
        assert goes_by_bytes(x, k, boundary="constant", cval=255)
        assert goes_by_bytes(x, k, dilation=10)
        assert not goes_by_bytes(x, k, dilation=11)
        assert not goes_by_bytes(x, k, stride=2)
        assert not goes_by_bytes(x, k, boundary="constant", cval=256)
        assert not goes_by_bytes(x, k, boundary="constant", cval=-1)
        assert not goes_by_bytes(x, k.astype(float), boundary="constant", cval=0.5)
        assert not goes_by_bytes(x, k + 0.5)
        assert not goes_by_bytes(x, np.full((3, 3), np.nan))
        assert not goes_by_bytes(x, k * 1j)
        assert not goes_by_bytes(x.astype(np.uint16), k)
        _core.force_level(_core.levels_upon()[WITH_BYTES[-1]])
        assert not goes_by_bytes(x, k)
    finally:
        _core.force_level(previous)


@pytest.mark.parametrize("cval", [256, -1, 10**6, 0.5])
def test_constants_that_are_no_samples(level, cval, rng):
    x, k = samples((10, 80), np.dtype(np.uint8), rng), rng.integers(-128, 128, (3, 5))
    k = k if isinstance(cval, int) else k.astype(float)
    truth = oracle.convolve(x, k, "full", boundary="constant", cval=cval).value
    answer = faltung.convolve(x, k, boundary="constant", cval=cval, method="direct")
    np.testing.assert_array_equal(answer, truth)


def test_bools_that_hold_other_numbers(level, rng):
    # a bool is true where its byte is not zero
    x = rng.integers(0, 3, (20, 70), np.uint8).view(bool)
    k = rng.integers(-9, 9, (3, 3))
    truth = oracle.convolve(x.view(np.uint8) != 0, k, "same").value
    np.testing.assert_array_equal(faltung.convolve(x, k, "same", method="direct"), truth)


def test_results_past_the_caches(level, rng):
    # large enough to be streamed, with rows that are aligned and rows that are not
    k = rng.integers(-128, 128, (3, 3))
    for side in (2048, 2049):
        x = samples((side, side), np.dtype(np.uint8), rng)
        wanted = faltung.convolve(x.astype(np.int32), k, "same", boundary="wrap", method="direct")
        for dtype in (np.uint8, np.int32, np.int64):
            one, two = (
                faltung.convolve(x, k, "same", boundary="wrap", method="direct", dtype=dtype, workers=n)
                for n in (1, 2)
            )  # fmt: skip
            np.testing.assert_array_equal(one, np.clip(wanted, *_limits(dtype)))
            np.testing.assert_array_equal(one, two)
            room = np.zeros(side * side + 1, dtype)[1:].reshape(side, side)  # begins within a line
            faltung.convolve(x, k, "same", boundary="wrap", method="direct", dtype=dtype, out=room)
            np.testing.assert_array_equal(room, one)


def _limits(dtype):
    return np.iinfo(dtype).min, np.iinfo(dtype).max


@st.composite
def problems(draw):
    rank = draw(st.integers(1, 3))
    shape = tuple(draw(st.integers(1, (400, 90, 14)[rank - 1])) for _ in range(rank))
    channels = draw(st.sampled_from([0, 0, 1, 2, 3, 4, 10, 11]))
    taps = tuple(draw(st.integers(1, (40, 12, 4)[rank - 1])) for _ in shape)
    axes = tuple(draw(st.permutations(range(rank))))
    seed, most = draw(st.integers(0, 2**20)), draw(st.sampled_from([1, 128, 300, 30000]))
    rng = np.random.default_rng(seed)
    full = shape + (channels,) if channels else shape
    x = samples(tuple(2 * n for n in full), draw(st.sampled_from(SAMPLES)), rng)
    gaps = [draw(st.sampled_from([1, 2, -1, -2])) for _ in full]
    x = x[tuple(slice(None, None, gap) for gap in gaps)][tuple(slice(n) for n in full)]
    if draw(st.booleans()):
        x = np.asfortranarray(x) if draw(st.booleans()) else np.ascontiguousarray(x)
    options = {
        "mode": draw(st.sampled_from(["full", "same"])),
        "axes": axes,
        "boundary": draw(st.sampled_from(oracle.BOUNDARIES)),
        "cval": 1,
        "dilation": draw(st.sampled_from([1, 1, 2, 5])),
    }
    return x, rng.integers(-most, most + 1, taps), options


@given(problems(), st.sampled_from(_core.levels()), st.sampled_from(RESULTS))
def test_any_problem(problem, level, dtype):
    x, k, options = problem
    previous = _core.force_level(level)
    try:
        asked = {name: value for name, value in options.items() if name != "mode"}
        answer = faltung.convolve(x, k, options["mode"], method="direct", dtype=dtype, **asked)
        truth = oracle.convolve(x, k, **options).value
        np.testing.assert_array_equal(answer, stored(truth, dtype))
    finally:
        _core.force_level(previous)


@needs_bytes
@pytest.mark.skipif(sys.platform != "linux", reason="guards a page by Linux's mprotect")
def test_nothing_beyond_the_array_is_touched():
    source = """
        import ctypes, mmap
        import numpy as np
        import faltung
        size = 4 * mmap.PAGESIZE
        def guarded(dtype):  # memory that ends where reading or writing kills the process
            room = mmap.mmap(-1, size + mmap.PAGESIZE)
            whole = np.frombuffer(room, np.uint8)
            end = ctypes.c_void_p(whole.ctypes.data + size)
            assert ctypes.CDLL(None).mprotect(end, mmap.PAGESIZE, 0) == 0
            return whole[:size].view(dtype)
        rng = np.random.default_rng(0)
        x, out = guarded(np.uint8), guarded(np.int32)
        x[:] = rng.integers(0, 256, size)
        cases = [(1, 33, (1, 5)), (2, 1, (2, 1)), (9, 70, (3, 3)), (12, 100, (9, 9))]
        for height, width, taps in [*cases, (30, 129, (4, 11)), (1, 400, (1, 31))]:
            image = x[size - height * width :].reshape(height, width)
            shape = (height - taps[0] + 1, width - taps[1] + 1)
            result = out[out.size - shape[0] * shape[1] :].reshape(shape)
            k = rng.integers(-128, 128, taps)
            faltung.convolve(image, k, "valid", method="direct", dtype=np.int32, out=result)
            wide = faltung.convolve(image.astype(np.int16), k, "valid", method="direct")
            assert (result == wide).all()
        print("whole")
    """
    assert output_of(source, FALTUNG_ISA=WITH_BYTES[-1]) == "whole\n"
