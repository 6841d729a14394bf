"""Stand-ins for functions of ``scipy.signal``: same names, arguments, shapes, dtypes and errors."""

from faltung.compat._convolution import (
    choose_conv_method,
    convolve,
    convolve2d,
    correlate,
    correlate2d,
    correlation_lags,
    fftconvolve,
    oaconvolve,
    sepfir2d,
)
from faltung.compat._lines import lfilter, savgol_filter, sosfilt, upfirdn

__all__ = [
    "choose_conv_method",
    "convolve",
    "convolve2d",
    "correlate",
    "correlate2d",
    "correlation_lags",
    "fftconvolve",
    "lfilter",
    "oaconvolve",
    "savgol_filter",
    "sepfir2d",
    "sosfilt",
    "upfirdn",
]
