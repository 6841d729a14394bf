"""What is wrong is said: the argument, what was given, what is allowed. And it is said before any work starts."""

import subprocess
import sys
import textwrap

import numpy as np
import pytest

import faltung

CALLS = [faltung.convolve, faltung.correlate]


@pytest.fixture(params=CALLS, ids=lambda call: call.__name__)
def call(request):
    return request.param


x, k = np.ones((6, 7)), np.ones((2, 3))


class TestNames:
    def test_mode(self, call):
        with pytest.raises(ValueError, match=r"mode") as caught:
            call(x, k, "ful")
        for word in ("'ful'", "full", "same", "valid"):
            assert word in str(caught.value)

    def test_method(self, call):
        with pytest.raises(ValueError, match=r"method") as caught:
            call(x, k, method="fastest")
        for word in ("'fastest'", "auto", "direct", "separable", "fft", "overlap_save"):
            assert word in str(caught.value)

    def test_boundary(self, call):
        with pytest.raises(ValueError, match=r"boundary") as caught:
            call(x, k, boundary="wall")
        for word in ("'wall'", "zero", "constant", "edge", "symmetric", "mirror", "wrap"):
            assert word in str(caught.value)

    def test_a_bare_reflect_has_two_meanings(self, call):
        with pytest.raises(ValueError, match=r"reflect") as caught:
            call(x, k, boundary="reflect")
        for word in ("boundary", "symmetric", "mirror"):
            assert word in str(caught.value)

    @pytest.mark.parametrize("name", ["mode", "method", "boundary"])
    @pytest.mark.parametrize("given", [None, 3, b"full", ["full"]], ids=str)
    def test_names_are_strings(self, call, name, given):
        with pytest.raises((TypeError, ValueError), match=name):
            call(x, k, **{name: given})

    def test_unknown_arguments(self, call):
        with pytest.raises(TypeError, match="bounday"):
            call(x, k, bounday="wrap")

    def test_options_have_names(self, call):
        with pytest.raises(TypeError, match="positional"):
            call(x, k, "full", "auto", (0, 1))


class TestAxes:
    @pytest.mark.parametrize("axes", [(0, 2), (-3, 0), (0, 10**30)])
    def test_out_of_range(self, call, axes):
        with pytest.raises(ValueError, match=r"axes"):
            call(x, k, axes=axes)

    @pytest.mark.parametrize("axes", [(0, 0), (1, -1)])
    def test_repeated(self, call, axes):
        with pytest.raises(ValueError, match=r"axes"):
            call(x, k, axes=axes)

    @pytest.mark.parametrize("axes", [0, (0,), (), (0, 1, 0)])
    def test_as_many_as_k_has(self, call, axes):
        with pytest.raises(ValueError, match=r"axes|axis"):
            call(x, k, axes=axes)

    @pytest.mark.parametrize("axes", [(0.0, 1), ("0", "1"), 1.5, "01"])
    def test_integers(self, call, axes):
        with pytest.raises(TypeError, match="axes|integer"):
            call(x, k, axes=axes)

    def test_what_was_right_before_excuses_nothing(self, call):
        # arguments are remembered; 0.0 == 0, and is still no axis
        call(x, k, axes=(0, 1))
        with pytest.raises(TypeError, match="axes"):
            call(x, k, axes=(0.0, 1.0))

    def test_without_axes_the_ranks_are_equal(self, call):
        for operands in ((x, k[0]), (x[0], k), (np.ones((2, 3, 4)), k)):
            with pytest.raises(ValueError, match=r"axes") as caught:
                call(*operands)
            for operand in operands:
                assert str(operand.ndim) in str(caught.value)

    def test_scalars_have_no_axis(self, call):
        with pytest.raises(ValueError, match="axis|axes|dimension"):
            call(np.float64(3), np.float64(2))


