"""The CUDA target: arithmetic that needs no device, and every method on one where there is one.

Tests marked `gpu` skip without a device; FALTUNG_REQUIRE_GPU=1 makes that a failure.
"""

from __future__ import annotations

import itertools
from concurrent.futures import ThreadPoolExecutor

import device_arrays
import numpy as np
import oracle
import pytest
from bounds import assert_answer, assert_close
from cases import CASES, METHODS, Case, cval_for, numbers, operands, outer, truth
from oracle import BOUNDARIES, MODES

import faltung

try:
    from faltung import _cuda
except ImportError:
    _cuda = None

built = pytest.mark.skipif(_cuda is None, reason="the CUDA target was not built")


@pytest.fixture
def torch():
    module = pytest.importorskip("torch")
    if not module.cuda.is_available():
        pytest.skip("PyTorch has no device")
    return module


# without a device


def test_says_why_it_is_not_available():
    if faltung.cuda.is_available():
        pytest.skip("it is")
    found = faltung.cuda.info()
    assert not found["available"]
    assert found["devices"] == []
    expected = "no CUDA device can be used" if _cuda else "FALTUNG_CUDA=ON"
    assert expected in found["reason"]
    with pytest.raises(RuntimeError, match=expected):
        faltung.convolve([1.0], [1.0], device="cuda")


def test_device_names():
    assert faltung.convolve([1.0, 2.0], [1.0], device="cpu").tolist() == [1.0, 2.0]
    for wrong in ("gpu", "cuda:x", "cuda1", 0):
        with pytest.raises(ValueError, match="device is"):
            faltung.convolve([1.0], [1.0], device=wrong)


