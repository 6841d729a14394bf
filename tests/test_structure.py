"""Structure in kernels (outer products, equal taps, zeros) is found, and answered within the same bounds."""

import numpy as np
import oracle
import pytest
from bounds import assert_answer, assert_close
from cases import numbers

import faltung

INEXACT = ["float32", "float64", "complex64", "complex128"]


def low_rank(extents, dtype, terms, seed=0):
    """A sum of outer products, in the dtype's own rounding."""
    wide = np.complex128 if np.dtype(dtype).kind == "c" else np.float64
    total = np.zeros(extents, wide)
    for term in range(terms):
        part = np.ones((), wide)
        for axis, extent in enumerate(extents):
            part = np.multiply.outer(part, numbers((extent,), wide, seed + 10 * term + axis))
        total += part
    return total.astype(dtype)


def laplacian_of_gaussian(side, ndim):
    """Of rank two in the plane, of rank three in space."""
    t = np.arange(side) - (side - 1) / 2
    smooth, curved = np.exp(-(t**2) / 8), (t**2 / 16 - 0.25) * np.exp(-(t**2) / 8)
    total = np.zeros((side,) * ndim)
    for axis in range(ndim):
        part = np.ones(())
        for a in range(ndim):
            part = np.multiply.outer(part, curved if a == axis else smooth)
        total += part
    return total


class TestLowRank:
    @pytest.mark.parametrize("dtype", INEXACT)
    @pytest.mark.parametrize("terms", [2, 3])
    def test_in_the_plane(self, level, dtype, terms):
        x, k = numbers((70, 83), np.dtype(dtype)), low_rank((13, 17), dtype, terms)
        plan = faltung.plan(k, x.shape, "same", "separable", boundary="mirror")
        assert f"a sum of {terms} outer products" in plan.explain()
        truth = oracle.convolve(x, k, "same", boundary="mirror")
        assert_answer(plan(x), truth, "separable", x.dtype, k.dtype)

    @pytest.mark.parametrize("dtype", ["float32", "float64"])
    def test_in_space(self, level, dtype):
        x = numbers((12, 17, 21), np.dtype(dtype))
        k = laplacian_of_gaussian(9, 3).astype(dtype)
        y = faltung.convolve(x, k, "same", "separable", boundary="edge")
        truth = oracle.convolve(x, k, "same", boundary="edge")
        assert_answer(y, truth, "separable", x.dtype, k.dtype)

    @pytest.mark.parametrize("x_dtype", ["uint8", "float16", "complex64"])
    def test_samples_of_another_dtype(self, x_dtype):
        x, k = numbers((40, 50, 3), np.dtype(x_dtype)), low_rank((9, 11), "float32", 2)
        y = faltung.convolve(x, k, "full", "separable", axes=(0, 1))
        truth = oracle.convolve(x, k, "full", axes=(0, 1))
        assert_answer(y, truth, "separable", x.dtype, k.dtype)

    def test_what_is_left_over_counts(self):
        """Noise above the rounding of the taps is part of the kernel."""
        k = low_rank((15, 15), "float32", 2)
        k += 1e-6 * np.abs(k).max() * numbers(k.shape, np.dtype("float32"), 7)
        with pytest.raises(ValueError, match="sum of few"):
            faltung.plan(k, (64, 64), "same", "separable")

    def test_tiny_and_huge_kernels(self):
        x = numbers((40, 40), np.dtype("float64"))
        for scale in (1e-290, 1e290):
            k = low_rank((9, 9), "float64", 2) * scale
            y = faltung.convolve(x, k, "same")
            np.testing.assert_allclose(
                y / scale, faltung.convolve(x, k / scale, "same"), atol=1e-11
            )

    def test_chosen_where_it_pays(self):
        difference = laplacian_of_gaussian(11, 2).astype("float32")
        plan = faltung.plan(difference, (2048, 2048), "same", boundary="mirror")
        assert "separable: predicted" in plan.explain()
        assert "a sum of 2 outer products" in plan.explain()

    def test_integers_stay_exact(self):
        """Sums of several products are rounded, so they do not serve integers."""
        k = np.rint(100 * laplacian_of_gaussian(9, 2)).astype(np.int64)
        with pytest.raises(ValueError, match="separable"):
            faltung.convolve(np.ones((30, 30), np.int64), k, method="separable")


