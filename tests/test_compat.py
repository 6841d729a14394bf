"""`faltung.compat` against SciPy itself, on what SciPy's own tests leave out."""

import subprocess
import sys
import threading
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import faltung
from faltung import compat

scipy_signal = pytest.importorskip("scipy.signal")
scipy_ndimage = pytest.importorskip("scipy.ndimage")

MODES = ["full", "same", "valid"]
DTYPES = [np.int8, np.uint8, np.int64, np.float32, np.float64, np.complex64, np.complex128]
BORDERS = ["reflect", "constant", "nearest", "mirror", "wrap"]


@pytest.fixture(autouse=True)
def counted():
    compat.report(reset=True)


def everything_served():
    counts = compat.report()
    return not counts.passed_on and not counts.refused


def agree(ours, theirs):
    assert ours.shape == theirs.shape
    assert ours.dtype == theirs.dtype
    eps = np.finfo(theirs.dtype).eps if theirs.dtype.kind in "fc" else 0
    scale = float(np.max(np.abs(theirs), initial=0))
    np.testing.assert_allclose(ours, theirs, rtol=0, atol=50 * eps * scale)


def some(rng, shape, dtype):
    values = rng.normal(size=shape) * 20
    if np.dtype(dtype).kind == "c":
        values = values + 1j * rng.normal(size=shape)
    with np.errstate(invalid="ignore"):
        return (
            values.astype(np.int64).astype(dtype)
            if np.dtype(dtype).kind in "iu"
            else values.astype(dtype)
        )


@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64])
def test_weights_of_zero_do_not_see_what_is_not_finite(dtype, bad, rng):
    cross = np.array([[0, 1, 0], [1, 2, 1], [0, 1, 0.0]])
    x = some(rng, (12, 13), dtype)
    x[5, 6] = bad
    for name, arguments in [
        ("correlate", (cross,)),
        ("convolve", (np.triu(cross),)),
        ("convolve", (cross + 1e-17,)),
        ("laplace", ()),
    ]:
        for samples in (x, x[:, ::-1], np.asfortranarray(x)):
            for options in ({}, {"mode": "constant", "cval": bad}):
                theirs = getattr(scipy_ndimage, name)(samples, *arguments, **options)
                ours = getattr(compat.ndimage, name)(samples, *arguments, **options)
                np.testing.assert_array_equal(np.isfinite(ours), np.isfinite(theirs))
                known = np.isfinite(theirs)
                np.testing.assert_allclose(ours[known], theirs[known], rtol=1e-4, atol=1e-4)
    compat.report(reset=True)
    compat.ndimage.laplace(x)
    compat.ndimage.correlate(np.where(np.isfinite(x), x, 0), cross)
    assert everything_served()


def test_weights_too_small_to_count_in_several_dimensions():
    for weights in (np.full((3, 3), 1e-17), np.full((3, 3), 1e-17 + 1j)):
        agree(
            compat.ndimage.correlate(np.ones((5, 5)), weights),
            scipy_ndimage.correlate(np.ones((5, 5)), weights),
        )


@pytest.mark.parametrize("dtype", [">f4", ">f8", ">i4", ">c8"])
def test_answers_are_in_the_machines_byte_order(dtype, rng):
    x = some(rng, (6, 7), dtype)
    for name, arguments in [
        ("correlate", (np.ones((2, 2)),)), ("correlate1d", ([1, 2],)), ("sobel", ()), ("laplace", ()),
        ("gaussian_filter", (1,)), ("gaussian_filter1d", (1,)), ("uniform_filter", (3,)),
        ("uniform_filter1d", (3,)), ("gaussian_laplace", (1,)),
    ]:  # fmt: skip
        for options in ({}, {"output": np.dtype(dtype)}):
            theirs = getattr(scipy_ndimage, name)(x, *arguments, **options)
            ours = getattr(compat.ndimage, name)(x, *arguments, **options)
            assert ours.dtype.byteorder == theirs.dtype.byteorder, name
            assert ours.dtype == theirs.dtype
    if x.dtype.kind == "f":
        agree(compat.signal.savgol_filter(x, 5, 2), scipy_signal.savgol_filter(x, 5, 2))


