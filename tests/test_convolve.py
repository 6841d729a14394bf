"""Every method, level, dtype, boundary and mode against the oracle."""

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import CASES, Case, cval_for, numbers, operands, outer, truth
from oracle import BOUNDARIES, MODES

import faltung

GRID_DTYPES = [
    pytest.param(np.dtype(x), np.dtype(k), id=f"{x}-{k}")
    for x, k in (
        ("float32", "float32"),
        ("float64", "float64"),
        ("complex64", "complex64"),
        ("complex128", "complex128"),
        ("complex64", "float32"),
        ("float64", "complex128"),
        ("uint8", "float32"),
        ("int16", "int16"),
    )
]


def check(name, case, x_dtype, k_dtype, mode, boundary, method, **options):
    rank_one = method == "separable"
    x, k = operands(case, x_dtype, k_dtype, rank_one)
    expected = truth(name, case, x_dtype, k_dtype, mode, boundary, rank_one)
    cval = cval_for(x_dtype, k_dtype) if boundary == "constant" else 0
    call = getattr(faltung, name)
    actual = call(x, k, mode, method, axes=case.axes, boundary=boundary, cval=cval, **options)
    try:
        assert_answer(actual, expected, method, x_dtype, k_dtype)
    except AssertionError as problem:
        raise AssertionError(f"{case} {mode}: {problem}") from None


@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize(("x_dtype", "k_dtype"), GRID_DTYPES)
def test_against_the_oracle(level, method, x_dtype, k_dtype, boundary):
    for case in CASES:
        for mode in filter(case.fits, MODES):
            check("convolve", case, x_dtype, k_dtype, mode, boundary, method)


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_both_tile_engines(level, tile_engine, boundary):
    for dtype in map(np.dtype, ("float32", "float64", "complex64", "complex128")):
        for case in CASES:
            for mode in filter(case.fits, MODES):
                check("convolve", case, dtype, dtype, mode, boundary, "overlap_save")


# large enough for register blocks, remainders of every vector length, and several tiles
LARGER = (
    Case((70_001,), (31,)),
    Case((5_003,), (700,)),
    Case((301, 517), (3, 3)),
    Case((203, 391), (15, 15)),
    Case((90, 1031), (5, 9)),
    Case((150, 140, 3), (11, 7), (0, 1)),
    Case((37, 41, 43), (3, 3, 3)),
    Case((33, 30, 35), (7, 5, 6)),
    Case((40, 1021), (64,), 1),
    Case((1021, 40), (64,), 0),
)


@pytest.mark.parametrize("case", LARGER, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_larger_arrays(level, method, case, dtype):
    dtype = np.dtype(dtype)
    check("convolve", case, dtype, dtype, "same", "mirror", method)


@pytest.mark.parametrize("case", LARGER[2:6], ids=str)
@pytest.mark.parametrize(
    "dtypes", [("complex64", "complex64"), ("uint8", "int16"), ("float16",) * 2], ids=str
)
def test_larger_arrays_of_other_dtypes(level, method, case, dtypes):
    check("convolve", case, *map(np.dtype, dtypes), "same", "wrap", method)


@pytest.mark.parametrize("taps", [*range(1, 36), 63, 64, 65, 127, 129])
def test_every_small_number_of_taps(level, taps):
    # unrolled loops have their remainders here
    for n in (1, 7, 16, 33, 100, 131):
        case = Case((n,), (taps,))
        check("convolve", case, np.dtype("float32"), np.dtype("float32"), "full", "edge", "direct")


@pytest.mark.parametrize("side", range(1, 20))
def test_every_small_square(level, side):
    for method in ("direct", "separable"):
        for shape in ((19, 50), (34, 21)):
            case = Case(shape, (side, side))
            check(
                "convolve",
                case,
                np.dtype("float32"),
                np.dtype("float32"),
                "same",
                "symmetric",
                method,
            )


@pytest.mark.parametrize("method", ["direct", "separable", "fft", "overlap_save"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("taps", [100, 1000])
def test_rounding_that_always_leans_to_one_side(method, dtype, taps):
    # equal numbers: the errors of a plain running sum add up instead of cancelling
    x = np.full((2, 4000), 0.1, dtype)
    k = np.full((2, taps), 0.1, dtype)
    actual = faltung.convolve(
        x, k, "valid" if method == "fft" else "same", method, axes=None, boundary="wrap"
    )
    expected = oracle.convolve(x, k, "valid" if method == "fft" else "same", boundary="wrap")
    assert_answer(actual, expected, method, x.dtype, k.dtype)


@pytest.mark.parametrize("method", ["fft", "overlap_save"])
def test_a_quiet_part_beside_a_loud_one(method):
    # the bound knows the loudest sample; a rounding error above it would drown the quiet part
    x = numbers((3000,), np.dtype("float32"))
    x[:1000] *= 1e6
    k = numbers((50,), np.dtype("float32"), 1)
    assert_answer(
        faltung.convolve(x, k, method=method), oracle.convolve(x, k), method, x.dtype, k.dtype
    )


@pytest.mark.parametrize("scale", [1e-30, 1e30])
@pytest.mark.parametrize("method", ["direct", "separable", "fft", "overlap_save"])
def test_scale_is_carried(method, scale):
    x = numbers((40, 50), np.dtype("float32")) * np.float32(scale)
    k = outer((3, 4), np.dtype("float32"))
    assert_answer(
        faltung.convolve(x, k, method=method), oracle.convolve(x, k), method, x.dtype, k.dtype
    )


def test_a_kernel_of_full_rank_is_not_separable():
    k = numbers((5, 5), np.dtype("float64"), 3)
    with pytest.raises(ValueError, match="separable"):
        faltung.convolve(np.ones((9, 9)), k, method="separable")
    x = numbers((30, 30), np.dtype("float64"))
    assert_answer(faltung.convolve(x, k), oracle.convolve(x, k), "auto", x.dtype, k.dtype)


def test_lists_and_scalars_are_arrays():
    actual = faltung.convolve([1, 2, 3], [1, 10])
    assert isinstance(actual, np.ndarray)
    assert actual.tolist() == [1, 12, 23, 30]
    assert faltung.convolve([1.0, 2.0], [0.5]).tolist() == [0.5, 1.0]


def test_aliases_of_boundaries():
    x, k = numbers((9,), np.dtype("float64")), numbers((4,), np.dtype("float64"), 1)
    for alias, name in (("nearest", "edge"), ("circular", "wrap")):
        np.testing.assert_array_equal(
            faltung.convolve(x, k, boundary=alias), faltung.convolve(x, k, boundary=name)
        )


def test_operands_are_left_alone(method):
    x, k = numbers((20, 21), np.dtype("float64")), outer((3, 4), np.dtype("float64"))
    before = x.copy(), k.copy()
    faltung.convolve(x, k, "same", method, boundary="mirror")
    np.testing.assert_array_equal(x, before[0])
    np.testing.assert_array_equal(k, before[1])
