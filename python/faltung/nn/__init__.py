"""Layers of convolutional nets on NumPy arrays: banks of kernels over batches with channels, pooling, and gradients.

Everywhere "convolution" means what nets mean by it: a correlation, with the kernel as it is.
"""

from faltung.nn._conv import conv, conv_backward, conv_transpose, explain_backward
from faltung.nn._plan import ConvPlan, plan
from faltung.nn._pool import (
    avg_pool,
    avg_pool_backward,
    global_avg_pool,
    global_avg_pool_backward,
    global_lp_pool,
    global_lp_pool_backward,
    global_max_pool,
    global_max_pool_backward,
    lp_pool,
    lp_pool_backward,
    max_pool,
    max_pool_backward,
)
from faltung.nn._unfold import fold, unfold

__all__ = [
    "ConvPlan",
    "avg_pool",
    "avg_pool_backward",
    "conv",
    "conv_backward",
    "conv_transpose",
    "explain_backward",
    "fold",
    "global_avg_pool",
    "global_avg_pool_backward",
    "global_lp_pool",
    "global_lp_pool_backward",
    "global_max_pool",
    "global_max_pool_backward",
    "lp_pool",
    "lp_pool_backward",
    "max_pool",
    "max_pool_backward",
    "plan",
    "unfold",
]
