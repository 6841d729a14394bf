"""Banks of kernels: the same as one kernel after the other."""

from __future__ import annotations

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import numbers
from oracle import BOUNDARIES, MODES

import faltung


def check(maps, x, kernels, mode="same", *, name="convolve", **options):
    assert len(maps) == len(kernels)
    for y, k in zip(maps, kernels, strict=True):
        assert_answer(y, getattr(oracle, name)(x, k, mode, **options), "auto", x.dtype, k.dtype)


@pytest.mark.parametrize(
    ("x_dtype", "k_dtype"),
    [
        ("float32", "float32"),
        ("float64", "float64"),
        ("float32", "complex64"),
        ("complex128", "float64"),
        ("complex64", "complex64"),
        ("float16", "float16"),
        ("uint8", "float32"),
        ("uint8", "int16"),
        ("int64", "int64"),
    ],
)
@pytest.mark.parametrize("method", ["auto", "direct", "overlap_save"])
def test_every_map_is_a_convolution(level, method, x_dtype, k_dtype):
    x, kernels = numbers((45, 52), x_dtype), numbers((3, 6, 7), k_dtype, 1)
    check(faltung.filter_bank(x, kernels, method=method), x, kernels)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_modes_and_boundaries(mode, boundary):
    x, kernels = numbers((30, 40), "float32"), numbers((2, 8, 5), "float32", 1)
    cval = 3 if boundary == "constant" else 0
    maps = faltung.filter_bank(x, kernels, mode, "overlap_save", boundary=boundary, cval=cval)
    check(maps, x, kernels, mode, boundary=boundary, cval=cval)


def test_correlate_conjugates():
    x, kernels = numbers((60,), "complex128"), numbers((4, 9), "complex128", 1)
    check(faltung.filter_bank(x, kernels, correlate=True), x, kernels, name="correlate")


@pytest.mark.parametrize(
    ("shape", "extents", "axes"),
    [
        ((5000,), (300,), None),
        ((20, 22, 24), (5, 6, 4), None),
        ((3, 40, 50), (9, 8), (1, 2)),
        ((40, 50, 3), (9, 8), (0, 1)),
        ((40, 50), (11,), 0),
        ((40, 50), (1, 11), None),
    ],
)
@pytest.mark.parametrize("method", ["auto", "overlap_save"])
def test_ranks_and_batches(shape, extents, axes, method):
    x, kernels = numbers(shape, "float32"), numbers((3, *extents), "float32", 1)
    check(faltung.filter_bank(x, kernels, method=method, axes=axes), x, kernels, axes=axes)


def test_many_tiles_equal_one_kernel_after_the_other(rng):
    x, kernels = rng.random((700, 800), dtype="f4"), rng.standard_normal((5, 31, 29)).astype("f4")
    maps = faltung.filter_bank(x, kernels, method="overlap_save")
    for y, k in zip(maps, kernels, strict=True):
        np.testing.assert_allclose(y, faltung.convolve(x, k, "same"), atol=2e-4)


def test_more_spectra_than_may_be_held(rng):
    x, kernels = rng.random(40_000, dtype="f4"), rng.standard_normal((90, 5000)).astype("f4")
    bank = faltung.filter_bank_plan(kernels, x.shape, method="overlap_save")
    assert bank.shared == len(bank) == 90
    maps = bank(x)
    for which in (0, 45, 89):
        expected = faltung.convolve(x, kernels[which], "same")
        np.testing.assert_allclose(maps[which], expected, atol=5e-3)


def test_some_kernels_go_alone(rng):
    bank = faltung.filter_bank_plan(rng.random((4, 3, 3), dtype="f4"), (900, 900))
    assert bank.shared == 0
    assert "summed directly, side by side" in bank.explain()
    outer = np.outer([1, 2, 3], [2, 3, 4, 5]).astype("f4")
    bank = faltung.filter_bank_plan([outer, outer], (900, 900), method="separable")
    assert "each by itself" in bank.explain()
    kernels = rng.standard_normal((4, 31, 31)).astype("f4")
    kernels[2, 3, 4] = np.nan  # no transform may serve it
    bank = faltung.filter_bank_plan(kernels, (900, 900))
    assert bank.shared == 3
    assert "3 of which share" in bank.explain()
    assert bank.predicted_seconds > 0
    assert repr(bank).startswith("<faltung.Bank: 4 kernels, 3 of them share")
    x = rng.random((900, 900), dtype="f4")
    for y, k in zip(bank(x), kernels, strict=True):
        np.testing.assert_allclose(y, faltung.convolve(x, k, "same"), atol=2e-3)


@pytest.mark.parametrize(
    ("shape", "extents", "count"),
    [
        ((40, 50), (3, 5), 3),
        ((700, 613), (3, 3), 5),
        ((2, 3, 300, 400), (5, 1), 2),
        ((400_000,), (7,), 2),
        ((30, 90, 101), (3, 2, 3), 3),
        ((501, 300, 3), (3, 3, 1), 4),
    ],
)
@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("boundary", ["zero", "mirror"])
def test_direct_sums_side_by_side_are_those_of_one_by_one(
    level, rng, shape, extents, count, workers, boundary
):
    x = rng.standard_normal(shape).astype("f4")
    kernels = rng.standard_normal((count, *(1,) * (x.ndim - len(extents)), *extents)).astype("f4")
    settings = {"method": "direct", "boundary": boundary, "workers": workers}
    maps = faltung.filter_bank(x, kernels, **settings)
    for y, k in zip(maps, kernels, strict=True):
        np.testing.assert_array_equal(y, faltung.convolve(x, k, "same", **settings))