@pytest.mark.parametrize("output", [np.float32, np.dtype("f8"), int])
def test_a_complex_answer_and_a_real_output(output):
    x = np.ones((5, 5), np.complex64) * (1 + 2j)
    for name, arguments in [
        ("sobel", ()), ("prewitt", ()), ("laplace", ()), ("gaussian_filter", (1,)),
        ("gaussian_laplace", (1,)), ("gaussian_gradient_magnitude", (1,)),
    ]:  # fmt: skip
        for home in (scipy_ndimage, compat.ndimage):
            with pytest.raises(RuntimeError, match="complex"):
                getattr(home, name)(x, *arguments, output=output)
    for name, arguments in [("correlate", (np.ones((2, 2)),)), ("uniform_filter", (3,))]:
        with pytest.warns(UserWarning, match="promoting"):
            theirs = getattr(scipy_ndimage, name)(x, *arguments, output=output)
        with pytest.warns(UserWarning, match="promoting"):
            agree(getattr(compat.ndimage, name)(x, *arguments, output=output), theirs)


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")  # SciPy's own
def test_what_scipy_refuses_is_refused():
    flags, half = np.ones((4, 5), bool), np.ones((4, 5), np.float16)
    for name, x, options in [
        ("convolve2d", flags, {}),
        ("correlate2d", flags, {}),
        ("correlate", flags, {"method": "direct"}),
        ("correlate", half, {"method": "direct"}),
        ("convolve", flags, {"method": "direct"}),
        ("convolve", half, {"method": "direct"}),
        ("correlate2d", np.ones((4, 5), np.int8), {"fillvalue": 300}),
    ]:
        for home in (scipy_signal, compat.signal):
            with pytest.raises(ValueError, match=r"type|fillvalue"):
                getattr(home, name)(x, x[:2, :3], **options)
    for home in (scipy_ndimage, compat.ndimage):
        with pytest.raises(TypeError, match="real number"):
            home.sobel(np.ones((4, 5)), mode="constant", cval="1")


def test_a_laplacian_of_many_axes():
    # the kernel of all axes at once would have 3**20 taps
    x = np.arange(2.0**8).reshape((2,) * 8 + (1,) * 12)
    agree(compat.ndimage.laplace(x), scipy_ndimage.laplace(x))


def test_what_is_not_finite_is_met_by_what_overlaps_only(rng):
    for n, m in [((6,), (27,)), ((27,), (6,)), ((6, 5), (9, 11)), ((9, 11), (6, 5))]:
        x, k = rng.normal(size=n), rng.normal(size=m)
        for hurt in (x, k):
            hurt.flat[2] = np.nan
            for mode in ("full", "same"):
                if x.ndim == 1:
                    calls = [("signal", "convolve", {"method": "direct"})]
                    calls.append(("signal", "correlate", {"method": "direct"}))
                    calls += [("numpy", "convolve", {}), ("numpy", "correlate", {})]
                else:  # SciPy's `convolve` loses all of it
                    calls = [("signal", "convolve2d", {}), ("signal", "correlate2d", {})]
                for module, name, options in calls:
                    home = np if module == "numpy" else scipy_signal
                    theirs = getattr(home, name)(x, k, mode, **options)
                    ours = getattr(getattr(compat, module), name)(x, k, mode, **options)
                    np.testing.assert_allclose(ours, theirs, atol=1e-12)
            hurt.flat[2] = 1


def test_text_is_no_number():
    for sigma, truncate in [("2.5", 4.0), (1.0, "4"), (1.0, [4.0])]:
        for home in (scipy_ndimage, compat.ndimage):
            with pytest.raises(TypeError):
                home.gaussian_filter1d(np.ones(9), sigma, truncate=truncate, radius=2)
    for home in (scipy_signal, compat.signal):
        with pytest.raises(ZeroDivisionError):
            home.savgol_filter(np.ones(9), 5, 2, deriv=1, delta=0.0)


