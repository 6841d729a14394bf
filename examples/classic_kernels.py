"""Row 2: the classical kernels on one photograph."""

from functools import partial

import numpy as np
import scipy.ndimage as ndi
from _figure import beside, luminance, new_figure, show, show_signed, swatch
from skimage import data

import faltung
from faltung import filters, kernels

TITLE = "Twelve pictures of one cat"


def on_photo(photo, k):
    """Our call and SciPy's on a colour photograph: one 2-D kernel, each channel by itself."""
    k = k.astype(np.float32)
    ours = partial(faltung.convolve, photo, k, "same", axes=(0, 1), boundary="mirror")
    theirs = partial(ndi.convolve, photo, k[:, :, None], output=np.float32, mode="mirror")
    return ours, theirs


def on_grey(grey, k):
    """The same on grey levels."""
    k = k.astype(np.float32)
    ours = partial(faltung.convolve, grey, k, "same", boundary="mirror")
    return ours, partial(ndi.convolve, grey, k, mode="mirror")


def gaussian(photo, sigma):
    ours = partial(filters.gaussian, photo, sigma, axes=(0, 1), dtype=np.float32)
    theirs = partial(
        ndi.gaussian_filter, photo, sigma, output=np.float32, mode="mirror", axes=(0, 1)
    )
    return ours, theirs


def panels(photo, grey):
    """Title, kernel to show, and both calls; signed results are those on grey levels."""
    box = kernels.normalize(kernels.box(9))
    gabor = kernels.gabor(0.1, np.pi / 6).imag
    magnitude = partial(filters.sobel, grey), partial(scipy_magnitude, grey)
    log = (
        partial(filters.gaussian_laplace, grey, 2),
        partial(ndi.gaussian_laplace, grey, 2, mode="mirror"),
    )
    return [
        ("box(9), normalised: the mean", box, "colour", *on_photo(photo, box)),
        ("gaussian(3)", kernels.gaussian(3), "colour", *gaussian(photo, 3)),
        ("sharpen(1.5)", kernels.sharpen(1.5), "colour", *on_photo(photo, kernels.sharpen(1.5))),
        ("emboss()", kernels.emboss(), "colour", *on_photo(photo, kernels.emboss())),
        ("sobel(axis=1): along a row", kernels.sobel(1), "signed", *on_grey(grey, kernels.sobel(1))),
        ("sobel(axis=0): down a column", kernels.sobel(0), "signed", *on_grey(grey, kernels.sobel(0))),
        ("filters.sobel: the magnitude", None, "grey", *magnitude),
        ("edge()", kernels.edge(), "signed", *on_grey(grey, kernels.edge())),
        ("filters.gaussian_laplace, σ = 2", None, "signed", *log),
        ("gabor(0.1, 30°), imaginary part", gabor, "signed", *on_grey(grey, gabor)),
        ("gaussian(2, order=(0, 1))", kernels.gaussian(2, order=(0, 1)), "signed",
         *on_grey(grey, kernels.gaussian(2, order=(0, 1)))),
    ]  # fmt: skip


def scipy_magnitude(grey):
    return np.hypot(ndi.sobel(grey, 0, mode="mirror"), ndi.sobel(grey, 1, mode="mirror"))


def figure(small=False):
    photo = data.chelsea()
    if small:
        photo = photo[::3, ::3]
    grey = luminance(photo)
    canvas = new_figure(
        15.2,
        9.75,
        TITLE,
        f"skimage.data.chelsea, {photo.shape[0]} × {photo.shape[1]}; in colour as uint8 with three channels, else grey "
        "levels in float32. Signed results: blue is below zero, orange above, each to its own scale.\n"
        "Under each title: the time of Faltung · of scipy.ndimage for the same work.",
    )
    grid = canvas.add_gridspec(
        3, 4, left=0.015, right=0.985, top=0.855, bottom=0.012, wspace=0.025, hspace=0.21
    )
    show(canvas.add_subplot(grid[0, 0]), photo, "The photograph", "data.chelsea()")
    for cell, (title, k, kind, ours, theirs) in enumerate(panels(photo, grey), start=1):
        axes = canvas.add_subplot(grid[cell // 4, cell % 4])
        note = beside(ours, theirs, "scipy", rounds=1 if small else 9)
        if kind == "signed":
            show_signed(axes, ours(), title, note)
        elif kind == "grey":
            result = ours()
            show(axes, result, title, note, 0, np.percentile(result, 99.5))
        else:
            show(axes, ours(), title, note)
        if k is not None:
            swatch(axes, k)
    return canvas


if __name__ == "__main__":
    figure().savefig("classic_kernels.png", dpi=110)
