"""Plans: what they say of themselves, reuse, threads, and any number of workers."""

import copy
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations

import numpy as np
import oracle
import pytest
from bounds import assert_answer
from cases import CASES, METHODS, Case, numbers, outer

import faltung

NAMES = METHODS[1:]


def prepared(shape=(40, 50), kernel=(5, 4), dtype="float32", mode="same", method="auto", **options):
    k = outer(kernel, np.dtype(dtype), 1)
    return faltung.plan(k, shape, mode, method, **options), numbers(shape, np.dtype(dtype)), k


class TestFace:
    def test_method_is_what_runs(self, method):
        plan, _, _ = prepared(method=method)
        assert plan.method in NAMES
        assert method in ("auto", plan.method)

    def test_ways_to_call(self):
        plan, x, _ = prepared()
        expected, out = plan(x), np.empty((40, 50), np.float32)
        for arguments, named in [
            ((x, out), {}),
            ((x,), {"out": out}),
            ((), {"x": x, "out": out}),
            ((x, None), {}),
            ((x.view(np.recarray),), {}),
            ((x.astype(">f4"),), {}),
            ((x[::-1][::-1],), {}),
        ]:
            out[...] = 0
            np.testing.assert_array_equal(plan(*arguments, **named), expected)
        for arguments, named in [
            ((), {}),
            ((x, out, 1), {}),
            ((x,), {"to": out}),
            ((x, [0.0]), {}),
        ]:
            with pytest.raises(TypeError):
                plan(*arguments, **named)
        with pytest.raises(TypeError, match="masked"):
            plan(np.ma.masked_array(x))
        with pytest.raises(ValueError, match="shape"):
            plan(x[1:])
        with pytest.raises(TypeError, match="dtype"):
            plan(x.astype(np.float64))
        with pytest.raises(ValueError, match="out"):
            plan(x, out[1:])

    def test_explain_names_every_method(self, method):
        plan, _, _ = prepared(method=method)
        text = plan.explain()
        lines = {
            name: next(row for row in text.splitlines() if f"{name}:" in row) for name in NAMES
        }
        assert lines[plan.method].startswith("*")
        for name in NAMES:
            if name != plan.method:
                # a reason, not only a name
                assert "not" in lines[name], lines[name]
                assert len(lines[name].split(":", 1)[1].split()) >= 3

    def test_explain_gives_the_reason_of_a_refusal(self):
        k = np.random.default_rng(3).standard_normal((30, 30))  # of full rank
        text = faltung.plan(k, (90, 90)).explain()
        row = next(row for row in text.splitlines() if "separable:" in row)
        assert "not an outer product" in row

    def test_level(self, level):
        plan, x, k = prepared()
        assert plan.level == level
        # it is chosen when the plan is built, and stays
        faltung._core.force_level(faltung._core.levels()[0])
        assert plan.level == level
        assert_answer(plan(x), oracle.convolve(x, k, "same"), "auto", x.dtype, k.dtype)

    def test_repr_names_the_method(self):
        plan, _, _ = prepared(method="direct")
        assert "direct" in repr(plan)

    def test_figures(self):
        plan, _, _ = prepared()
        assert plan.predicted_seconds > 0
        assert plan.workspace_bytes >= 0


