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