class TestEmpty:
    def test_an_empty_axis_to_convolve_over(self, call):
        for mode in ("full", "same", "valid"):
            with pytest.raises(ValueError, match=r"x is empty|empty.*x") as caught:
                call(np.ones((3, 0)), k, mode)
            assert "1" in str(caught.value)  # the axis

    def test_an_empty_kernel(self, call):
        for empty in (np.ones((0, 2)), np.ones((2, 0)), np.ones((0, 0))):
            with pytest.raises(ValueError, match=r"k is empty|empty.*k"):
                call(x, empty)

    def test_an_empty_batch_is_answered(self, call, method):
        for shape in ((0, 7), (7, 0)):
            axis = shape.index(7)
            actual = call(
                np.ones(shape, np.float32), np.ones(3, np.float32), "full", method, axes=axis
            )
            expected = list(shape)
            expected[axis] = 9
            assert actual.shape == tuple(expected)
            assert actual.dtype == np.float32

    def test_an_empty_batch_with_an_empty_axis(self, call):
        with pytest.raises(ValueError, match="empty"):
            call(np.ones((0, 0)), np.ones(3), axes=1)

    def test_an_empty_batch_of_integers(self, call):
        actual = call(np.ones((0, 5), np.uint8), np.ones(2, np.uint8), axes=1)
        assert actual.shape == (0, 6)
        assert actual.dtype == np.int64

    def test_empty_out(self, call):
        out = np.ones((0, 6))
        assert call(np.ones((0, 5)), np.ones(2), axes=1, out=out) is out


class TestValid:
    @pytest.mark.parametrize("shape", [(1, 7), (6, 2)])
    def test_the_kernel_must_fit_everywhere(self, call, shape):
        with pytest.raises(ValueError, match="valid") as caught:
            call(np.ones(shape), k, "valid")
        short = 0 if shape[0] < 2 else 1
        assert f"{short}" in str(caught.value)
        assert str(shape[short]) in str(caught.value)
        assert str(k.shape[short]) in str(caught.value)

    def test_never_swapped(self, call):
        # NumPy and SciPy would answer with the operands exchanged
        with pytest.raises(ValueError, match="valid"):
            call(np.ones(3), np.ones(5), "valid")


class TestWorkers:
    @pytest.mark.parametrize("workers", [0, -1, -(2**40)])
    def test_at_least_one(self, call, workers):
        with pytest.raises(ValueError, match="workers") as caught:
            call(x, k, workers=workers)
        assert str(workers) in str(caught.value)

    @pytest.mark.parametrize("workers", ["2", 1.5, (1,)])
    def test_an_integer(self, call, workers):
        with pytest.raises(TypeError, match="workers"):
            call(x, k, workers=workers)

    def test_set_workers(self):
        for wrong in (0, -2):
            with pytest.raises(ValueError, match="workers"):
                faltung.set_workers(wrong)

    def test_more_than_there_are_processors(self, call):
        np.testing.assert_array_equal(call(x, k, workers=64), call(x, k, workers=1))


class TestCval:
    @pytest.mark.parametrize("cval", ["0", None, [1], np.ones(2), object()], ids=str)
    def test_a_number(self, call, cval):
        with pytest.raises((TypeError, ValueError), match="cval"):
            call(x, k, boundary="constant", cval=cval)


class TestObjects:
    def test_object_arrays(self, call):
        for operands in ((x.astype(object), k), (x, k.astype(object))):
            with pytest.raises(TypeError, match="object"):
                call(*operands)

    def test_none_and_text(self, call):
        for wrong in (None, "abc", [None], {"a": 1}):
            with pytest.raises(TypeError):
                call(wrong, k)
            with pytest.raises(TypeError):
                call(x, wrong)

    def test_ragged(self, call):
        with pytest.raises((TypeError, ValueError)):
            call([[1, 2], [3]], k)

    def test_too_many_axes(self, call):
        many = np.ones((1,) * 40)
        with pytest.raises(ValueError, match="axes|dimensions"):
            call(many, many)