@pytest.mark.parametrize("method", ["auto", "overlap_save"])
def test_nan_stays_local(level, rng, method):
    x, kernels = rng.random((300, 310), dtype="f4"), rng.standard_normal((2, 15, 16)).astype("f4")
    x[100, 200], x[7, 8] = np.nan, np.inf
    check(faltung.filter_bank(x, kernels, method=method), x, kernels)


def test_faint_samples_beside_bright_ones(level, rng):
    x, kernels = rng.random((300, 310), dtype="f4"), rng.standard_normal((2, 15, 16)).astype("f4")
    x[100, 200] = 1e6
    maps = faltung.filter_bank(x, kernels, method="overlap_save")
    for y, k in zip(maps, kernels, strict=True):
        direct = faltung.convolve(x, k, "same", "direct")
        sees = faltung.convolve(x > 1, np.ones(k.shape, "u1"), "same") > 0
        np.testing.assert_allclose(y[~sees], direct[~sees], rtol=1e-5, atol=1e-3)
        # what sees the bright one may be off by its rounding
        np.testing.assert_allclose(y[sees], direct[sees], rtol=1e-5, atol=1e6 * 2**-20)


@pytest.mark.parametrize("method", ["auto", "overlap_save"])
def test_layouts(rng, method):
    x, kernels = rng.random((60, 70), dtype="f4"), rng.random((3, 9, 9), dtype="f4")
    expected = faltung.filter_bank(x, kernels, method=method)
    bank = faltung.filter_bank_plan(kernels, x.shape, method=method)
    for same in (np.asfortranarray(x), x.astype(">f4"), np.repeat(x, 2, axis=1)[:, ::2]):
        np.testing.assert_allclose(
            faltung.filter_bank(same, kernels[:, ::-1][:, ::-1], method=method), expected, atol=1e-4
        )
    np.testing.assert_allclose(bank(np.asfortranarray(x)), expected, atol=1e-4)
    out = np.zeros((70, 60, 3)).transpose(2, 1, 0)
    assert faltung.filter_bank(x, kernels, method=method, out=out, dtype=float) is out
    np.testing.assert_allclose(out, expected, atol=1e-4)
    whole = np.concatenate([x[None], expected])  # out overlaps x
    faltung.filter_bank(whole[0], kernels, method=method, out=whole[:3])
    np.testing.assert_array_equal(whole[:3], expected)
    rounded = faltung.filter_bank(x * 100, kernels, method=method, dtype=np.uint8)
    assert rounded.dtype == np.uint8
    assert np.abs(rounded - (expected * 100).round().clip(0, 255)).max() <= 1


@pytest.mark.parametrize("method", ["auto", "direct", "separable", "fft", "overlap_save"])
def test_layouts_whose_axes_are_equally_long(rng, method):
    x, kernels = rng.random((40, 40)), rng.random((3, 5, 5))
    if method == "separable":
        kernels = rng.random((3, 5, 1)) * rng.random((3, 1, 5))
    bank = faltung.filter_bank_plan(kernels, x.shape, method=method)
    for view in (x, x.T, x[::-1].T, x):
        expected = [faltung.convolve(view.copy("C"), k, "same", "direct") for k in kernels]
        np.testing.assert_allclose(bank(view), expected, atol=1e-12)
        maps = faltung.filter_bank(view, kernels, method=method)
        np.testing.assert_allclose(maps, expected, atol=1e-12)


@pytest.mark.parametrize("method", ["auto", "direct", "overlap_save"])
def test_workers_change_nothing(rng, method):
    x, kernels = rng.random((500, 400), dtype="f4"), rng.random((4, 20, 20), dtype="f4")
    one = faltung.filter_bank(x, kernels, method=method, workers=1)
    for workers in (2, 3):
        again = faltung.filter_bank(x, kernels, method=method, workers=workers)
        np.testing.assert_array_equal(again, one)


def test_no_kernels_and_no_batch(rng):
    assert faltung.filter_bank(rng.random((5, 6)), np.zeros((0, 3, 3))).shape == (0, 5, 6)
    for method in ("auto", "direct", "separable", "fft", "overlap_save"):
        for shape, axis in [((0, 6), 1), ((6, 0), 0), ((6, 0, 3), 0)]:
            for dtype in ("f8", "F", "u1"):
                bank = faltung.filter_bank_plan(
                    np.ones((2, 3)), shape, method=method, axes=axis, x_dtype=dtype
                )
                assert bank(np.zeros(shape, dtype)).shape == (2, *shape)
                assert "2 kernels" in bank.explain()


@pytest.mark.parametrize(
    ("error", "message", "arguments", "options"),
    [
        (ValueError, "kernels has 1 axes", (np.ones(5), np.ones(3)), {}),
        (ValueError, "one of kernels has 2 axes and x has 1", (np.ones(5), np.ones((2, 3, 3))), {}),
        (ValueError, "one of kernels is empty", (np.ones(5), np.ones((2, 0))), {}),
        (ValueError, "method", (np.ones(5), np.ones((2, 3))), {"method": "quick"}),
        (ValueError, "out has shape", (np.ones(5), np.ones((2, 3))), {"out": np.ones(5)}),
        (TypeError, "dtype object", (np.ones(5), np.ones((2, 3), object)), {}),
        (
            OverflowError,
            "may not fit",
            (np.full(9, 2**62), np.full((2, 3), 9)),
            {"mode": "full"},
        ),
    ],
)
def test_errors(error, message, arguments, options):
    with pytest.raises(error, match=message):
        faltung.filter_bank(*arguments, **options)


def test_a_plan_is_for_one_shape_and_dtype():
    bank = faltung.filter_bank_plan(np.ones((2, 3)), 10)
    with pytest.raises(ValueError, match="x has shape"):
        bank(np.ones(11))
    with pytest.raises(TypeError, match="this bank is for float64"):
        bank(np.ones(10, np.float32))
