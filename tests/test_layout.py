"""Any strides, byte order and alignment go in; `out=` of any layout comes out, also over an input."""

import itertools

import numpy as np
import pytest
from cases import METHODS, numbers, outer

import faltung


def reversed_(a):
    return np.flip(np.flip(a).copy())


def spaced(a):
    wide = np.zeros([2 * n + 1 for n in a.shape], a.dtype)
    view = wide[tuple(slice(1, None, 2) for _ in a.shape)]
    view[...] = a
    return view


def backwards_and_spaced(a):
    return spaced(a[::-1])[::-1]


def misaligned(a):
    raw = np.zeros(a.nbytes + 1, np.uint8)
    view = raw[1:].view(a.dtype).reshape(a.shape)
    view[...] = a
    return view


def swapped(a):
    return a.astype(a.dtype.newbyteorder())


def read_only(a):
    copy = a.copy()
    copy.flags.writeable = False
    return copy


def from_a_record(a):
    record = np.zeros(a.shape, np.dtype([("tag", "i1"), ("value", a.dtype)]))
    record["value"] = a
    return record["value"]


def transposed(a):
    return np.ascontiguousarray(a.T).T


LAYOUTS = {
    layout.__name__: layout
    for layout in (
        reversed_,
        spaced,
        backwards_and_spaced,
        misaligned,
        swapped,
        read_only,
        from_a_record,
        transposed,
        np.asfortranarray,
    )
}


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8", "int16", "float16"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts_of_x_and_k(method, layout, dtype):
    x, k = numbers((23, 31), np.dtype(dtype)), outer((3, 4), np.dtype(dtype), 1)
    arranged_x, arranged_k = LAYOUTS[layout](x), LAYOUTS[layout](k)
    np.testing.assert_array_equal(arranged_x, x)
    options = {"mode": "same", "method": method, "boundary": "mirror"}
    expected = faltung.convolve(x, k, **options)
    for operands in ((arranged_x, k), (x, arranged_k), (arranged_x, arranged_k)):
        actual = faltung.convolve(*operands, **options)
        assert actual.dtype.isnative
        tolerance = 0 if expected.dtype.kind in "iu" else 40 * np.finfo(expected.dtype).eps
        np.testing.assert_allclose(
            actual, expected, rtol=0, atol=tolerance * np.abs(expected).max()
        )


@pytest.mark.parametrize("level_of_nesting", [1, 2, 3])
def test_transposes_of_volumes(method, level_of_nesting):
    x = numbers((9, 10, 11)[:level_of_nesting] + (7,), np.dtype("float64"))
    k = outer((2, 3, 4)[:level_of_nesting] + (2,), np.dtype("float64"), 1)
    expected = faltung.convolve(x, k, method=method)
    for order in itertools.permutations(range(x.ndim)):
        actual = faltung.convolve(x.transpose(order), k.transpose(order), method=method)
        np.testing.assert_allclose(actual, expected.transpose(order), rtol=0, atol=1e-12)


def test_zero_strides(method):
    row = numbers((1, 40), np.dtype("float32"))
    x = np.broadcast_to(row, (30, 40))
    k = np.broadcast_to(np.float32(0.5), (3, 5))
    expected = faltung.convolve(x.copy(), k.copy(), "same", method)
    np.testing.assert_allclose(faltung.convolve(x, k, "same", method), expected, rtol=0, atol=1e-5)


def test_overlapping_windows_as_input(method):
    base = numbers((60,), np.dtype("float64"))
    x = np.lib.stride_tricks.sliding_window_view(base, 11)
    k = outer((3, 3), np.dtype("float64"), 1)
    np.testing.assert_allclose(
        faltung.convolve(x, k, "same", method),
        faltung.convolve(x.copy(), k, "same", method),
        rtol=0,
        atol=1e-13,
    )


