"""Which dtype the answer has, exact integers, `dtype=` and `cval`."""

import numpy as np
import oracle
import pytest
from bounds import arithmetic_of, assert_answer, assert_exact, bound, rounded
from cases import DTYPES, INTEGERS, METHODS, numbers, outer

import faltung

FORCED = METHODS[1:]


def pairs():
    return [pytest.param(x, k, id=f"{x}-{k}") for x in DTYPES for k in DTYPES]


@pytest.mark.parametrize(("x_dtype", "k_dtype"), pairs())
def test_every_pair_of_dtypes(x_dtype, k_dtype):
    x, k = numbers((11, 9), x_dtype), numbers((3, 4), k_dtype, 1)
    for call in ("convolve", "correlate"):
        actual = getattr(faltung, call)(x, k)
        assert_answer(actual, getattr(oracle, call)(x, k), "auto", x_dtype, k_dtype)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_every_dtype_with_every_method_and_level(level, method, dtype):
    x, k = numbers((33, 45), dtype), outer((3, 4), dtype, 1)
    for boundary in ("zero", "symmetric"):
        actual = faltung.convolve(x, k, "same", method, boundary=boundary)
        assert_answer(
            actual, oracle.convolve(x, k, "same", boundary=boundary), method, dtype, dtype
        )


@pytest.mark.parametrize("name", ["longdouble", "clongdouble", "object", "U3", "M8[s]", "V4"])
def test_other_dtypes_are_refused(name):
    # a dtype of the platform that is another one's alias is no other dtype
    dtype = np.dtype(name)
    if dtype in DTYPES:
        pytest.skip(f"{name} is {dtype} here")
    strange = np.zeros(4, dtype)
    for operands in ((strange, np.ones(2)), (np.ones(4), strange[:2])):
        with pytest.raises(TypeError, match=str(dtype).split("[")[0].lstrip("<|")):
            faltung.convolve(*operands)


