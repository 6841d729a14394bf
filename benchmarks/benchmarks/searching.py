"""Template matching, and banks of kernels."""

import numpy as np
from _peers import module, samples


class Match:
    params = (["faltung", "cv2", "skimage"], [512, 2048], [16, 32, 128], ["uint8", "float32"])
    param_names = ("peer", "side", "template", "dtype")

    def setup(self, peer, side, template, dtype):
        image = np.abs(samples((side, side), dtype))
        part = image[100 : 100 + template, 50 : 50 + template].copy()
        if peer == "faltung":
            faltung = module("faltung")
            self.call = lambda: faltung.match_template(image, part)
        elif peer == "cv2":
            cv2 = module("cv2")
            self.call = lambda: cv2.matchTemplate(image, part, cv2.TM_CCOEFF_NORMED)
        else:
            feature = module("skimage.feature")
            self.call = lambda: feature.match_template(image, part)

    def time_match(self, *_):
        self.call()


class Gabors:
    """A bank of Gabor filters, 31 x 31: the maps of one image."""

    params = (
        ["bank", "convolve", "cv2", "fftconvolve", "torch"],
        [256, 2048],
        [4, 64],
        ["float32", "complex64"],
    )
    param_names = ("peer", "side", "kernels", "dtype")

    def setup(self, peer, side, kernels, dtype):
        x = samples((side, side))
        y, z = np.mgrid[-15:16, -15:16]
        bank = []
        for angle in np.arange(kernels) * np.pi / kernels:
            wave = np.exp(1j * 0.6 * (np.cos(angle) * y + np.sin(angle) * z))
            bank.append(wave * np.exp(-(y**2 + z**2) / 60))
        k = np.array(bank)
        k = (k if dtype == "complex64" else k.real).astype(dtype)
        if peer == "bank":
            faltung = module("faltung")
            out = np.zeros((kernels, side, side), dtype)
            self.call = lambda: faltung.filter_bank(x, k, out=out)
        elif peer == "convolve":
            faltung = module("faltung")
            out = np.zeros((kernels, side, side), dtype)
            self.call = lambda: [
                faltung.convolve(x, one, "same", out=y) for one, y in zip(k, out, strict=True)
            ]
        elif peer == "fftconvolve":
            signal = module("scipy.signal")
            self.call = lambda: [signal.fftconvolve(x, one, "same") for one in k]
        else:
            if dtype != "float32":
                raise NotImplementedError(f"{peer} has no complex kernels")
            flipped = np.ascontiguousarray(k[:, ::-1, ::-1])
            if peer == "cv2":
                cv2 = module("cv2")
                self.call = lambda: [cv2.filter2D(x, -1, one) for one in flipped]
            else:
                torch = module("torch")
                image, weights = torch.from_numpy(x[None, None]), torch.from_numpy(flipped[:, None])
                self.call = lambda: torch.nn.functional.conv2d(image, weights, padding="same")

    def time_bank(self, *_):
        self.call()