@built
@pytest.mark.parametrize("length", [2, 8, 16, 32, 64, 128, 512, 1024, 4096])
def test_passes_are_a_transform(length):
    # the passes as the kernels run them, in NumPy
    x = np.random.default_rng(0).standard_normal(length) + 0j
    y = x.copy()
    for span, radix, stride in _cuda.passes(1, 1, length, 7):
        assert stride == 1
        blocks = y.reshape(-1, radix, span // radix)
        j, q = np.arange(span // radix), np.arange(radix)
        rotated = np.fft.fft(blocks, axis=1) * np.exp(-2j * np.pi * np.outer(q, j) / span)
        y = rotated.reshape(length)
    places = [_cuda.frequency_at(place, length) for place in range(length)]
    assert sorted(places) == list(range(length))
    np.testing.assert_allclose(y, np.fft.fft(x)[places], atol=1e-9 * length)


@built
def test_passes_of_a_block_go_axis_by_axis():
    assert _cuda.passes(1, 64, 128, 7) == [(64, 8, 128), (8, 8, 128), (128, 16, 1), (8, 8, 1)]
    assert _cuda.passes(1, 512, 16, 2) == [(512, 8, 16), (64, 8, 16), (8, 8, 16)]
    assert _cuda.passes(16, 16, 16, 7) == [(16, 16, 256), (16, 16, 16), (16, 16, 1)]


@built
def test_tiles_answer_every_output_once():
    rng = np.random.default_rng(1)
    for _ in range(40):
        k = rng.integers(1, 6, 3)
        x = k + rng.integers(0, 30, 3)
        step = rng.integers(1, 3, 3)
        entries = int(rng.integers(1, 4))
        length = k + rng.integers(0, 12, 3)
        positions = (x - k) // step * step + 1
        seen = np.zeros((entries, *positions), int)
        for entry, at, hop in _cuda.slots(
            x.tolist(), k.tolist(), step.tolist(), entries, length.tolist()
        ):
            seen[(entry, *(slice(a, a + h) for a, h in zip(at, hop, strict=True)))] += 1
            assert all(h <= n - m + 1 for h, n, m in zip(hop, length, k, strict=True))
        assert (seen == 1).all()


@built
def test_smooth_lengths():
    for n in [*range(1, 300), 8193, 65537, 10**6 + 3]:
        length = _cuda.smooth_length(n)
        assert n <= length < 1.4 * n + 2
        assert length == 1 or length % 2 == 0
        for prime in (2, 3, 5, 7):
            while length % prime == 0:
                length //= prime
        assert length == 1


# on a device


def serves(case: Case, method: str, x: np.ndarray, k: np.ndarray, boundary: str) -> bool:
    """Which of the problems of this suite a method takes."""
    exact = x.dtype.kind in "biu" and k.dtype.kind in "biu"
    convolved = sum(taps > 1 for taps in case.kernel)
    if method in ("direct", "auto"):
        return True
    if exact:
        return method != "separable" and convolved <= 3
    if method == "separable":
        complex_constant = x.dtype.kind == "c" and boundary == "constant"
        return 2 <= convolved <= 3 and k.dtype.kind != "c" and not complex_constant
    return convolved <= 3


def check(cp, case, x_dtype, k_dtype, mode, boundary, method, name="convolve"):
    rank_one = method == "separable"
    x, k = operands(case, x_dtype, k_dtype, rank_one)
    if not serves(case, method, x, k, boundary):
        return
    expected = truth(name, case, x_dtype, k_dtype, mode, boundary, rank_one)
    cval = cval_for(x_dtype, k_dtype) if boundary == "constant" else 0
    actual = getattr(faltung, name)(
        cp.asarray(x), cp.asarray(k), mode, method, axes=case.axes, boundary=boundary, cval=cval
    )
    assert isinstance(actual, cp.ndarray)
    try:
        assert_answer(actual.get(), expected, method, x_dtype, k_dtype)
    except AssertionError as problem:
        raise AssertionError(f"{case} {mode}: {problem}") from None


GRID = (
    ("float32", "float32"),
    ("float64", "float64"),
    ("complex64", "complex64"),
    ("complex128", "complex128"),
    ("complex64", "float32"),
    ("float64", "complex128"),
    ("uint8", "float32"),
    ("float16", "float16"),
    ("int16", "int16"),
)


@pytest.mark.gpu
@pytest.mark.parametrize("boundary", BOUNDARIES)
@pytest.mark.parametrize("dtypes", GRID, ids="-".join)
@pytest.mark.parametrize("on_device", METHODS)
def test_against_the_oracle(cp, on_device, dtypes, boundary):
    for case in CASES:
        for mode in filter(case.fits, MODES):
            check(cp, case, *map(np.dtype, dtypes), mode, boundary, on_device)


LARGER = (
    Case((70_001,), (31,)),
    Case((20_003,), (1_500,)),
    Case((301, 517), (3, 3)),
    Case((301, 517), (5, 5)),
    Case((301, 517), (7, 7)),
    Case((203, 391), (15, 15)),
    Case((90, 1031), (5, 9)),
    Case((220, 260), (40, 45)),
    Case((150, 140, 3), (11, 7), (0, 1)),
    Case((37, 41, 143), (3, 3, 3)),
    Case((33, 30, 35), (7, 5, 6)),
    Case((40, 1021), (64,), 1),
    Case((1021, 40), (64,), 0),
    Case((5, 130, 140), (5, 5), (1, 2)),
)


@pytest.mark.gpu
@pytest.mark.parametrize("case", LARGER, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("boundary", ["mirror", "zero"])
@pytest.mark.parametrize("on_device", METHODS)
def test_larger_arrays(cp, on_device, case, dtype, boundary):
    modes = ("same", "full", "valid") if boundary == "zero" else ("same",)
    for mode in modes[:1] if device_arrays.are_needed() else modes:
        check(cp, case, np.dtype(dtype), np.dtype(dtype), mode, boundary, on_device)


TILES = {
    1: [((1, 1, 1024), True), ((1, 1, 4096), True), ((1, 1, 65536), False), ((1, 1, 2**19), False)],
    2: [
        ((1, 32, 32), True), ((1, 64, 64), True), ((1, 128, 64), True), ((1, 128, 128), True),
        ((1, 256, 256), False), ((1, 512, 1024), False), ((1, 1024, 256), False), ((1, 2048, 512), False),
    ],
    3: [((16, 16, 16), True), ((16, 32, 32), True)],
}  # fmt: skip


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize(("rank", "tile"), [(r, t) for r, tiles in TILES.items() for t in tiles])
def test_every_tile(cp, rank, tile, dtype):
    case = {
        1: Case((300_001,), (700,)),
        2: Case((3, 333, 417), (21, 17), (1, 2)),
        3: Case((23, 45, 50), (5, 7, 6)),
    }[rank]
    _cuda.force_tile(*tile)
    try:
        check(cp, case, np.dtype(dtype), np.dtype(dtype), "same", "edge", "overlap_save")
    except ValueError as error:
        # tiles of float64 are smaller
        assert dtype == "float64"
        assert "no tile" in str(error)
    finally:
        _cuda.force_tile(None)


@pytest.mark.gpu
@pytest.mark.parametrize("step", [1, 2, 3])
@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize("on_device", ["auto", "direct", "fft", "overlap_save"])
def test_stride_and_dilation(cp, on_device, step, dilation):
    for shape, taps in (((200,), (7,)), ((60, 70), (5, 4)), ((20, 22, 24), (3, 2, 3))):
        x, k = numbers(shape, np.float32), numbers(taps, np.float32, 1)
        expected = oracle.correlate(x, k, "same", boundary="mirror", step=step, dilation=dilation)
        actual = faltung.correlate(
            cp.asarray(x), cp.asarray(k), "same", on_device,
            boundary="mirror", stride=step, dilation=dilation,
        )  # fmt: skip
        assert_close(actual.get(), expected, on_device, np.dtype(np.float32))


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", METHODS)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_stays_local(cp, on_device, bad):
    for shape, taps in (((5_000,), (40,)), ((150, 170), (9, 7)), ((30, 40, 40), (3, 3, 3))):
        x, k = numbers(shape, np.float32), outer(taps, np.dtype(np.float32), 1)
        if len(taps) == 1 and on_device == "separable":
            continue
        x[tuple(n // 3 for n in shape)] = bad
        x[tuple(0 for n in shape)] = bad
        expected = oracle.convolve(x, k, "same")
        actual = faltung.convolve(cp.asarray(x), cp.asarray(k), "same", on_device).get()
        assert_close(actual, expected, on_device, np.dtype(np.float32))
        touched = expected.touched
        np.testing.assert_array_equal(
            np.isnan(actual[touched]), np.isnan(expected.value[touched].astype(float))
        )
        infinite = np.isinf(expected.value[touched].astype(float))
        np.testing.assert_array_equal(
            actual[touched][infinite], expected.value[touched][infinite].astype(np.float32)
        )


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", ["auto", "direct", "fft", "overlap_save"])
def test_a_kernel_with_nan(cp, on_device):
    x, k = numbers((100, 90), np.float32), numbers((5, 5), np.float32, 1)
    k[2, 3] = np.nan
    actual = faltung.convolve(cp.asarray(x), cp.asarray(k), "same", on_device)
    assert cp.isnan(actual).all()


@pytest.mark.gpu
def test_integers_are_exact_or_an_error(cp):
    x = numbers((40, 50), np.int64) * 10**14
    k = numbers((3, 3), np.int64, 1)
    actual = faltung.convolve(cp.asarray(x), cp.asarray(k))
    assert (actual.get() == oracle.convolve(x, k).value).all()
    with pytest.raises(OverflowError, match="may not fit int64"):
        faltung.convolve(cp.asarray(x) * 900, cp.asarray(k))
    big = np.array([2**63 + 5, 3], np.uint64)
    assert faltung.convolve(cp.asarray(big), cp.asarray([1], np.uint64)).get().tolist() == [
        2**63 + 5, 3,
    ]  # fmt: skip
    photo = np.zeros((20, 21, 3), np.int64)
    photo[..., 2] = 12345  # the other channels say nothing of this one
    k = np.full((3, 3), 1001)
    plan = faltung.plan(k, photo.shape, axes=(0, 1), device="cuda")
    for actual in (faltung.convolve(cp.asarray(photo), k, axes=(0, 1)), plan(cp.asarray(photo))):
        assert (actual.get() == oracle.convolve(photo, k, axes=(0, 1)).value).all()
    bright = cp.full((1, 4), 200, np.uint8)
    half = cp.full((1, 3), 0.5)
    assert faltung.convolve(bright, half, "same", dtype=np.uint8).get().tolist() == [
        [200, 255, 255, 200]
    ]


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", ["direct", "fft", "overlap_save"])
@pytest.mark.parametrize(
    "dtypes", [("uint8", "int8"), ("int32", "int16"), ("bool", "bool"), ("uint64", "uint8")]
)
def test_integers_by_every_method(cp, on_device, dtypes):
    x_dtype, k_dtype = map(np.dtype, dtypes)
    for shape, taps in (((3_000,), (200,)), ((70, 90), (12, 11)), ((20, 24, 26), (3, 4, 5))):
        x, k = numbers(shape, x_dtype), numbers(taps, k_dtype, 1)
        expected = oracle.convolve(x, k, "same", boundary="mirror").value
        actual = faltung.convolve(
            cp.asarray(x), cp.asarray(k), "same", on_device, boundary="mirror"
        )
        assert actual.dtype == faltung.convolve(x, k, "same").dtype
        assert (actual.get() == expected).all()
        narrow = faltung.convolve(
            cp.asarray(x), k, "same", on_device, boundary="mirror", dtype=np.int16
        )
        assert (narrow.get() == np.clip(expected, -(2**15), 2**15 - 1)).all()


@pytest.mark.gpu
def test_integers_are_transformed_where_rounding_is_exact(cp):
    k = cp.asarray(numbers((64, 64), np.int16, 1))
    x = numbers((400, 500), np.int64)
    assert faltung.plan(k, x.shape, "same", x_dtype=np.int16).method != "direct"
    there = cp.asarray(x * 10**9)
    for on_device in ("fft", "overlap_save"):
        with pytest.raises(ValueError, match="too large to be exact"):
            faltung.convolve(there, k, "same", on_device)
        with pytest.raises(ValueError, match="into integers"):
            faltung.convolve(cp.asarray(x), k, "same", on_device, dtype=np.float32)


@pytest.mark.gpu
def test_layouts_of_device_arrays(cp):
    base = cp.asarray(numbers((60, 80), np.float32))
    k = numbers((5, 3), np.float32, 1)
    for x in (base.T, base[::-1, ::2], cp.asfortranarray(base), base[:, ::-1], base[::3]):
        for on_device in ("direct", "overlap_save", "fft"):
            expected = oracle.convolve(x.get(), k, "full")
            actual = faltung.convolve(x, k, "full", on_device)
            assert_close(actual.get(), expected, on_device, np.dtype(np.float32))
    # into the array that is read
    expected = oracle.convolve(base.get(), k, "same")
    assert faltung.convolve(base, k, "same", out=base) is base
    assert_close(base.get(), expected, "auto", np.dtype(np.float32))


@pytest.mark.gpu
def test_everything_is_written(cp):
    x = cp.asarray(numbers((301, 403), np.float32))
    k = cp.asarray(numbers((9, 9), np.float32, 1))
    for on_device in ("direct", "overlap_save", "fft"):
        out = cp.full((301, 403), cp.nan, np.float32)
        faltung.convolve(x, k, "same", on_device, out=out)
        assert cp.isfinite(out).all()


@pytest.mark.gpu
def test_plan(cp):
    x, k = numbers((200, 210), np.float32), outer((9, 9), np.dtype(np.float32), 1)
    expected = oracle.correlate(x, k, "same", boundary="wrap")
    for kernel, options in ((cp.asarray(k), {}), (k, {"device": "cuda"})):
        for on_device in METHODS:
            plan = faltung.plan(
                kernel, x.shape, "same", on_device, boundary="wrap", correlate=True, **options
            )
            assert on_device in ("auto", plan.method)
            assert "predicted" in plan.explain()
            assert plan.level.startswith("sm_")
            for array in (cp.asarray(x), cp.asfortranarray(cp.asarray(x)), x):
                actual = plan(array)
                assert type(actual) is type(array)
                assert_close(cp.asnumpy(actual), expected, on_device, np.dtype(np.float32))
    square = numbers((30, 30), np.float32)
    for view in (square, square.T):  # one problem, but not one kernel
        plan = faltung.plan(k, view.shape, "same", device="cuda")
        for again in (view, view.T, view):
            expected = oracle.convolve(again, k, "same")
            assert_close(cp.asnumpy(plan(again)), expected, "auto", np.dtype(np.float32))
    assert faltung.plan(k, (30, 0, 30), "same", axes=(0, 2), device="cuda").explain()
    with pytest.raises(TypeError, match="this plan is for float32"):
        faltung.plan(k, x.shape, device="cuda")(cp.zeros(x.shape))
    with pytest.raises(ValueError, match="must have shape"):
        plan(cp.zeros((3, 3), np.float32))


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64"])
@pytest.mark.parametrize("on_device", METHODS)
def test_workspace_is_what_a_call_borrows(cp, on_device, dtype):
    if not device_arrays.are_needed():
        pytest.skip("only the stand-in counts")
    if on_device == "separable" and dtype == "complex64":
        return
    shapes = ((9_000,), (700,)), ((3, 150, 170), (1, 9, 7)), ((20, 22, 26), (3, 4, 5))
    tiles = (None, *(((1, 1, 65536), (1, 256, 256)) if on_device == "overlap_save" else ()))
    for (shape, taps), tile in itertools.product(shapes, tiles):
        if (tile and len(shape) != sum(n > 1 for n in tile)) or (
            on_device == "separable" and len(shape) == 1
        ):
            continue
        k = cp.asarray(outer(taps, np.dtype(dtype), 1))
        _cuda.force_tile(tile, False)
        try:
            plan = faltung.plan(k, shape, "same", on_device)
        finally:
            _cuda.force_tile(None)
        x, out = cp.zeros(shape, dtype), cp.zeros(shape, dtype)
        cp.asnumpy(out)
        device_arrays.most_borrowed()
        plan(x, out=out)
        assert device_arrays.most_borrowed() == plan.workspace_bytes
        if plan.method in ("fft", "overlap_save"):
            assert plan.workspace_bytes > 0


@pytest.mark.gpu
def test_numpy_arrays_are_copied_there_and_back():
    x, k = numbers((500, 600), np.float64), numbers((7, 7), np.float64, 1)
    expected = oracle.convolve(x, k, "same")
    actual = faltung.convolve(x[::-1][::-1], k, "same", device="cuda")
    assert type(actual) is np.ndarray
    assert_close(actual, expected, "auto", np.dtype(np.float64))
    out = np.empty_like(actual)
    assert faltung.convolve(x, k, "same", device="cuda:0", out=out) is out
    np.testing.assert_array_equal(out, actual)
    large = np.random.default_rng(0).standard_normal((2500, 2000)).astype(np.float32)
    one = np.ones((1, 1), np.float32)
    np.testing.assert_array_equal(faltung.convolve(large, one, device="cuda"), large)


@pytest.mark.gpu
def test_calls_from_several_threads():
    x, k = numbers((90, 110), np.float32), numbers((5, 6), np.float32, 1)
    expected = faltung.convolve(x, k, "same", device="cuda")
    with ThreadPoolExecutor(3) as pool:
        for actual in pool.map(lambda _: faltung.convolve(x, k, "same", device="cuda"), range(20)):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.gpu
def test_torch(torch):
    x, k = numbers((3, 100, 110), np.float32), numbers((5, 5), np.float32, 1)
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        there = torch.asarray(x).cuda()
        actual = faltung.correlate(there, torch.asarray(k).cuda(), "same", axes=(1, 2))
        assert isinstance(actual, torch.Tensor)
        answer = actual.cpu().numpy()
    expected = oracle.correlate(x, k[None], "same")
    assert_close(answer, expected, "auto", np.dtype(np.float32))
    with pytest.raises(TypeError, match="requires a gradient"):
        faltung.convolve(there[0].requires_grad_(), k)


@pytest.mark.gpu
@pytest.mark.parametrize("on_device", ["direct", "overlap_save", "fft"])
def test_bfloat16(cp, on_device):
    x, k = (device_arrays.bfloat16(numbers(shape, np.float32)) for shape in ((60, 70), (5, 4)))
    actual = faltung.convolve(x, k, "same", on_device)
    wide = [device_arrays.widened(one) for one in (x, k)]
    exact = oracle.convolve(*wide, "same").value.astype(float)
    assert (abs(device_arrays.widened(actual) - exact) <= 2**-8 * abs(exact) + 1e-4).all()
    half, single = (cp.asarray(wide[1].astype(dtype)) for dtype in (np.float16, np.float32))
    assert faltung.convolve(x, half).dtype == "float32"
    assert faltung.convolve(x, single).dtype == "float32"
    narrow = faltung.convolve(
        cp.asarray(wide[0]), single, "same", on_device, out=actual, dtype="bfloat16"
    )
    assert narrow is actual
    assert (abs(device_arrays.widened(actual) - exact) <= 2**-8 * abs(exact) + 1e-4).all()


@pytest.mark.gpu
def test_bfloat16_of_torch(torch):
    x = torch.randn(60, 70, device="cuda").bfloat16()
    k = torch.randn(5, 4, device="cuda").bfloat16()
    assert faltung.convolve(x, k, "same").dtype == torch.bfloat16
    assert faltung.convolve(x, k.half()).dtype == torch.float32
    assert faltung.convolve(x.float(), k.float(), dtype=torch.bfloat16).dtype == torch.bfloat16


@pytest.mark.gpu
def test_numba():
    numba_cuda = pytest.importorskip("numba.cuda")
    if not numba_cuda.is_available():
        pytest.skip("Numba has no device")
    x, k = numbers((50, 60), np.float32), numbers((3, 3), np.float32, 1)
    actual = faltung.convolve(numba_cuda.to_device(x), k, "same")
    assert type(actual).__module__.startswith("numba")
    expected = oracle.convolve(x, k, "same")
    assert_close(actual.copy_to_host(), expected, "auto", np.dtype(np.float32))


@pytest.mark.gpu
def test_other_arrays_get_one_of_ours(cp):
    class Other:
        def __init__(self, array):
            self.array = array
            self.__cuda_array_interface__ = array.__cuda_array_interface__

    x = numbers((50, 60), np.float32)
    actual = faltung.convolve(Other(cp.asarray(x)), np.ones((1, 1), np.float32))
    assert isinstance(actual, faltung.cuda.Array)
    np.testing.assert_array_equal(actual.numpy(), x)
    np.testing.assert_array_equal(cp.asarray(actual).get(), x)


@pytest.mark.gpu
@pytest.mark.parametrize("namespace", [True, False])
def test_arrays_that_speak_dlpack(cp, namespace):
    class Speaker:
        """An array of whose kind nothing is known."""

        def __init__(self, array):
            self.array = array
            if namespace:
                self.__array_namespace__ = lambda: cp

        def __dlpack_device__(self):
            return self.array.__dlpack_device__()

        def __dlpack__(self, *, stream):
            return self.array.__dlpack__(stream=stream)

    x, k = numbers((200, 210), np.float32), numbers((5, 5), np.float32, 1)
    expected = oracle.convolve(x, k, "same")
    stream = cp.cuda.Stream(non_blocking=True)
    with stream:
        there, kernel = cp.asarray(x) * 1, cp.asarray(k) * 1
        actual = faltung.convolve(Speaker(there), Speaker(kernel), "same")
        assert type(actual) is (cp.ndarray if namespace else faltung.cuda.Array)
        if not namespace:
            np.testing.assert_array_equal(cp.from_dlpack(actual).get(), actual.numpy())
        answer = actual.get() if namespace else actual.numpy()
        assert_close(answer, expected, "auto", np.dtype(np.float32))
        out = cp.full(x.shape, cp.nan, np.float32)
        speaker = Speaker(out)
        assert faltung.convolve(Speaker(there), k, "same", out=speaker) is speaker
        np.testing.assert_array_equal(out.get(), answer)
    half = [Speaker(device_arrays.bfloat16(one)) for one in (x, k)]
    narrow = faltung.convolve(*half, "same", out=device_arrays.bfloat16(x))
    wide = [device_arrays.widened(one.array) for one in half]
    exact = oracle.convolve(*wide, "same").value.astype(float)
    assert (abs(device_arrays.widened(narrow) - exact) <= 2**-8 * abs(exact) + 1e-4).all()


@pytest.mark.gpu
def test_work_stays_on_the_callers_stream(cp):
    x, k = numbers((90, 80), np.float32), outer((5, 5), np.dtype(np.float32), 1)
    expected = oracle.convolve(x, k, "same")
    stream = cp.cuda.Stream(non_blocking=True)
    there = cp.asarray(x)
    for on_device in METHODS:
        out = cp.full(x.shape, 7, np.float32)
        with stream:
            assert faltung.convolve(there, k, "same", on_device, out=out) is out
        if device_arrays.are_needed():  # nothing has run before somebody waits
            assert (out._view == 7).all()
        stream.synchronize()
        assert_close(out.get(), expected, on_device, np.dtype(np.float32))


@pytest.mark.gpu
def test_errors(cp):
    x, k = cp.zeros((5, 5), np.float32), cp.zeros((3, 3), np.float32)
    with pytest.raises(TypeError, match="k is in device memory"):
        faltung.convolve(np.zeros((5, 5), np.float32), k)
    with pytest.raises(ValueError, match="mode is 'some'"):
        faltung.convolve(x, k, "some")
    with pytest.raises(ValueError, match="valid"):
        faltung.convolve(k, x, "valid")
    with pytest.raises(ValueError, match="reflect"):
        faltung.convolve(x, k, boundary="reflect")
    with pytest.raises(ValueError, match="out has shape"):
        faltung.convolve(x, k, out=x)
    with pytest.raises(TypeError, match="out has dtype"):
        faltung.convolve(x, k, "same", out=cp.zeros((5, 5)))
    with pytest.raises(TypeError, match="must be in device memory"):
        faltung.convolve(x, k, "same", out=np.zeros((5, 5), np.float32))
    with pytest.raises(ValueError, match="cannot serve"):
        faltung.convolve(x, cp.eye(3, dtype=np.float32), method="separable")
    with pytest.raises(ValueError, match="empty along axis 0"):
        faltung.convolve(cp.zeros((0, 5)), cp.zeros((3, 3)))
    assert faltung.convolve(cp.zeros((0, 5)), cp.zeros(3), axes=1).shape == (0, 7)


LAYERS = (
    # x, w, options
    ((2, 6, 20, 23), (6, 1, 3, 3), {"padding": 1, "groups": 6}),
    ((3, 4, 56, 40), (8, 1, 17, 17), {"padding": 8, "groups": 4, "activation": "relu"}),
    ((2, 5, 30), (5, 1, 7), {"padding": "same", "groups": 5, "stride": 2}),
    ((2, 7, 19, 21), (70, 7, 3, 3), {"padding": 1, "activation": "relu"}),
    ((2, 8, 15, 14), (6, 4, 5, 3), {"padding": (2, 1), "groups": 2, "stride": 2, "dilation": 2}),
    ((1, 3, 9, 10, 11), (4, 3, 3, 3, 3), {"padding": 1, "boundary": "wrap"}),
    ((2, 65, 40), (3, 65, 1), {}),
)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32", "float64"])
@pytest.mark.parametrize("layer", LAYERS, ids=lambda layer: f"{layer[0]}-{layer[1]}")
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_layers(cp, layer, dtype, layout):
    x_shape, w_shape, options = layer
    given = [
        numbers(shape, np.float64, i) for i, shape in enumerate((x_shape, w_shape, w_shape[:1]))
    ]
    if layout == "NHWC":
        given[0] = np.moveaxis(given[0], 1, -1)
    if dtype == "bfloat16":
        there = [device_arrays.bfloat16(one) for one in given]
        exact = [device_arrays.widened(one) for one in there]
    else:
        there = [cp.asarray(np.ascontiguousarray(one, dtype)) for one in given]
        exact = [one.get() for one in there]
    expected = faltung.nn.conv(*(one.astype(float) for one in exact), layout=layout, **options)
    tolerance = {"float16": 2e-3, "bfloat16": 1e-2, "float32": 1e-5, "float64": 1e-13}[dtype]
    depthwise = w_shape[1] == 1
    for on_device in ("auto", "direct", *(("overlap_save", "fft") if depthwise else ())):
        actual = faltung.nn.conv(*there, layout=layout, method=on_device, **options)
        assert actual.dtype == dtype
        host = device_arrays.widened(actual) if dtype == "bfloat16" else actual.get()
        error = np.abs(host - expected).max()
        assert error <= tolerance * np.sqrt(np.prod(w_shape[1:])) * np.abs(expected).max()


@pytest.mark.gpu
def test_layers_of_torch(torch):
    x, w = torch.randn(2, 4, 9, 8, device="cuda"), torch.randn(6, 4, 3, 3, device="cuda")
    actual = faltung.nn.conv(x, w, padding=1)
    assert isinstance(actual, torch.Tensor)
    expected = faltung.nn.conv(x.cpu().numpy(), w.cpu().numpy(), padding=1)
    np.testing.assert_allclose(actual.cpu().numpy(), expected, atol=1e-4)


@pytest.mark.gpu
def test_errors_of_layers(cp):
    x, w = cp.zeros((1, 4, 8, 8), np.float32), cp.zeros((4, 4, 3, 3), np.float32)
    with pytest.raises(ValueError, match="method is 'winograd4'"):
        faltung.nn.conv(x, w, method="winograd4")
    with pytest.raises(ValueError, match="matrix product"):
        faltung.nn.conv(x, w, method="fft")
    with pytest.raises(ValueError, match="bias has shape"):
        faltung.nn.conv(x, w, cp.zeros(3, np.float32))
    with pytest.raises(TypeError, match="x has dtype int64"):
        faltung.nn.conv(x.astype(np.int64), w)


GRADIENTS = (
    # x, w, options
    ((2, 6, 12, 13), (6, 1, 3, 3), {"padding": 1, "groups": 6}),
    ((2, 4, 11, 9), (6, 2, 3, 2), {"padding": (2, 1), "groups": 2, "stride": 2, "dilation": 2}),
    ((3, 5, 40), (7, 5, 6), {"padding": 3, "stride": 3}),
    ((1, 2, 5, 6, 7), (3, 2, 3, 2, 3), {"padding": 1}),
    ((2, 3, 9, 10), (4, 3, 5, 3), {"padding": "same", "boundary": "mirror"}),
    ((2, 3, 7, 6), (4, 3, 3, 5), {"padding": 4, "boundary": "wrap", "stride": 2}),
    ((1, 2, 6, 5), (2, 2, 3, 3), {"padding": 7, "boundary": "symmetric"}),
    ((1, 2, 6, 5), (2, 2, 3, 3), {"padding": 2, "boundary": "edge"}),
    ((0, 2, 6, 5), (2, 2, 3, 3), {}),
)


@pytest.mark.gpu
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
@pytest.mark.parametrize("layer", GRADIENTS, ids=lambda layer: f"{layer[0]}-{layer[1]}")
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_gradients_of_layers(cp, layer, dtype, layout):
    x_shape, w_shape, options = layer
    out_shape = faltung.nn.conv(np.zeros(x_shape), np.zeros(w_shape), **options).shape
    given = [numbers(shape, np.float64, i) for i, shape in enumerate((out_shape, x_shape, w_shape))]
    if layout == "NHWC":
        given[:2] = (np.moveaxis(one, 1, -1) for one in given[:2])
    there = [cp.asarray(np.ascontiguousarray(one, dtype)) for one in given]
    exact = [one.get().astype(float) for one in there]
    expected = faltung.nn.conv_backward(*exact, layout=layout, **options)
    actual = faltung.nn.conv_backward(*there, layout=layout, **options)
    tolerance = {"float16": 1e-2, "float32": 1e-5, "float64": 1e-13}[dtype]
    for mine, wanted in zip(actual, expected, strict=True):
        assert isinstance(mine, cp.ndarray)
        assert mine.dtype == dtype
        assert mine.shape == wanted.shape
        if wanted.size:
            assert np.abs(mine.get() - wanted).max() <= tolerance * max(1, np.abs(wanted).max())
    dx, _, db = faltung.nn.conv_backward(
        *there, layout=layout, bias=False, input_gradient=False, **options
    )
    assert dx is None
    assert db is None
    with pytest.raises(ValueError, match="method is 'winograd4'"):
        faltung.nn.conv_backward(*there, layout=layout, method="winograd4", **options)
    with pytest.raises(ValueError, match="grad has shape"):
        faltung.nn.conv_backward(there[0][:, :1], *there[1:], layout=layout, **options)
