"""`auto` is never absurd, and what it cannot do it says. Figures of time belong to the benchmarks, not here."""

import numpy as np
import pytest
from cases import numbers, outer

import faltung

SPATIAL = {"direct", "separable"}
SPECTRAL = {"fft", "overlap_save"}


def full_rank(shape, dtype="float32"):
    return numbers(shape, np.dtype(dtype), 5)


class TestAuto:
    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "uint8"])
    @pytest.mark.parametrize("shape", [(64, 64), (512, 512), (2048, 2048)])
    def test_three_by_three_stays_in_space(self, level, shape, dtype):
        plan = faltung.plan(full_rank((3, 3), dtype), shape, "same")
        assert plan.method in SPATIAL

    @pytest.mark.parametrize("taps", [1, 2, 3, 5])
    @pytest.mark.parametrize("n", [10, 1000, 10**6])
    def test_few_taps_of_a_line_stay_in_space(self, level, taps, n):
        assert faltung.plan(full_rank((taps,)), (n,)).method in SPATIAL

    def test_small_volumes_of_taps_stay_in_space(self, level):
        assert faltung.plan(full_rank((3, 3, 3)), (96, 96, 96), "same").method in SPATIAL

    def test_tiny_arrays_stay_in_space(self, level):
        assert faltung.plan(full_rank((4, 4)), (8, 8)).method in SPATIAL

    @pytest.mark.parametrize("dtype", ["float32", "float64", "complex128"])
    def test_long_kernels_are_transformed(self, level, dtype):
        for n, taps in ((10**6, 10**5), (10**6, 10**6), (300_000, 50_000)):
            assert faltung.plan(full_rank((taps,), dtype), (n,)).method in SPECTRAL

    def test_large_images_of_taps_are_transformed(self, level):
        assert faltung.plan(full_rank((101, 101)), (1024, 1024), "same").method in SPECTRAL

    def test_a_long_line_with_a_middling_kernel_is_divided(self, level):
        # one transform of the whole would need far more memory than a tile of it
        assert faltung.plan(full_rank((2000,)), (10**8,)).method == "overlap_save"

    @pytest.mark.parametrize("side", [7, 11, 15])
    def test_outer_products_are_found(self, level, side):
        line = np.exp(-(np.linspace(-2, 2, side) ** 2)).astype(np.float32)
        plan = faltung.plan(np.outer(line, line), (2048, 2048), "same")
        assert plan.method == "separable"
        assert "separable" in plan.explain()

    def test_noise_hides_an_outer_product(self):
        line = np.exp(-(np.linspace(-2, 2, 31) ** 2))
        k = np.outer(line, line)
        k *= 1 + 1e-9 * numbers(k.shape, k.dtype)  # float64 sees it
        text = faltung.plan(k, (512, 512), "same").explain()
        assert "separable: not possible" in text

    def test_a_batch_is_chosen_for_one_entry(self, level):
        # many short lines are not one long one
        assert faltung.plan(full_rank((3,)), (1000, 1000), axes=1).method in SPATIAL

    def test_no_choice_depends_on_the_boundary_alone_for_small_kernels(self):
        for boundary in ("zero", "edge", "wrap", "mirror", "symmetric", "constant"):
            plan = faltung.plan(full_rank((3, 3)), (700, 700), "same", boundary=boundary)
            assert plan.method in SPATIAL

    def test_predictions_grow_with_the_problem(self, method):
        if method == "auto":
            pytest.skip("its method changes with the size")
        k = outer((9, 9), np.dtype("float32"))
        seconds = [
            faltung.plan(k, (n, n), "same", method).predicted_seconds for n in (64, 256, 1024, 4096)
        ]
        assert seconds == sorted(seconds)
        assert seconds[0] < seconds[-1] / 20

    @pytest.mark.parametrize("n", [10**9, 10**12, 2**40])
    def test_sizes_that_no_machine_holds_can_be_planned(self, n):
        # the kernel decides what a plan holds, not x
        plan = faltung.plan(full_rank((64,)), (n,), "same")
        assert plan.method in {"direct", "separable", "overlap_save"}
        assert plan.workspace_bytes <= 64 << 20


class TestForced:
    def test_a_kernel_that_is_no_outer_product(self):
        k = full_rank((5, 5))
        with pytest.raises(ValueError, match=r"separable.*outer product"):
            faltung.convolve(np.ones((20, 20), np.float32), k, method="separable")
        with pytest.raises(ValueError, match=r"separable.*outer product"):
            faltung.plan(k, (20, 20), method="separable")

    @pytest.mark.parametrize("method", sorted(SPECTRAL))
    def test_integers_beyond_exact_floats(self, method):
        x, k = np.full(300, 2**40), np.full(50, 2**10)
        with pytest.raises(ValueError, match=f"{method}.*(exact|integer)"):
            faltung.convolve(x, k, method=method)

    @pytest.mark.parametrize("method", sorted(SPECTRAL))
    def test_bytes_are_transformed_exactly(self, method):
        # eight bits times eight bits times some hundred taps: far from where float64 has gaps
        x, k = numbers((90, 100), np.dtype("uint8")), numbers((9, 11), np.dtype("uint8"), 1)
        actual = faltung.convolve(x, k, method=method)
        np.testing.assert_array_equal(actual, faltung.convolve(x, k, method="direct"))

    def test_rank_one_in_integers(self, level):
        k = np.multiply.outer([1, 2, 1], [-1, 0, 1])
        x = numbers((40, 41), np.dtype("uint8"))
        np.testing.assert_array_equal(
            faltung.convolve(x, k, method="separable"), faltung.convolve(x, k, method="direct")
        )
        almost = k.copy()
        almost[2, 2] += 1
        with pytest.raises(ValueError, match="separable"):
            faltung.convolve(x, almost, method="separable")

    def test_integer_factors_with_a_common_divisor(self):
        # 6 = 2 * 3 either way round: the factors of an integer kernel are integers
        k = np.multiply.outer([2, 4, 6], [3, 9, 6])
        x = numbers((30, 31), np.dtype("int16"))
        np.testing.assert_array_equal(
            faltung.convolve(x, k, method="separable"), faltung.convolve(x, k, method="direct")
        )


class TestLevels:
    def test_the_best_one_is_the_default(self):
        assert faltung._core.level() == faltung._core.levels()[-1]

    def test_forcing_returns_what_was(self):
        lowest = faltung._core.levels()[0]
        before = faltung._core.force_level(lowest)
        assert faltung._core.level() == lowest
        assert faltung._core.force_level(None) == lowest
        assert faltung._core.level() == before

    def test_unknown_ones_are_named(self):
        with pytest.raises(ValueError, match="v9") as caught:
            faltung._core.force_level("v9")
        for level in faltung._core.levels():
            assert level in str(caught.value)

    def test_the_environment_forces(self):
        from script import output_of, run_script

        source = """
            import numpy as np
            import faltung
            print(faltung.plan(np.ones(3), 10).level)
        """
        for level in faltung._core.levels():
            assert output_of(source, FALTUNG_ISA=level).strip() == level
        refused = run_script(source, FALTUNG_ISA="v9")
        assert refused.returncode == 1
        assert "ValueError" in refused.stderr
        assert "FALTUNG_ISA" in refused.stderr
        assert "v9" in refused.stderr