def test_numpys_correlate_takes_no_numbers():
    for home in (np, compat.numpy):
        with pytest.raises(ValueError, match="depth"):
            home.correlate(3.0, [1.0, 2.0])
        assert home.convolve(3.0, [1.0, 2.0]).tolist() == [3.0, 6.0]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve", "correlate"])
def test_signal(name, mode, dtype, rng):
    for n, m in [((40,), (7,)), ((7,), (40,)), ((9, 12), (4, 3)), ((3, 4), (9, 12))]:
        x, k = some(rng, n, dtype), some(rng, m, dtype)
        theirs = getattr(scipy_signal, name)(x, k, mode, "direct")
        agree(getattr(compat.signal, name)(x, k, mode, "direct"), theirs)
        agree(getattr(compat.signal, name)(x, k, mode), theirs)
    assert everything_served()


@pytest.mark.parametrize("name", ["fftconvolve", "oaconvolve"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("n", "m", "axes"),
    [
        ((5, 60), (5, 7), 1),
        ((5, 60), (1, 7), [1]),
        ((1, 60), (5, 7), -1),
        ((5, 7), (5, 60), 1),
        ((6, 9), (3, 4), None),
    ],
)
@pytest.mark.parametrize("dtype", [np.int16, np.float32, np.complex128])
def test_over_axes(name, mode, n, m, axes, dtype, rng):
    x, k = some(rng, n, dtype), some(rng, m, dtype)
    agree(
        getattr(compat.signal, name)(x, k, mode, axes),
        getattr(scipy_signal, name)(x, k, mode, axes),
    )


@pytest.mark.parametrize("boundary", ["fill", "wrap", "symm"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", ["convolve2d", "correlate2d"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_planes(name, mode, boundary, dtype, rng):
    x = some(rng, (9, 12), dtype)
    for shape in [(3, 3), (4, 3), (2, 4)]:
        k = some(rng, shape, dtype)
        fill = 3 if boundary == "fill" else 0
        theirs = getattr(scipy_signal, name)(x, k, mode, boundary, fill)
        agree(getattr(compat.signal, name)(x, k, mode, boundary, fill), theirs)
    assert everything_served()


@given(
    st.integers(1, 40), st.integers(1, 12), st.integers(1, 6), st.integers(1, 6),
    st.sampled_from(["constant", "edge", "wrap", "symmetric", "reflect"]), st.integers(0, 99),
)  # fmt: skip
def test_upfirdn(n, m, up, down, mode, seed):
    rng = np.random.default_rng(seed)
    x, h = rng.normal(size=(2, n + 1)), rng.normal(size=m)
    for axis in (0, 1):
        agree(
            compat.signal.upfirdn(h, x, up, down, axis, mode),
            scipy_signal.upfirdn(h, x, up, down, axis, mode),
        )


@pytest.mark.parametrize("zi", [False, True])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128])
@pytest.mark.parametrize("filters", [([1, 2, 3.5], [2]), ([1, 0.5], [2, 1, 0.5]), ([1], [1, -0.5])])
def test_lfilter(filters, dtype, axis, zi, rng):
    b, a = (np.array(c, dtype) for c in filters)
    x = some(rng, (30, 40), dtype)
    shape = list(x.shape)
    shape[axis] = max(len(a), len(b)) - 1
    state = {"zi": some(rng, shape, dtype)} if zi else {}
    ours, theirs = (
        module.lfilter(b, a, x, axis, **state) for module in (compat.signal, scipy_signal)
    )
    for one, other in zip(ours if zi else [ours], theirs if zi else [theirs], strict=True):
        agree(one, other)
    assert everything_served()


def test_lfilter_spreads_one_state_over_all_lines(rng):
    x, zi = rng.normal(size=(3, 20)), rng.normal(size=(1, 2))
    for a in ([1.0], [1.0, 0.5, 0.2]):
        for one, other in zip(
            compat.signal.lfilter([1, 2, 3.0], a, x, zi=zi),
            scipy_signal.lfilter([1, 2, 3.0], a, x, zi=zi),
            strict=True,
        ):
            agree(one, other)


def test_sepfir2d(rng):
    x, row, column = rng.normal(size=(20, 30)), rng.normal(size=5), rng.normal(size=3)
    agree(compat.signal.sepfir2d(x, row, column), scipy_signal.sepfir2d(x, row, column))
    # SciPy reads beyond its memory here
    assert compat.signal.sepfir2d(x[:3, :3], np.ones(9), np.ones(3)).shape == (3, 3)
    assert everything_served()


@pytest.mark.parametrize("mode", ["interp", "mirror", "nearest", "constant", "wrap"])
@pytest.mark.parametrize(
    ("length", "order", "deriv"), [(7, 2, 0), (8, 3, 1), (5, 4, 2), (5, 2, 3), (1, 0, 0)]
)
def test_savgol(mode, length, order, deriv, rng):
    x = rng.normal(size=(4, 50))
    arguments = (length, order, deriv, 0.5, 1, mode, 2.0)
    ours, theirs = (module.savgol_filter(x, *arguments) for module in (compat.signal, scipy_signal))
    np.testing.assert_allclose(ours, theirs, atol=1e-10)
    assert everything_served()


@pytest.mark.parametrize("border", BORDERS)
@pytest.mark.parametrize("dtype", [*DTYPES, np.uint16])
@pytest.mark.parametrize("name", ["correlate", "convolve", "correlate1d", "convolve1d"])
def test_weights(name, dtype, border, rng):
    x = some(rng, (11, 14), dtype)
    for shape in [(3, 3), (2, 4)]:
        weights = some(rng, shape if "1d" not in name else shape[1:], np.int64)
        for k in (weights, weights * 0.375):
            for origin in (0, -1):
                for output in (None, np.float64 if x.dtype.kind != "c" else np.complex128):
                    arguments = {"mode": border, "cval": 3, "origin": origin, "output": output}
                    ours, theirs = (
                        getattr(module, name)(x, k, **arguments)
                        for module in (compat.ndimage, scipy_ndimage)
                    )
                    agree(ours, theirs)
    assert everything_served()


@pytest.mark.parametrize("border", [*BORDERS, ["wrap", "nearest"]])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32, np.float64])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("gaussian_filter", (1.5,)),
        ("gaussian_filter", ([1, 2], [1, 0])),
        ("gaussian_laplace", (1.2,)),
        ("gaussian_gradient_magnitude", (1.2,)),
        ("laplace", ()),
        ("sobel", (0,)),
        ("prewitt", ()),
        ("uniform_filter", ([3, 4],)),
    ],
)
def test_filters(name, arguments, dtype, border, rng):
    x = rng.integers(0, 100, size=(13, 17)).astype(dtype)
    options = {"mode": border, "cval": 2.0}
    ours, theirs = (
        getattr(module, name)(x, *arguments, **options)
        for module in (compat.ndimage, scipy_ndimage)
    )
    if (
        x.dtype.kind in "iu" and "gaussian" in name
    ):  # cut off after rounding that may fall either way
        assert (ours != theirs).mean() < 0.01
    else:
        agree(ours, theirs)
    into = np.empty_like(x)
    assert getattr(compat.ndimage, name)(x, *arguments, output=into, **options) is into
    np.testing.assert_array_equal(into, ours)
    if not everything_served():  # where the answer is SciPy's, so is what happens in place
        return
    alone = x.copy()
    getattr(compat.ndimage, name)(alone, *arguments, output=alone, **options)
    np.testing.assert_array_equal(alone, ours)