# (how x is made, how k is made, options): every one asks for more than any machine has
HUGE = [
    ("np.broadcast_to(np.float32(1), (2**45,))", "np.ones(3, np.float32)", {}),
    ("np.broadcast_to(np.float64(1), (2**40, 2**10))", "np.ones((3, 3))", {"mode": "same"}),
    ("np.broadcast_to(np.uint8(1), (2**45,))", "np.ones(3, np.uint8)", {"dtype": "uint8"}),
    ("np.broadcast_to(np.uint8(1), (2**62,))", "np.ones(3, np.uint8)", {}),
    ("np.broadcast_to(np.uint8(1), (2**31, 2**31))", "np.ones((2, 2), np.uint8)", {}),
    ("np.ones(4)", "np.broadcast_to(np.float64(1), (2**45,))", {}),
    ("np.ones(4)", "np.broadcast_to(np.float64(1), (2**45,))", {"mode": "same"}),
    (
        "np.broadcast_to(np.float64(1), (2**45,))",
        "np.broadcast_to(np.float64(1), (2**45 - 3,))",
        {"mode": "valid"},
    ),
    (
        "np.broadcast_to(np.uint8(1), (2**62,))",
        "np.broadcast_to(np.uint8(1), (2**62,))",
        {"mode": "full", "boundary": "wrap"},
    ),
]


@pytest.mark.parametrize("method", ["auto", "direct", "fft", "overlap_save"])
def test_sizes_that_no_memory_holds(method):
    # in a process of its own: a library that starts the work would hang here, or bring the machine down
    script = f"""
        import numpy as np, faltung, pathlib, sys
        for x, k, options in {HUGE!r}:
            try:
                faltung.convolve(eval(x), eval(k), method={method!r}, **options)
            except MemoryError:
                continue
            except BaseException as error:
                sys.exit(f"{{x}} by {{k}}, {{options}}: {{type(error).__name__}}: {{error}}")
            sys.exit(f"{{x}} by {{k}}, {{options}}: no error")
        # not getrusage's: a child inherits that over exec
        status = pathlib.Path("/proc/self/status")
        for line in status.read_text().splitlines() if status.exists() else []:
            if line.startswith("VmHWM:"):
                peak = int(line.split()[1]) / 1024
                assert peak < 1000, f"{{peak}} MiB were touched"
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: faltung.plan(["a"], 3), TypeError, "k has dtype"),
        (lambda: faltung.filter_bank_plan([["a"]], 3), TypeError, "kernels has dtype"),
        (lambda: faltung.plan([1.0], 10**30), ValueError, "shape is"),
        (lambda: faltung.match_template([1.0, 2], [1.0], peaks=()), TypeError, "peaks is"),
        (lambda: faltung.match_template([1.0, 2], [1.0], peaks=(1, 2)), TypeError, "peaks is"),
        (lambda: faltung.nn.explain_backward((1, 1, 9), (1, 1, 2**70)), ValueError, "w_shape is"),
        (lambda: faltung.correlate([1.0], [1.0], lags=np.array("a")), TypeError, "lags"),
    ],
)
def test_the_argument_is_named(call, error, words):
    with pytest.raises(error) as caught:
        call()
    assert words in str(caught.value)


def test_arrays_without_axes_are_numbers():
    x, k = np.arange(12.0).reshape(3, 4), np.array([1.0, 2.0])
    one = np.array(1)
    np.testing.assert_array_equal(
        faltung.convolve(x, k, axes=one, stride=one), faltung.convolve(x, k, axes=1)
    )
    np.testing.assert_array_equal(
        faltung.correlate(x[0], k, lags=one), faltung.correlate(x[0], k, lags=1)
    )
    np.testing.assert_array_equal(
        faltung.filters.gaussian(x, 1, axes=one), faltung.filters.gaussian(x, 1, axes=1)
    )
