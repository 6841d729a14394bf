"""``python -m faltung``: show the configuration, run a self-test, end in a verdict."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import product

import numpy as np

from faltung import _core, convolve, show_config
from faltung._arguments import Array


def _reference(x: Array, k: Array) -> Array:
    """The full convolution by its definition, in float64."""
    shape = tuple(n + m - 1 for n, m in zip(x.shape, k.shape, strict=True))
    out = np.zeros(shape, np.result_type(x, k, np.float64))
    for at in np.ndindex(*k.shape):
        out[tuple(slice(t, t + n) for t, n in zip(at, x.shape, strict=True))] += k[at] * x
    return out


def _checks() -> Iterator[tuple[str, bool]]:
    rng = np.random.default_rng(1)
    shapes = {"1-D": ((997,), (31,)), "2-D": ((61, 83), (7, 5)), "3-D": ((17, 19, 23), (3, 3, 5))}
    library = bool(_core.provider()["found"])
    for level in _core.levels():
        _core.force_level(level)  # main() puts it back
        for (name, (x_shape, k_shape)), dtype, method in product(
            shapes.items(), ("float32", "float64", "complex64"), ("direct", "fft", "overlap_save")
        ):
            if method != "direct" and not library:
                continue
            x = rng.standard_normal(x_shape).astype(dtype)
            k = rng.standard_normal(k_shape).astype(dtype)
            expected = _reference(x, k)
            bound = 64 * np.finfo(dtype).eps * np.abs(expected).max()
            got = convolve(x, k, method=method)
            yield f"{level} {method} {name} {dtype}", np.allclose(got, expected, rtol=0, atol=bound)
        photo = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8)
        edge = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]])
        got = convolve(photo, edge, axes=(0, 1))
        yield f"{level} exact integers", np.array_equal(got, _reference(photo, edge[:, :, None]))


def main() -> int:
    show_config()
    before = _core.level()
    try:
        results = list(_checks())
    finally:
        _core.force_level(before)
    failed = [name for name, passed in results if not passed]
    for name in failed:
        print(f"FAILED: {name}")
    if failed:
        print(f"self-test: FAILED, {len(failed)} of {len(results)} checks")
        return 1
    print(f"self-test: passed, {len(results)} checks")
    return 0


if __name__ == "__main__":
    sys.exit(main())
