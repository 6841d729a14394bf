"""Layers of convolutional nets on NumPy arrays: banks of kernels over batches with channels, and their gradients.

Everywhere "convolution" means what nets mean by it: a correlation, with the kernel as it is.
"""

from faltung.nn._conv import conv, conv_backward, conv_transpose
from faltung.nn._plan import ConvPlan, plan

__all__ = ["ConvPlan", "conv", "conv_backward", "conv_transpose", "plan"]
