"""What `auto` needs beyond input and output: at most 64 MiB per worker and a small multiple of the kernel."""

import sys

import pytest
from script import output_of

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="peak memory is read as Linux tells it"
)

PER_WORKER = 64  # MiB
OF_KERNEL = 12  # times the kernel's bytes
SLACK = 16  # MiB: pages of the interpreter and of libraries that a first call loads

MEASURE = """
    import resource
    import numpy as np
    import faltung

    def peak():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024

    x = np.ones({shape}, {dtype!r})
    k = np.random.default_rng(1).standard_normal({kernel}).astype({dtype!r})
    # what is loaded once is none of this call's
    faltung.convolve(np.ones(4096, {dtype!r}), np.ones(300, {dtype!r}), method="fft")
    before = peak()
    y = faltung.convolve(x, k, "same", boundary="mirror", workers={workers})
    assert np.isfinite(y.flat[0])
    print(peak() - before - y.nbytes / 2**20, k.nbytes / 2**20)
"""


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("shape", "kernel", "dtype"),
    [
        ((24_000_000,), (33,), "float32"),
        ((24_000_000,), (5000,), "float32"),
        ((12_000_000,), (300_000,), "float64"),
        ((4500, 4600), (3, 3), "float32"),
        ((4500, 4600), (51, 51), "float32"),
        ((3000, 3000), (301, 301), "float64"),
        ((220, 230, 240), (9, 9, 9), "float32"),
        ((200, 200, 200), (40, 40, 40), "float32"),
        ((40, 600_000), (1, 700), "float32"),
    ],
    ids=str,
)
def test_bounded(shape, kernel, dtype, workers):
    source = MEASURE.format(shape=shape, kernel=kernel, dtype=dtype, workers=workers)
    extra, kernel_size = map(float, output_of(source, timeout=120).split())
    assert extra <= PER_WORKER * workers + OF_KERNEL * kernel_size + SLACK


def test_no_memory_is_lost():
    source = """
        import resource
        import numpy as np
        import faltung

        x, k = np.ones((140, 140)), np.ones((9, 9))
        def rounds(count):
            for i in range(count):
                for method in ("direct", "separable", "fft", "overlap_save"):
                    faltung.convolve(x, k * (1 + i), "same", method)  # a new plan each time
                try:
                    faltung.convolve(x, k, axes=5)
                except ValueError:
                    pass
        rounds(70)  # caches are full now, or as good as
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        rounds(100)
        print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
    """
    assert float(output_of(source, timeout=120)) < 12


def test_bright_samples_beside_faint_ones_take_little_more():
    """Tiles are taken apart by magnitude, large ones one after the other."""

    def extra(star):
        source = MEASURE.format(
            shape=(200, 200, 200), kernel=(40, 40, 40), dtype="float32", workers=2
        ).replace("k = np", f"x[:40, :40, :40] *= {star}\n    k = np")
        return float(output_of(source, timeout=120).split()[0])

    assert extra(1e7) <= extra(1) + 48
