"""The same image in every dtype."""

import numpy as np
from _peers import METHODS, by_method, limit_work, module, samples

DTYPES = [
    "float32", "float16", "float64", "complex64", "complex128",
    "uint8", "int8", "int16", "uint16", "int32", "int64",
]  # fmt: skip


class Samples:
    """Samples of each dtype, a kernel of the same kind, the default result."""

    params = (DTYPES, [3, 15], METHODS)
    param_names = ("dtype", "kernel", "method")

    def setup(self, dtype, kernel, method):
        k = samples((kernel, kernel), dtype, 8)
        self.call = by_method(method, samples((512, 512), dtype), k)

    def time_convolve(self, *_):
        self.call()


class Converted:
    """uint8 samples and a float32 kernel into each dtype."""

    params = (["float32", "float64", "uint8", "int16"], [3, 15])
    param_names = ("result", "kernel")

    def setup(self, result, kernel):
        faltung = module("faltung")
        x = samples((1024, 1024), "uint8")
        k = np.full((kernel, kernel), 1 / kernel**2, np.float32)
        k[0, 0] = 0  # no outer product
        self.call = lambda: faltung.convolve(x, k, "same", dtype=result)

    def time_convolve(self, *_):
        self.call()


class EightBits:
    """Whole taps on an 8-bit image, exact, by the result's dtype."""

    params = (["faltung", "ndimage"], [3, 5, 9], ["int64", "int32", "uint8", "float32"])
    param_names = ("peer", "taps", "result")

    def setup(self, peer, taps, result):
        x, k = samples((2048, 2048), "uint8"), samples((taps, taps), "int8")
        if peer == "faltung":
            faltung = module("faltung")
            self.call = lambda: faltung.convolve(x, k, "same", dtype=result)
        else:
            limit_work(x, k, 3e9)
            ndimage = module("scipy.ndimage")
            self.call = lambda: ndimage.convolve(x, k, result, mode="constant")

    def time_convolve(self, *_):
        self.call()