class TestOut:
    @pytest.fixture
    def operands(self):
        return numbers((20, 26), np.dtype("float64")), outer((3, 4), np.dtype("float64"), 1)

    @pytest.mark.parametrize("layout", [n for n in LAYOUTS if n != "read_only"])
    @pytest.mark.parametrize("mode", ["full", "same", "valid"])
    def test_layouts_of_out(self, operands, method, layout, mode):
        expected = faltung.convolve(*operands, mode, method)
        out = LAYOUTS[layout](np.full(expected.shape, np.nan))
        assert faltung.convolve(*operands, mode, method, out=out) is out
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-13)

    def test_nothing_beside_out_is_written(self, operands, method):
        frame = np.full((24, 30, 3), -7.0)
        faltung.convolve(*operands, "same", method, out=frame[2:-2, 2:-2, 1])
        frame[2:-2, 2:-2, 1] = -7
        assert (frame == -7).all()

    def test_another_dtype_has_to_be_asked_for(self, operands):
        out = np.zeros((20, 26), np.uint8)
        with pytest.raises(TypeError, match=r"out.*uint8.*float64"):
            faltung.convolve(*operands, "same", out=out)
        with pytest.raises(TypeError, match=r"out.*uint8.*float32"):
            faltung.convolve(*operands, "same", out=out, dtype=np.float32)
        x = operands[0] * 300
        faltung.convolve(x, operands[1], "same", out=out, dtype=np.uint8)
        np.testing.assert_array_equal(out, faltung.convolve(x, operands[1], "same", dtype=np.uint8))

    @pytest.mark.parametrize("shape", [(20, 25), (26, 20), (20, 26, 1), (520,), (1, 20, 26)])
    def test_wrong_shapes(self, operands, shape):
        with pytest.raises(ValueError, match=r"out.*20.*26"):
            faltung.convolve(*operands, "same", out=np.zeros(shape))

    @pytest.mark.parametrize("out", [[[0.0] * 26] * 20, "out", 3.0, memoryview(b"")], ids=str)
    def test_what_is_no_array(self, operands, out):
        with pytest.raises(TypeError, match="out"):
            faltung.convolve(*operands, "same", out=out)

    def test_read_only(self, operands):
        out = np.zeros((20, 26))
        out.flags.writeable = False
        with pytest.raises(ValueError, match="out"):
            faltung.convolve(*operands, "same", out=out)

    def test_complex_into_real(self):
        with pytest.raises(TypeError, match="complex"):
            faltung.convolve(np.ones(4, complex), np.ones(2), "same", out=np.zeros(4))

    def test_dtypes_that_no_answer_has(self):
        with pytest.raises(TypeError, match="out"):
            faltung.convolve(np.ones(4), np.ones(2), "same", out=np.zeros(4, object))

    def test_a_file_in_memory(self, operands, tmp_path):
        # a subclass of ndarray, and a common one
        out = np.memmap(tmp_path / "out", np.float64, "w+", shape=(20, 26))
        assert faltung.convolve(*operands, "same", out=out) is out
        np.testing.assert_array_equal(out, faltung.convolve(*operands, "same"))

    @pytest.mark.parametrize("boundary", ["zero", "wrap", "mirror"])
    def test_over_x_itself(self, method, boundary):
        x, k = numbers((90, 120), np.dtype("float32")), outer((5, 4), np.dtype("float32"), 1)
        options = {"mode": "same", "method": method, "boundary": boundary}
        expected = faltung.convolve(x, k, **options)
        faltung.convolve(x, k, out=x, **options)
        np.testing.assert_array_equal(x, expected)

    @pytest.mark.parametrize("shift", [-3, -1, 1, 2])
    def test_over_a_part_of_x(self, method, shift):
        base = numbers((400,), np.dtype("float64"))
        k = numbers((9,), np.dtype("float64"), 1)
        x = base[5:-5]
        out = base[5 + shift : base.size - 5 + shift]
        expected = faltung.convolve(x.copy(), k, "same", method)
        faltung.convolve(x, k, "same", method, out=out)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-13)

    def test_backwards_over_x(self, method):
        x, k = numbers((64,), np.dtype("float64")), numbers((5,), np.dtype("float64"), 1)
        expected = faltung.convolve(x.copy(), k, "same", method)
        out = x[::-1]
        faltung.convolve(x, k, "same", method, out=out)
        np.testing.assert_allclose(out, expected, rtol=0, atol=1e-13)

    def test_over_the_kernel(self, method):
        x, k = numbers((30,), np.dtype("float64")), numbers((30,), np.dtype("float64"), 1)
        expected = faltung.convolve(x, k.copy(), "same", method)
        faltung.convolve(x, k, "same", method, out=k)
        np.testing.assert_allclose(k, expected, rtol=0, atol=1e-12)

    def test_over_x_in_another_dtype(self, method):
        # the bytes of a float32 array, written as int16 while it is read
        x = np.abs(numbers((4, 100), np.dtype("float32"))) * 9
        k = np.ones((1, 3), np.float32)
        expected = faltung.convolve(x.copy(), k, "same", method, dtype=np.int16)
        out = x.view(np.int16)[:, ::2]
        faltung.convolve(x, k, "same", method, out=out, dtype=np.int16)
        assert np.abs(out - expected).max() <= (1 if method in METHODS[3:] else 0)


class TestClasses:
    def test_subclasses_are_taken_as_arrays(self):
        class Tagged(np.ndarray):
            def __array_wrap__(self, *_):
                raise AssertionError("nobody should ask")

        x = numbers((9, 9), np.dtype("float64"))
        actual = faltung.convolve(x.view(Tagged), np.ones((2, 2)).view(Tagged))
        assert type(actual) is np.ndarray
        np.testing.assert_array_equal(actual, faltung.convolve(x, np.ones((2, 2))))

    def test_matrix_keeps_no_meaning(self):
        x = np.arange(12.0).reshape(3, 4)
        with pytest.warns(PendingDeprecationWarning):
            matrix = np.matrix(x)
        actual = faltung.convolve(matrix, np.ones((2, 2)))
        assert type(actual) is np.ndarray
        np.testing.assert_array_equal(actual, faltung.convolve(x, np.ones((2, 2))))

    @pytest.mark.parametrize("which", ["x", "k", "out"])
    def test_masked_arrays_raise(self, which):
        operands = {"x": np.ones(5), "k": np.ones(5), "out": np.ones(5)}
        operands[which] = np.ma.masked_array(operands[which], mask=[0, 1, 0, 0, 0])
        with pytest.raises(TypeError, match="(?i)masked"):
            faltung.convolve(operands["x"], operands["k"], "same", out=operands["out"])

    def test_objects_with_an_array_inside(self):
        class Holder:
            def __array__(self, dtype=None, copy=None):
                return np.arange(4.0)

        assert faltung.convolve(Holder(), [1.0]).tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_results_wherever_they_begin(level, dtype):
    # large enough to be stored past the caches, where whole lines of memory are written
    x, k = numbers((1501, 1503), np.dtype(dtype)), numbers((9, 9), np.dtype(dtype), 1)
    expected = faltung.convolve(x, k, "same", "direct")
    memory = np.empty(x.size + 16, dtype)
    for offset in (0, 1, 5):
        out = memory[offset : offset + x.size].reshape(x.shape)
        memory[:] = np.nan
        faltung.convolve(x, k, "same", "overlap_save", out=out)
        np.testing.assert_allclose(out, expected, atol=1e3 * np.finfo(dtype).eps)
        assert np.isnan(memory[:offset]).all()
        assert np.isnan(memory[offset + x.size :]).all()
