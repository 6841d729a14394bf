"""Convolution for NumPy arrays: one function, every boundary, the fastest method.

The public face is here; everything that computes is in the compiled core.
"""

from faltung import compat, cuda, diffusion, filters, fourier, kernels, nn, series, stochastic
from faltung._api import convolve, correlate, plan
from faltung._bank import Bank, filter_bank, filter_bank_plan
from faltung._config import set_workers, show_config, trim, tune
from faltung._core import __version__
from faltung._match import Peaks, match_template
from faltung._plan import Plan

__all__ = [
    "Bank",
    "Peaks",
    "Plan",
    "__version__",
    "compat",
    "convolve",
    "correlate",
    "cuda",
    "diffusion",
    "filter_bank",
    "filter_bank_plan",
    "filters",
    "fourier",
    "kernels",
    "match_template",
    "nn",
    "plan",
    "series",
    "set_workers",
    "show_config",
    "stochastic",
    "trim",
    "tune",
]
