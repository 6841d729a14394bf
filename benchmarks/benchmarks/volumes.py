"""Volumes: side³ samples, k³ taps."""

from _peers import METHODS, PEERS, by_method, module, same, samples


class Volume:
    params = ([peer for peer in PEERS if peer not in ("numpy", "cv2")], [64, 192], [3, 5, 9, 21])
    param_names = ("peer", "side", "kernel")

    def setup(self, peer, side, kernel):
        self.call = same(peer, samples((side,) * 3), samples((kernel,) * 3, seed=8))

    def time_convolve(self, *_):
        self.call()


class Methods:
    params = (METHODS, [64, 128], [3, 5, 9, 21])
    param_names = ("method", "side", "kernel")

    def setup(self, method, side, kernel):
        self.call = by_method(method, samples((side,) * 3), samples((kernel,) * 3, seed=8))

    def time_convolve(self, *_):
        self.call()


class Gaussian:
    params = (["faltung", "ndimage"], [64, 192], [1.0, 3.0])
    param_names = ("peer", "side", "sigma")

    def setup(self, peer, side, sigma):
        x = samples((side,) * 3)
        if peer == "faltung":
            filters = module("faltung").filters
            self.call = lambda: filters.gaussian(x, sigma)
        else:
            ndimage = module("scipy.ndimage")
            self.call = lambda: ndimage.gaussian_filter(x, sigma, mode="mirror")

    def time_blur(self, *_):
        self.call()
