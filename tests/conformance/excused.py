"""Cases of other libraries' tests that fail here, with the reason. One that passes after all is reported."""

_NAN_STAYS = "wants a warning that a NaN spoils the whole result of a convolution by transforms; here it stays local"
_UNSTABLE = (
    "a filter with poles at radius 1.7 that its zeros cancel: rounding grows as 1.7^n, unless the order of "
    "operations happens to make every error zero, as SciPy's does without fused multiply-add"
)

EXCUSED = {
    "scipy.signal.tests.test_signaltools::TestFFTConvolve::test_fft_nan[numpy]": _NAN_STAYS,
    "scipy.signal.tests.test_signaltools::TestFiltFilt::test_basic[numpy]": _UNSTABLE,
    "scipy.signal.tests.test_signaltools::TestSOSFiltFilt::test_basic[numpy]": _UNSTABLE,
}

_NO_GUST = "Gustafsson's method is there for transfer functions only"

# Cases that SciPy's own tests skip, here as there.
SKIPPED = {
    "scipy.signal.tests.test_signaltools::TestMedFilt::test_invalid_dtypes[numpy-float96]": "not on every platform",
    "scipy.signal.tests.test_signaltools::TestMedFilt::test_invalid_dtypes[numpy-float128]": "not on every platform",
    "scipy.signal.tests.test_signaltools::TestSOSFiltFilt::test_gust_scalars[numpy]": _NO_GUST,
    "scipy.signal.tests.test_signaltools::TestSOSFiltFilt::test_gust_simple[numpy]": _NO_GUST,
}