class TestEqualTaps:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
    @pytest.mark.parametrize("sides", [(40, 1), (1, 40), (33, 26), (15, 19)], ids=str)
    def test_inexact(self, level, dtype, sides):
        x, k = numbers((90, 101), np.dtype(dtype)), np.full(sides, 1 / 7, dtype)
        for mode in ("full", "valid"):
            y = faltung.convolve(x, k, mode, "separable", boundary="wrap")
            truth = oracle.convolve(x, k, mode, boundary="wrap")
            assert_answer(y, truth, "separable", x.dtype, k.dtype)

    @pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64"])
    def test_integers(self, level, dtype):
        x, k = numbers((60, 71), np.dtype(dtype)), np.full((29, 23), 3, dtype)
        y = faltung.convolve(x, k, "same", "separable", boundary="mirror")
        truth = oracle.convolve(x, k, "same", boundary="mirror")
        assert_answer(y, truth, "separable", x.dtype, k.dtype)

    def test_wide_integers(self, level):
        x = numbers((60, 40), np.dtype("int64")) << 45
        k = np.full((21, 15), 5)
        y = faltung.convolve(x, k, "same", "separable")
        assert_answer(y, oracle.convolve(x, k, "same"), "separable", x.dtype, k.dtype)

    @pytest.mark.parametrize("axes", [0, 1, 2, (0, 2), (0, 1, 2)], ids=str)
    @pytest.mark.parametrize("channels", [False, True])
    def test_volumes(self, axes, channels):
        shape = (31, 27, 22, 3) if channels else (31, 27, 22)
        x = numbers(shape, np.dtype("float32"))
        k = np.full((17,) * np.atleast_1d(axes).size, 0.25, "float32")
        y = faltung.convolve(x, k, "same", "separable", axes=axes, boundary="symmetric")
        truth = oracle.convolve(x, k, "same", axes=axes, boundary="symmetric")
        assert_answer(y, truth, "separable", x.dtype, k.dtype)

    @pytest.mark.parametrize("taps", [16, 37, 64, 101, 500])
    def test_a_line(self, level, taps):
        x, k = numbers((3000,), np.dtype("float32")), np.full(taps, 0.1, "float32")
        y = faltung.convolve(x, k, "same", "separable")
        truth = oracle.convolve(x, k, "same")
        assert_answer(y, truth, "separable", x.dtype, k.dtype)

    def test_a_long_line_is_summed_in_runs(self, level):
        """Integers that a transform could not give exactly; of floats it depends on the level what is quicker."""
        plan = faltung.plan(np.ones(1001, "int64"), 10**6, "same", x_dtype="int64")
        assert plan.method == "separable"

    @pytest.mark.parametrize("axis", [0, 1])
    def test_a_bright_sample_leaves_no_trace(self, level, axis):
        """A sum that samples enter and leave would keep the rounding of the bright one."""
        x = numbers((400, 400), np.dtype("float32")) * np.float32(1e-6)
        x[20, 20] = 1e12
        k = np.ones((31, 1) if axis == 0 else (1, 31), "float32")
        y = faltung.convolve(x, k, "same", "separable")
        assert_close(y, oracle.convolve(x, k, "same"), "separable", np.dtype("float32"))

    def test_errors_do_not_grow_with_the_window(self):
        x = np.full((3000, 16), 0.1, np.float32)
        y = faltung.filters.box(x, 2001, axes=0)
        np.testing.assert_allclose(y, np.float32(0.1), rtol=3e-7)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
    @pytest.mark.parametrize("sides", [(1, 40), (40, 1), (20, 20)], ids=str)
    def test_what_is_not_finite_stays_in_its_windows(self, level, bad, sides):
        x, k = numbers((150, 160), np.dtype("float32")), np.ones(sides, "float32")
        x[70, 80] = bad
        y = faltung.convolve(x, k, "same", "separable")
        truth = oracle.convolve(x, k, "same")
        assert_close(y, truth, "separable", np.dtype("float32"))
        assert not np.isfinite(y[truth.touched]).any()

    def test_no_sum_overflows_that_the_taps_keep_finite(self):
        x = np.full((64, 64), 1e38, np.float32)
        k = np.full((20, 20), 1 / 400, np.float32)
        y = faltung.convolve(x, k, "valid", "separable")
        np.testing.assert_allclose(y, 1e38, rtol=1e-5)

    def test_workers_do_not_matter(self):
        x, k = numbers((700, 800), np.dtype("float32")), np.full((40, 40), 0.01, "float32")
        one = faltung.convolve(x, k, "same", "separable", workers=1)
        np.testing.assert_array_equal(one, faltung.convolve(x, k, "same", "separable", workers=3))