class TestCall:
    def test_as_convolve_bit_by_bit(self, method):
        for case in CASES:
            k = outer(case.kernel, np.dtype("float32"), 1)
            x = numbers(case.shape, np.dtype("float32"))
            options = {"axes": case.axes, "boundary": "mirror"}
            plan = faltung.plan(k, case.shape, "same", method, **options)
            np.testing.assert_array_equal(
                plan(x), faltung.convolve(x, k, "same", method, **options)
            )

    def test_correlate(self, method):
        x, k = numbers((30, 31), np.dtype("complex64")), outer((3, 4), np.dtype("complex64"), 1)
        plan = faltung.plan(k, x.shape, method=method, correlate=True)
        np.testing.assert_array_equal(plan(x), faltung.correlate(x, k, method=method))

    def test_many_calls(self, method):
        plan, _, k = prepared(method=method)
        for seed in range(5):
            x = numbers((40, 50), np.dtype("float32"), seed)
            assert_answer(plan(x), oracle.convolve(x, k, "same"), method, x.dtype, k.dtype)

    def test_layouts_of_x(self, method):
        plan, x, k = prepared(method=method)
        expected = oracle.convolve(x, k, "same")
        for arranged in (np.asfortranarray(x), np.flip(x).copy()[::-1, ::-1], x.astype(">f4")):
            assert_answer(plan(arranged), expected, method, np.float32, k.dtype)

    @pytest.mark.parametrize(("shape", "axes"), [((20, 20), None), ((9, 9, 9), (0, 2))])
    def test_layouts_whose_axes_are_equally_long(self, method, shape, axes):
        # the problem is then the same for all of them, and the kernel has to be turned with x
        k = outer((3, 3), np.dtype("float64"), 1)
        plan = faltung.plan(k, shape, "same", method, axes=axes)
        x = numbers(shape, np.dtype("float64"))
        for order in 2 * list(permutations(range(x.ndim))):
            view = x.transpose(order)
            expected = oracle.convolve(view, k, "same", axes=axes)
            assert_answer(plan(view), expected, method, x.dtype, k.dtype)

    @pytest.mark.parametrize(
        ("shape", "axes"), [((17, 0), 0), ((0, 17), 1), ((17, 0, 4), 0), ((9, 9, 0), (0, 1))]
    )
    @pytest.mark.parametrize("dtype", ["float64", "complex64", "uint8"])
    def test_an_empty_batch(self, method, shape, axes, dtype):
        k = np.ones((3,) * np.size(axes), np.uint8)
        plan = faltung.plan(k, shape, "same", method, axes=axes, x_dtype=dtype)
        assert plan(np.zeros(shape, dtype)).shape == shape
        assert plan.method in plan.explain()
        assert plan.workspace_bytes >= 0

    def test_out(self, method):
        plan, x, _ = prepared(method=method)
        out = np.empty((40, 50), np.float32)
        assert plan(x, out) is out
        np.testing.assert_array_equal(out, plan(x))
        plan(x, out=x)
        np.testing.assert_array_equal(x, out)

    def test_the_kernel_is_copied(self, method):
        plan, x, k = prepared(method=method)
        expected = plan(x)
        k[...] = np.nan
        np.testing.assert_array_equal(plan(x), expected)

    def test_samples_of_another_dtype(self, method):
        k = outer((3, 3), np.dtype("float32"), 1)
        plan = faltung.plan(k, (20, 21), "same", method, x_dtype=np.uint8)
        x = numbers((20, 21), np.dtype("uint8"))
        assert_answer(plan(x), oracle.convolve(x, k, "same"), method, x.dtype, k.dtype)

    def test_integers_of_every_size(self):
        # what fits is seen call by call
        k = np.array([1, 2, 3])
        plan = faltung.plan(k, (6,))
        for x in (np.arange(6), np.arange(6) * 2**40, np.arange(6) * 2**55, -np.arange(6)):
            np.testing.assert_array_equal(plan(x), oracle.convolve(x, k).value)
        with pytest.raises(OverflowError):
            plan(np.full(6, 2**62))
        np.testing.assert_array_equal(plan(np.arange(6)), oracle.convolve(np.arange(6), k).value)

    def test_an_int_is_a_shape(self):
        assert faltung.plan(np.ones(3), 10)(np.ones(10)).shape == (12,)


class TestErrors:
    def test_a_plan_without_a_kernel(self):
        with pytest.raises(TypeError, match="made by faltung.plan"):
            faltung.Plan.__new__(faltung.Plan)
        with pytest.raises(TypeError, match="cannot pickle"):
            copy.copy(faltung.plan(np.ones(3), 5))

    def test_another_shape(self):
        plan, _, _ = prepared()
        for shape in ((40, 51), (50, 40), (40,), (1, 40, 50)):
            with pytest.raises(ValueError, match=r"x.*40.*50"):
                plan(np.ones(shape, np.float32))

    def test_another_dtype(self):
        plan, x, _ = prepared()
        with pytest.raises(TypeError, match=r"x.*float64.*float32"):
            plan(x.astype(float))

    def test_masked(self):
        plan, x, _ = prepared()
        with pytest.raises(TypeError, match="(?i)masked"):
            plan(np.ma.masked_array(x))

    def test_out_of_another_shape(self):
        plan, x, _ = prepared()
        with pytest.raises(ValueError, match=r"out"):
            plan(x, np.empty((40, 49), np.float32))

    @pytest.mark.parametrize("shape", [(0, 5), (-1, 5), (2.5, 3), "ab", (2**40, 2**40)], ids=str)
    def test_shapes_that_no_array_has(self, shape):
        with pytest.raises((ValueError, TypeError, MemoryError)):
            faltung.plan(np.ones((2, 2)), shape)


