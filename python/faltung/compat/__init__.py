"""A drop-in for the convolutions and filters of SciPy: its names, arguments, shapes, dtypes and errors.

``from faltung.compat import signal`` (or ``ndimage``) in place of ``from scipy import signal``, or a whole
program at once (and `numpy` has NumPy's two)::

    with faltung.compat.patch_scipy():
        run_program()

What the core does not do (object and longdouble arrays, a few options) and what is an error goes to SciPy
itself, which has to be installed for that; `report` counts which calls ran where. Where the answers
differ from SciPy's is told in docs/semantics.md.
"""

from faltung.compat import ndimage, numpy, signal
from faltung.compat._patch import patch_scipy
from faltung.compat._routing import Report, report

__all__ = ["Report", "ndimage", "numpy", "patch_scipy", "report", "signal"]
