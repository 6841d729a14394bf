r"""Convolution as an expectation.

A kernel of probabilities says how often a sample comes from each of its neighbours. Draw one
neighbour for each sample, and the picture is a rough one; average many draws, and it tends to the
convolution, with an error that falls as one over the square root of their number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from faltung import _core
from faltung._arguments import Array, as_array, check_out, make_request
from faltung._config import resolve_workers
from faltung._kernel_parts import count

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["convolve"]


def convolve(
    x: npt.ArrayLike,
    p: npt.ArrayLike,
    samples: int = 1,
    rng: np.random.Generator | np.random.SeedSequence | int | None = None,
    *,
    mode: str = "same",
    axes: int | tuple[int, ...] | None = None,
    boundary: str = "zero",
    cval: complex = 0,
    out: Array | None = None,
    dtype: npt.DTypeLike | None = None,
    workers: int | None = None,
) -> Array:
    r"""Estimate a convolution by drawing from every window.

    With :math:`\|p\|_1 = \sum_t |p_t|`, every output draws places :math:`t_1, \ldots, t_S`
    independently, t with the probability :math:`|p_t| / \|p\|_1`, and gives

    .. math:: y_i = \frac{\|p\|_1}{S} \sum_{s=1}^{S} \operatorname{sign}(p_{t_s})\,
              \tilde x_{i - t_s},

    whose expectation is :math:`(x * p)_i` and whose variance is :math:`\left(\|p\|_1 \,
    (x^2 * |p|)_i - (x * p)_i^2\right) / S`. For a density, as `faltung.kernels.softmax` makes of
    any kernel, with one draw each, every output is one of the samples in its window.

    Parameters
    ----------
    x : array_like
        Samples.
    p : array_like
        The kernel: real, finite, not zero everywhere; negative weights are drawn by their
        magnitude.
    samples : int, optional
        S, the draws for each output, up to 2**30.
    rng : numpy.random.Generator, SeedSequence, int or None, optional
        Where chance comes from: what ``numpy.random.default_rng`` takes. One number is drawn from
        it, as the key of a counter-based generator (Philox4x32-10) whose counter is the place of
        the output and the number of the draw. The same state gives the same answer, on any number
        of threads, at any instruction-set level, for any memory layout.
    mode, axes, boundary, cval, out, dtype, workers
        As for `faltung.convolve`; but the mode is ``"same"`` unless asked otherwise. Entries of a
        batch, as the channels of a photograph, draw each for itself.

    Returns
    -------
    ndarray
        Of the shape and dtype that `faltung.convolve` gives; float64 where `x` and `p` are both
        integer.

    Raises
    ------
    TypeError, ValueError, MemoryError
        As `faltung.convolve`; and ValueError where `p` or `samples` is not as said above.

    See Also
    --------
    faltung.kernels.softmax : a density from any kernel.

    Notes
    -----
    Drawing takes a table of aliases (M. Vose, 1991): a random number, a comparison and a look-up,
    whatever the size of the kernel. Probabilities are met to within :math:`2^{-33}`.

    Examples
    --------
    >>> import numpy as np
    >>> from faltung import stochastic
    >>> x = np.array([10.0, 20.0, 30.0, 40.0])
    >>> once = stochastic.convolve(x, [0.25, 0.5, 0.25], rng=1, boundary="edge")
    >>> bool(np.isin(once, x).all())
    True
    >>> stochastic.convolve(x, [0.25, 0.5, 0.25], 10**6, rng=1, boundary="edge").round(1)
    array([12.5, 20. , 30. , 37.5])
    """
    x, weights = as_array(x, "x"), as_array(p, "p")
    if weights.dtype.kind in "biu":
        weights = weights.astype(np.float64)
    if weights.dtype.kind == "c":
        raise ValueError("p must be real: a complex weight is no probability")
    samples, generator = count("samples", samples), _generator(rng)
    if samples > 2**30:
        raise ValueError(f"samples must be at most 2**30, not {samples}")
    request = make_request(
        x.shape, x.dtype, weights.shape, weights.dtype,
        mode=mode, method="auto", axes=axes, boundary=boundary, cval=cval, dtype=dtype, flip=True, k="p",
    )  # fmt: skip
    seed = int(generator.integers(2**64, dtype=np.uint64, endpoint=False))
    return _core.run_by_chance(
        request, x, weights, samples, seed, check_out(out), resolve_workers(workers)
    )


def _generator(rng: Any) -> np.random.Generator:
    plain = np.asarray(rng) if isinstance(rng, np.matrix) else rng  # NumPy never ends with those
    try:
        return np.random.default_rng(plain)
    except (TypeError, ValueError) as error:
        kind = ValueError if isinstance(error, ValueError) else TypeError
        raise kind(f"rng must be what numpy.random.default_rng takes: {error}") from None
