"""Images: side × side samples, k × k taps."""

import numpy as np
from _peers import METHODS, PEERS, by_method, module, same, samples


class Image:
    params = (
        [peer for peer in PEERS if peer != "numpy"],
        [512, 2048, 4096],
        [3, 7, 15, 31, 101],
        ["float32", "float64"],
    )
    param_names = ("peer", "side", "kernel", "dtype")

    def setup(self, peer, side, kernel, dtype):
        self.call = same(peer, samples((side, side), dtype), samples((kernel, kernel), dtype, 8))

    def time_convolve(self, *_):
        self.call()


class Methods:
    params = (METHODS, [512, 2048], [3, 5, 7, 9, 11, 15, 21, 31, 63, 101])
    param_names = ("method", "side", "kernel")

    def setup(self, method, side, kernel):
        k = samples((kernel, kernel), seed=8)
        if method == "separable":
            k = np.outer(k[0], k[1])
        self.call = by_method(method, samples((side, side)), k)

    def time_convolve(self, *_):
        self.call()


class Gaussian:
    params = (["faltung", "ndimage", "cv2"], [512, 2048], [1.0, 3.0, 10.0])
    param_names = ("peer", "side", "sigma")

    def setup(self, peer, side, sigma):
        x = samples((side, side))
        if peer == "faltung":
            filters = module("faltung").filters
            self.call = lambda: filters.gaussian(x, sigma)
        elif peer == "ndimage":
            ndimage = module("scipy.ndimage")
            self.call = lambda: ndimage.gaussian_filter(x, sigma, mode="mirror")
        else:
            cv2 = module("cv2")
            width = 2 * int(4 * sigma + 0.5) + 1
            self.call = lambda: cv2.GaussianBlur(
                x, (width, width), sigma, borderType=cv2.BORDER_REFLECT_101
            )

    def time_blur(self, *_):
        self.call()


class Photograph:
    """uint8 with three channels, mirrored at the border, to float32."""

    params = (["faltung", "cv2", "ndimage"], [512, 2048], [3, 5, 9])
    param_names = ("peer", "side", "kernel")

    def setup(self, peer, side, kernel):
        x, k = samples((side, side, 3), "uint8"), samples((kernel, kernel), seed=8)
        if peer == "faltung":
            faltung = module("faltung")
            self.call = lambda: faltung.convolve(x, k, "same", axes=(0, 1), boundary="mirror")
        elif peer == "cv2":
            cv2 = module("cv2")
            flipped = np.ascontiguousarray(k[::-1, ::-1])
            self.call = lambda: cv2.filter2D(
                x, cv2.CV_32F, flipped, borderType=cv2.BORDER_REFLECT_101
            )
        else:
            ndimage = module("scipy.ndimage")
            self.call = lambda: ndimage.convolve(x, k[:, :, None], output=np.float32, mode="mirror")

    def time_convolve(self, *_):
        self.call()


class Boundaries:
    params = (["zero", "constant", "edge", "symmetric", "mirror", "wrap"], [3, 31])
    param_names = ("boundary", "kernel")

    def setup(self, boundary, kernel):
        faltung = module("faltung")
        x, k = samples((1024, 1024)), samples((kernel, kernel), seed=8)
        self.call = lambda: faltung.convolve(x, k, "same", boundary=boundary)

    def time_convolve(self, *_):
        self.call()