class TestWorkers:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8"])
    def test_the_answer_is_the_same_bit_by_bit(self, method, dtype):
        for case in (
            Case((301, 297), (9, 8)),
            Case((5, 90, 3), (11,), 1),
            Case((120_000,), (40,), 0),
        ):
            x = numbers(case.shape, np.dtype(dtype))
            k = outer(case.kernel, np.dtype(dtype), 1)
            options = {"axes": case.axes, "boundary": "symmetric"}
            expected = faltung.convolve(x, k, "same", method, workers=1, **options)
            for workers in (2, 3, 4):
                actual = faltung.convolve(x, k, "same", method, workers=workers, **options)
                assert actual.tobytes() == expected.tobytes(), (case, workers)

    def test_nan_changes_nothing_about_that(self, method):
        x, k = numbers((301, 297), np.dtype("float32")), outer((9, 8), np.dtype("float32"), 1)
        x[::40, ::50] = np.nan
        expected = faltung.convolve(x, k, method=method, workers=1)
        for workers in (2, 3, 4):
            actual = faltung.convolve(x, k, method=method, workers=workers)
            np.testing.assert_array_equal(actual, expected)

    def test_set_workers(self):
        before = faltung.show_config("dict")["workers"]
        with faltung.set_workers(3):
            assert faltung.show_config("dict")["workers"] == 3
            with faltung.set_workers(1):
                assert faltung.show_config("dict")["workers"] == 1
            assert faltung.show_config("dict")["workers"] == 3
        assert faltung.show_config("dict")["workers"] == before
        faltung.set_workers(2)
        assert faltung.show_config("dict")["workers"] == 2
        faltung.set_workers(before)

    def test_it_is_put_back_after_an_error(self):
        before = faltung.show_config("dict")["workers"]
        with pytest.raises(RuntimeError, match="on the way"), faltung.set_workers(3):
            raise RuntimeError("on the way")
        assert faltung.show_config("dict")["workers"] == before


class TestThreads:
    def test_one_plan_for_many(self, method):
        plan, _, _ = prepared((200, 210), (9, 8), method=method)
        arrays = [numbers((200, 210), np.dtype("float32"), seed) for seed in range(4)]
        expected = [plan(x) for x in arrays]
        start = threading.Barrier(8)

        def work(which):
            start.wait(timeout=30)
            return [
                np.array_equal(plan(arrays[(which + i) % 4]), expected[(which + i) % 4])
                for i in range(12)
            ]

        with ThreadPoolExecutor(8) as pool:
            assert all(all(row) for row in pool.map(work, range(8)))

    def test_many_plans_at_once(self, method):
        # plans of the same and of different problems are built, shared and dropped together
        shapes = [(30 + i % 5, 40 + i % 3) for i in range(15)]
        k = outer((3, 4), np.dtype("float64"), 1)
        inputs = [numbers(shape, np.dtype("float64")) for shape in shapes]
        expected = [faltung.convolve(x, k, "same", method) for x in inputs]
        faltung._core.clear_plans()
        start = threading.Barrier(6)

        def work(which):
            start.wait(timeout=30)
            good = True
            for i in range(45):
                if i % 11 == which:
                    faltung._core.clear_plans()
                at = (i * 7 + which) % 15
                good &= np.array_equal(
                    faltung.convolve(inputs[at], k, "same", method), expected[at]
                )
            return good

        with ThreadPoolExecutor(6) as pool:
            assert all(pool.map(work, range(6)))