@pytest.mark.parametrize("output", [None, np.int8, np.uint16, np.int32, np.float32])
@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("sobel", (0,)), ("prewitt", (1,)), ("uniform_filter", ([3, 254],)), ("uniform_filter", (5,))],
)
def test_whole_numbers_wrap_around_in_every_pass(name, arguments, dtype, output, rng):
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, size=(70, 300), endpoint=True).astype(dtype)
    x[:30] = rng.integers(info.max - 1, info.max, size=(30, 300), endpoint=True)
    ours, theirs = (
        getattr(module, name)(x, *arguments, output=output)
        for module in (compat.ndimage, scipy_ndimage)
    )
    agree(ours, theirs)
    assert everything_served()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8])
def test_means_of_bytes_are_cut_off_where_they_should_be(dtype, rng):
    info = np.iinfo(dtype)
    x = rng.integers(info.min, info.max, size=(40, 2000), endpoint=True).astype(dtype)
    x[10:20] = rng.choice([info.min, info.max - 1, info.max], size=(10, 2000))
    x[20:30] = rng.integers(0, 3, size=(10, 2000))
    x[30:] = np.repeat(rng.integers(info.min, info.max, size=(10, 40)), 50, axis=1)
    for size in range(1, 26):
        agree(
            compat.ndimage.uniform_filter1d(x, size, 1),
            scipy_ndimage.uniform_filter1d(x, size, 1),
        )
        agree(
            compat.ndimage.uniform_filter1d(x.T, size, 0),
            scipy_ndimage.uniform_filter1d(x.T, size, 0),
        )
    assert everything_served()


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
def test_flat_parts_of_an_image_stay_as_they_are(dtype):
    info = np.iinfo(dtype)
    levels = np.linspace(info.min, info.max, 256).astype(dtype)
    x = np.broadcast_to(levels[:, np.newaxis, np.newaxis], (256, 20, 30))
    for sigma in (0.5, 1, 2, 3, 7.3):
        flat = compat.ndimage.gaussian_filter(x, (0, sigma, sigma))
        np.testing.assert_array_equal(flat, x)
    for side in (3, 5, 7):
        mean = np.full((1, side, side), 1 / side**2)
        np.testing.assert_array_equal(compat.ndimage.correlate(x, mean), x)


