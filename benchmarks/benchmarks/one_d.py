"""Signals: n samples, m taps."""

from _peers import METHODS, PEERS, by_method, same, samples


class Signal:
    params = (
        [peer for peer in PEERS if peer != "cv2"],
        [1_000, 100_000, 1_000_000],
        [15, 63, 255, 1023, 16_383],
        ["float32", "float64"],
    )
    param_names = ("peer", "samples", "taps", "dtype")

    def setup(self, peer, n, taps, dtype):
        if taps > n:
            raise NotImplementedError("more taps than samples")
        self.call = same(peer, samples(n, dtype), samples(taps, dtype, 8))

    def time_convolve(self, *_):
        self.call()


class Methods:
    params = (METHODS, [100_000, 1_000_000], [15, 63, 255, 1023, 16_383])
    param_names = ("method", "samples", "taps")

    def setup(self, method, n, taps):
        self.call = by_method(method, samples(n), samples(taps, seed=8))

    def time_convolve(self, *_):
        self.call()


class Batch:
    """256 signals of 4096 samples."""

    params = (["faltung", "fftconvolve", "oaconvolve", "ndimage"], [33, 129, 1025])
    param_names = ("peer", "taps")

    def setup(self, peer, taps):
        self.call = same(peer, samples((256, 4096)), samples((1, taps), seed=8))

    def time_convolve(self, *_):
        self.call()