class TestExactIntegers:
    @pytest.mark.parametrize("method", METHODS)
    @pytest.mark.parametrize("dtype", INTEGERS, ids=str)
    def test_extremes(self, method, dtype):
        # the ends of the range, where rounding to float would show first
        info = np.iinfo(np.uint8) if dtype == bool else np.iinfo(dtype)
        ends = [info.min, info.max, info.max - 1, info.min + 1] * 8
        x = np.array(ends, object).astype(dtype) if dtype == bool else np.array(ends, dtype)
        k = np.array([1, 0, 1], dtype)
        expected = oracle.convolve(x, k)
        fits = np.iinfo(np.uint64 if dtype == np.uint64 else np.int64)
        worst = max(abs(int(x.max())), abs(int(x.min()))) * 2  # the sum of |k|
        if worst > fits.max:
            # whether these very sums would fit is not looked at
            with pytest.raises(OverflowError):
                faltung.convolve(x, k, method=method)
            return
        try:
            actual = faltung.convolve(x, k, method=method)
        except ValueError as refusal:
            # a transform may decline what it cannot do exactly; only wide integers ask that much
            assert method in ("fft", "overlap_save")
            assert dtype.itemsize >= 4
            assert method in str(refusal)
            return
        assert_exact(actual, expected)

    @pytest.mark.parametrize("method", ["auto", "direct"])
    def test_results_near_the_ends_of_int64(self, level, method):
        x = np.array([2**62 - 1, -(2**62), 2**61, 5], np.int64)
        assert_exact(
            faltung.convolve(x, [1, 1], method=method), oracle.convolve(x, np.array([1, 1]))
        )
        assert faltung.convolve(np.array([-(2**63)]), [1], method=method).tolist() == [-(2**63)]

    def test_results_near_the_end_of_uint64(self):
        x = np.array([2**63 - 1, 2**62, 7], np.uint64)
        actual = faltung.convolve(x, np.array([1, 1], np.uint8))
        assert actual.dtype == np.uint64
        assert actual.tolist() == [2**63 - 1, 2**63 - 1 + 2**62, 2**62 + 7, 7]

    def test_unsigned_and_signed_make_signed(self):
        actual = faltung.convolve(np.array([2**62], np.uint64), np.array([-2], np.int8))
        assert actual.dtype == np.int64
        assert actual.tolist() == [-(2**63)]

    @pytest.mark.parametrize(
        ("x", "k"),
        [
            (np.array([2**62, 2**62]), np.array([1, 1])),
            (np.array([-(2**63)]), np.array([-1])),
            (np.array([2**63], np.uint64), np.array([1])),
            (np.array([2**63, 2**63], np.uint64), np.array([1, 1], np.uint64)),
            (np.array([3]), np.array([2**62])),
            (np.full((2, 2), 2**40), np.full((2, 2), 2**22)),
            # narrow samples too
            (np.array([3], np.uint8), np.array([2**62])),
            (np.array([3, -3], np.int8), np.full(3, 2**62)),
            (np.ones(9, np.uint16), np.full(5, 2**63, np.uint64)),
            (np.ones(9, bool), np.array([2**63 - 1, 1])),
        ],
        ids=str,
    )
    def test_what_cannot_fit_is_an_error(self, x, k):
        for call in (faltung.convolve, faltung.correlate):
            with pytest.raises(OverflowError, match="int64"):
                call(x, k)
        with pytest.raises(OverflowError, match="int64"):
            faltung.plan(k, x.shape, x_dtype=x.dtype)(x)
        with pytest.raises(OverflowError, match="int64"):
            faltung.filter_bank(x, k[np.newaxis])

    def test_narrow_samples_are_looked_at_before_they_are_refused(self):
        x, k = np.array([2, 1, 0], np.uint8), np.array([2**61, -(2**60)])
        assert_exact(faltung.convolve(x, k), oracle.convolve(x, k))

    def test_the_data_decide_not_the_dtype(self):
        # int64 could hold anything; these numbers are small
        x, k = np.arange(-500, 500), np.arange(100)
        assert_exact(faltung.convolve(x, k), oracle.convolve(x, k))

    @pytest.mark.parametrize("method", METHODS)
    def test_every_channel_is_looked_at(self, method):
        k = np.full((3, 3), 1001)
        for channel in range(3):
            for dtype in (np.int64, np.int32, np.uint32):
                x = np.zeros((20, 21, 3), dtype)
                x[..., channel] = 12345
                want = oracle.convolve(x, k, "same", axes=(0, 1))
                for actual in (
                    faltung.convolve(x, k, "same", method, axes=(0, 1)),
                    faltung.plan(k, x.shape, "same", axes=(0, 1), x_dtype=dtype)(x),
                    faltung.filter_bank(x, k[np.newaxis], "same", method, axes=(0, 1))[0],
                    faltung._api.separable(x, [k[0], k[0] // 1001], (0, 1)),
                ):
                    assert_exact(actual, want)
            x = np.zeros((20, 21, 3), np.int64)
            x[..., channel] = 2**60
            with pytest.raises(OverflowError):
                faltung.convolve(x, k, method=method, axes=(0, 1))

    def test_the_constant_counts(self):
        with pytest.raises(OverflowError):
            faltung.convolve([1], [1, 1, 1], boundary="constant", cval=2**62)

    def test_bools_count(self):
        x = np.ones(5, bool)
        actual = faltung.convolve(x, x)
        assert actual.dtype == np.int64
        assert actual.tolist() == [1, 2, 3, 4, 5, 4, 3, 2, 1]

    @pytest.mark.parametrize("method", FORCED)
    def test_sums_at_the_edge_of_float32(self, level, method):
        # 2^24 is the last integer before float32 has gaps
        x = np.full((6, 300), 255, np.uint8)
        k = np.full((3, 100), 255, np.uint8)
        expected = oracle.convolve(x, k, "same", boundary="wrap")
        assert_exact(faltung.convolve(x, k, "same", method, boundary="wrap"), expected)


class TestOutputDtype:
    @pytest.mark.parametrize("dtype", INTEGERS[1:], ids=str)
    @pytest.mark.parametrize("method", METHODS)
    def test_integers_saturate(self, method, dtype):
        x = numbers((12, 30), np.dtype(np.int16)) * np.int16(300)
        k = np.multiply.outer([1, -2], [3, -1, 2]).astype(np.int16)
        expected = oracle.convolve(x, k)
        actual = faltung.convolve(x, k, method=method, dtype=dtype)
        assert actual.dtype == dtype
        np.testing.assert_array_equal(actual, rounded(expected.value, dtype))

    @pytest.mark.parametrize("dtype", INTEGERS[1:], ids=str)
    @pytest.mark.parametrize("method", METHODS)
    def test_floats_are_rounded_and_saturate(self, level, method, dtype):
        x = numbers((12, 30), np.dtype(np.float64)) * 200
        k = outer((2, 3), np.dtype(np.float64))
        expected = oracle.convolve(x, k)
        actual = faltung.convolve(x, k, method=method, dtype=dtype)
        assert actual.dtype == dtype
        # the answer is right if some number within the bound rounds to it
        slack = bound(expected, method, arithmetic_of(x.dtype, k.dtype))
        assert (actual >= rounded(expected.value - slack, dtype)).all()
        assert (actual <= rounded(expected.value + slack, dtype)).all()

    @pytest.mark.parametrize("source", ["float16", "float32", "float64"])
    @pytest.mark.parametrize("dtype", INTEGERS[1:], ids=str)
    def test_halves_go_to_even(self, level, source, dtype):
        x = np.array([0.5, 1.5, 2.5, 3.5, -0.5, -1.5, -2.5, 0.49, 0.51, 126.5, 127.5], source)
        actual = faltung.convolve(x, np.ones(1, source), method="direct", dtype=dtype)
        np.testing.assert_array_equal(actual, rounded(x.astype(float), dtype))

    @pytest.mark.parametrize("source", ["float32", "float64"])
    @pytest.mark.parametrize("dtype", INTEGERS[1:], ids=str)
    def test_saturation_at_every_end(self, level, source, dtype):
        info = np.iinfo(dtype)
        ends = [info.min, info.max, info.max / 2, -1, 0, 1e30, -1e30, np.inf, -np.inf, np.nan]
        x = np.array(ends * 5, source)
        actual = faltung.convolve(x, np.ones(1, source), method="direct", dtype=dtype)
        np.testing.assert_array_equal(actual, rounded(x, dtype))

    @pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
    def test_floats_may_be_narrowed_and_widened(self, method, dtype):
        x, k = numbers((20, 22), np.dtype(np.float32)), outer((3, 3), np.dtype(np.float32))
        actual = faltung.convolve(x, k, method=method, dtype=dtype)
        assert actual.dtype == dtype
        expected = oracle.convolve(x, k)
        allowed = bound(expected, method, np.dtype(np.float32))
        allowed = allowed + np.finfo(dtype).eps * np.abs(expected.value) + 1e-7
        assert (np.abs(actual - expected.value) <= allowed).all()

    def test_integers_to_float(self, method):
        x = numbers((20, 21), np.dtype(np.uint8))
        k = outer((3, 3), np.dtype(np.int8))
        actual = faltung.convolve(x, k, method=method, dtype=np.float32)
        assert actual.dtype == np.float32
        np.testing.assert_array_equal(actual, oracle.convolve(x, k).value)

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
    def test_integers_to_floats_are_whole(self, level, method, dtype, rng):
        # sums of some thousands come out of a transform a little beside whole numbers
        for shape, taps in (((600,), (200,)), ((90, 80), (21, 17))):
            x = rng.integers(0, 200, shape, np.uint8)
            k = np.ones(taps, np.int8) if method == "separable" else rng.integers(-9, 9, taps)
            expected = oracle.convolve(x, k).value
            actual = faltung.convolve(x, k, method=method, dtype=dtype)
            np.testing.assert_array_equal(actual, expected)
            assert not np.signbit(actual.real[expected == 0]).any()
            apart = np.zeros((*expected.shape, 2), dtype)[..., 0]
            faltung.convolve(x, k, method=method, dtype=dtype, out=apart)
            np.testing.assert_array_equal(apart, expected)
        bank = rng.integers(-9, 9, (2, 25, 25), np.int8)
        image = rng.integers(0, 200, (100, 90), np.uint8)
        maps = faltung.filter_bank(image, bank, dtype=dtype)
        expected = [oracle.convolve(image, k, "same").value for k in bank]
        np.testing.assert_array_equal(maps, expected)

    @pytest.mark.parametrize("size", [3, 3000, 2**55])
    def test_integers_to_complex_are_real(self, method, size):
        if size > 2**40 and method in ("fft", "overlap_save"):
            pytest.skip("not exact in float64")
        x, k = np.array([1, -2, 3, 4]) * size, np.array([1, 3, -2])
        options = {"boundary": "constant", "cval": 5}
        expected = oracle.convolve(x, k, **options).value
        actual = faltung.convolve(x, k, method=method, dtype=complex, **options)
        np.testing.assert_array_equal(actual, expected)
        assert not actual.imag.any()

    def test_float16_is_computed_in_float32(self):
        # every partial sum beyond 2048 would stop growing in float16
        x = np.ones(6000, np.float16)
        actual = faltung.convolve(x, np.ones(4000, np.float16), "valid")
        assert actual.dtype == np.float16
        assert (actual == 4000).all()

    def test_float16_overflows_to_infinity(self):
        actual = faltung.convolve(np.full(4, 60000, np.float16), np.ones(2, np.float16), "valid")
        assert (actual == np.inf).all()

    def test_complex_has_no_real_dtype(self):
        for dtype in (np.float64, np.int32):
            with pytest.raises(TypeError, match="complex"):
                faltung.convolve(np.ones(3, complex), np.ones(2), dtype=dtype)

    def test_real_to_complex(self):
        actual = faltung.convolve(np.ones(3), np.ones(2), dtype=np.complex64)
        assert actual.dtype == np.complex64
        assert actual.tolist() == [1, 2, 2, 1]

    @pytest.mark.parametrize("dtype", ["longdouble", "object", "U2", "M8[s]"])
    def test_dtypes_that_no_answer_has(self, dtype):
        if np.dtype(dtype) in DTYPES:
            pytest.skip("an alias on this platform")
        with pytest.raises(TypeError, match="dtype"):
            faltung.convolve(np.ones(3), np.ones(2), dtype=dtype)

    def test_bool_saturates_too(self, method):
        x, k = numbers((9, 30), np.dtype(np.float64)), outer((2, 2), np.dtype(np.float64))
        actual = faltung.convolve(x, k, method=method, dtype=bool)
        assert actual.dtype == bool
        assert set(np.unique(actual.view(np.uint8))) == {0, 1}
        np.testing.assert_array_equal(actual, oracle.convolve(x, k).value > 0.5)

    def test_nan_becomes_zero(self, level, method):
        x = np.ones((40, 50), np.float32)
        x[7, 9] = np.nan
        k = np.ones((3, 3), np.float32)
        actual = faltung.convolve(x, k, "same", method, dtype=np.int16, boundary="edge")
        expected = np.full((40, 50), 9)
        expected[6:9, 8:11] = 0
        np.testing.assert_array_equal(actual, expected)


class TestConstant:
    @pytest.mark.parametrize("cval", [2**63, -(2**63) - 1, 2**70, 0.5, 1j, np.nan, np.inf])
    def test_what_an_integer_result_cannot_hold(self, cval):
        with pytest.raises((ValueError, OverflowError), match="cval"):
            faltung.convolve([1, 2, 3], [1, 1], boundary="constant", cval=cval)

    def test_unsigned_results_hold_nothing_negative(self):
        x, k = np.ones(3, np.uint64), np.ones(2, np.uint64)
        with pytest.raises(ValueError, match=r"cval.*uint64"):
            faltung.convolve(x, k, boundary="constant", cval=-1)
        actual = faltung.convolve(x, k[:1], boundary="constant", cval=2**63)
        assert actual.tolist() == [1, 1, 1]

    def test_the_result_is_what_is_computed_not_what_is_stored(self):
        # int64 holds 300; the sums saturate where they are stored
        x, k = np.ones(2, np.uint8), np.array([1, -1], np.int8)
        actual = faltung.convolve(x, k, boundary="constant", cval=300, dtype=np.uint8)
        assert actual.tolist() == [0, 0, 255]

    def test_a_negative_constant_for_int64(self):
        actual = faltung.convolve(np.ones(2, np.uint8), [1, 1], boundary="constant", cval=-7)
        assert actual.tolist() == [-6, 2, -6]

    def test_large_integer_constants_are_exact(self):
        big = 2**60 + 1
        actual = faltung.convolve([1], [1, 1], boundary="constant", cval=big)
        assert actual.tolist() == [big + 1, big + 1]

    def test_a_complex_constant_needs_a_complex_result(self):
        with pytest.raises((TypeError, ValueError), match="cval"):
            faltung.convolve(np.ones(4), np.ones(3), boundary="constant", cval=1j)
        actual = faltung.convolve(np.ones(1, complex), np.ones(2), boundary="constant", cval=1j)
        assert actual.tolist() == [1 + 1j, 1 + 1j]

    def test_it_is_rounded_to_the_result(self):
        # 0.1 as float32, not as float64
        actual = faltung.convolve(np.zeros(1, np.float32), np.ones(2, np.float32),
                                  boundary="constant", cval=0.1)  # fmt: skip
        assert actual.tolist() == [float(np.float32(0.1))] * 2

    def test_a_constant_without_its_boundary_changes_nothing(self, method):
        x, k = numbers((9, 9), np.dtype(float)), outer((3, 3), np.dtype(float))
        np.testing.assert_array_equal(
            faltung.convolve(x, k, method=method, cval=5), faltung.convolve(x, k, method=method)
        )