def test_equal_arguments_of_other_types_are_other_arguments(rng):
    x = rng.normal(size=(6, 7))
    compat.ndimage.sobel(x, 0)
    compat.ndimage.gaussian_filter(x, 1, order=(0, 1))
    compat.ndimage.gaussian_filter(x, 1, axes=[0])
    assert everything_served()
    with pytest.raises(TypeError):
        compat.ndimage.sobel(x, 0.0)
    for options in ({"order": (0.0, 1.0)}, {"axes": [0.0]}):
        with pytest.raises(TypeError):
            scipy_ndimage.gaussian_filter(x, 1, **options)
        with pytest.raises(TypeError):
            compat.ndimage.gaussian_filter(x, 1, **options)


def test_weights_may_change_between_calls(rng):
    x, weights = rng.normal(size=(9, 9)), rng.normal(size=(3, 3))
    for scale in (1, 2):
        weights *= scale
        agree(compat.ndimage.correlate(x, weights), scipy_ndimage.correlate(x, weights))
    many = rng.normal(size=(50, 50))
    for scale in (1, 2):
        many *= scale
        agree(compat.ndimage.convolve(x, many), scipy_ndimage.convolve(x, many))
    assert everything_served()


def test_samples_are_cut_off_between_passes(rng):
    x = rng.uniform(0, 200, size=(40, 50))
    ours, theirs = (
        module.gaussian_filter(x, 2, output=np.uint8) for module in (compat.ndimage, scipy_ndimage)
    )
    assert (ours != theirs).mean() < 0.01