def sparse(shape, dtype, share, seed=3):
    k = numbers(shape, np.dtype(dtype), seed)
    k[np.random.default_rng(seed).random(shape) > share] = 0
    return k


class TestSparse:
    @pytest.mark.parametrize("dtype", INEXACT)
    @pytest.mark.parametrize("shape", [(9, 11), (1, 61), (61, 1)], ids=str)
    def test_in_the_plane(self, level, dtype, shape):
        x, k = numbers((60, 130), np.dtype(dtype)), sparse(shape, dtype, 0.2)
        plan = faltung.plan(k, x.shape, "full", "direct", boundary="mirror")
        assert f"only the {np.count_nonzero(k)} taps that are not zero" in plan.explain()
        truth = oracle.convolve(x, k, "full", boundary="mirror")
        assert_answer(plan(x), truth, "direct", x.dtype, k.dtype)

    @pytest.mark.parametrize("dtype", ["uint8", "int16", "int64"])
    def test_integers(self, level, dtype):
        x, k = numbers((40, 50), np.dtype(dtype)), sparse((9, 9), dtype, 0.15)
        y = faltung.convolve(x, k, "same", "direct", boundary="edge")
        truth = oracle.convolve(x, k, "same", boundary="edge")
        assert_answer(y, truth, "direct", x.dtype, k.dtype)

    def test_volumes_channels_stride_and_dilation(self, level):
        x, k = numbers((14, 17, 19, 2), np.dtype("float32")), sparse((4, 5, 6), "float32", 0.15)
        options = {"axes": (0, 1, 2), "boundary": "symmetric"}
        y = faltung.convolve(x, k, "same", "direct", **options)
        assert_answer(y, oracle.convolve(x, k, "same", **options), "direct", x.dtype, k.dtype)
        x, boundary = np.ascontiguousarray(x[..., 0]), "edge"
        for step, dilation in ((2, 1), (1, 2), (3, 2)):
            y = faltung.convolve(
                x, k, "full", "direct", boundary=boundary, stride=step, dilation=dilation
            )
            truth = oracle.convolve(x, k, "full", boundary=boundary, step=step, dilation=dilation)
            assert_answer(y, truth, "direct", x.dtype, k.dtype)

    @pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf], ids=str)
    @pytest.mark.parametrize("shape", [(70, 500), (20, 30, 40)], ids=str)
    def test_zero_taps_on_what_is_not_finite(self, level, bad, shape):
        x = numbers(shape, np.dtype("float32"))
        x[tuple(side // 2 for side in shape)] = bad
        k = sparse((7,) * len(shape), "float32", 0.1)
        y = faltung.convolve(x, k, "same", "direct", boundary="wrap")
        truth = oracle.convolve(x, k, "same", boundary="wrap")
        assert truth.touched.any()
        np.testing.assert_array_equal(np.isnan(y), np.isnan(truth.value))
        assert_close(y, truth, "direct", np.dtype("float32"))

    def test_an_echo(self):
        """A few taps far apart, along a line."""
        x, k = numbers((20_000,), np.dtype("float64")), np.zeros(5000)
        k[[0, 1234, 4999]] = [1, 0.5, -0.25]
        plan = faltung.plan(k, x.shape, "full")
        assert plan.method == "direct"
        assert_answer(plan(x), oracle.convolve(x, k), "direct", x.dtype, k.dtype)