def test_what_the_core_does_not_do_is_scipys(rng):
    x = rng.normal(size=20).astype(np.longdouble)
    np.testing.assert_array_equal(compat.signal.convolve(x, x), scipy_signal.convolve(x, x))
    objects = np.array([1, 2, 3], object)
    assert compat.signal.convolve(objects, objects).dtype == object
    assert compat.signal.convolve([2**62], [4]).tolist() == [0]  # wraps around
    masked = np.ma.masked_array([1.0, 2.0], [True, False])
    compat.signal.convolve(masked, [1.0])
    counts = compat.report()
    assert counts.passed_on == {"signal.convolve": 4}
    assert not counts.served
    assert counts.share == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.signal.convolve([1, 2], [1, 2], "sme"),
        lambda s: s.signal.convolve([1, 2], [[1, 2]]),
        lambda s: s.signal.convolve([1, 2], [1, 2], method="quick"),
        lambda s: s.signal.convolve2d([1, 2], [1, 2]),
        lambda s: s.signal.lfilter([1], [0.0, 1.0], [1.0]),
        lambda s: s.signal.lfilter([1], [1.0, 1.0], 1.0),
        lambda s: s.signal.fftconvolve([1, 2], [1, 2], axes=4),
        lambda s: s.ndimage.correlate([1.0, 2.0], [1.0], mode="mirrored"),
        lambda s: s.ndimage.correlate1d([1.0, 2.0], [1.0, 1.0, 1.0], origin=2),
        lambda s: s.ndimage.gaussian_filter([1.0], 1, order=-1),
        lambda s: s.ndimage.uniform_filter1d([1.0], 0),
    ],
)
def test_errors_are_scipys(call):
    theirs = types.SimpleNamespace(signal=scipy_signal, ndimage=scipy_ndimage)
    with pytest.raises((ValueError, RuntimeError)) as wanted:
        call(theirs)
    with pytest.raises(type(wanted.value)) as got:
        call(compat)
    assert str(got.value) == str(wanted.value)
    assert list(compat.report().refused.values()) == [1]


def test_patching(rng):
    import scipy
    from scipy.signal import convolve as imported_before

    program = types.ModuleType("program")
    program.smooth = scipy.ndimage.gaussian_filter
    sys.modules["program"] = program
    try:
        with compat.patch_scipy():
            assert scipy.signal.convolve is compat.signal.convolve
            assert program.smooth is compat.ndimage.gaussian_filter
            with compat.patch_scipy():
                scipy.signal.convolve([1.0], [1.0])
            b, a = scipy.signal.butter(3, 0.2)
            scipy.signal.filtfilt(b, a, rng.normal(size=200))  # stands on lfilter
        assert scipy.signal.convolve is imported_before
        assert program.smooth is scipy_ndimage.gaussian_filter
    finally:
        del sys.modules["program"]
    counts = compat.report()
    assert counts.served["signal.convolve"] == 1
    assert counts.served["signal.lfilter"] == 2
    assert "lfilter" in str(counts)
    scipy.signal.convolve([1.0], [1.0])
    assert compat.report() == counts


def test_patching_is_undone_after_an_error():
    before = scipy_signal.convolve
    with pytest.raises(KeyError), compat.patch_scipy():
        raise KeyError
    assert scipy_signal.convolve is before


def test_counting_threads():
    def work():
        for _ in range(50):
            compat.signal.convolve([1.0, 2.0], [1.0])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert compat.report().served == {"signal.convolve": 200}


def test_numpy_is_followed():
    for n, m in [(9, 4), (4, 9), (5, 5)]:
        a, v = np.arange(n) + 1j, np.arange(m) * (1 - 2j)
        for mode in (*MODES, 0, 1, 2):
            for name in ("convolve", "correlate"):
                agree(getattr(compat.numpy, name)(a, v, mode), getattr(np, name)(a, v, mode))
    assert everything_served()


def test_signatures_are_scipys():
    import inspect

    for module, theirs in ((compat.signal, scipy_signal), (compat.ndimage, scipy_ndimage)):
        for name in module.__all__:
            try:
                wanted = inspect.signature(getattr(theirs, name))
            except ValueError:  # compiled
                continue
            ours = inspect.signature(getattr(module, name))
            assert [(p.name, p.kind, p.default) for p in ours.parameters.values()] == [
                (p.name, p.kind, p.default) for p in wanted.parameters.values()
            ], name


def test_scipy_is_needed_only_where_it_answers():
    program = (
        "import sys; sys.modules['scipy'] = None\n"
        "from faltung import compat\n"
        "assert compat.signal.convolve([1, 2], [1, 1]).tolist() == [1, 3, 2]\n"
        "try: compat.signal.convolve([1], [[1]])\n"
        "except ImportError as error: assert 'faltung[compat]' in str(error)\n"
        "else: raise SystemExit(1)\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
    assert faltung.compat is compat
