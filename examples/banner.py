"""The picture at the top of the README."""

import numpy as np
from _figure import INK, PAPER, SIGNED, bare, luminance, robust_limit
from matplotlib.figure import Figure
from skimage import data

from faltung import convolve, filters, kernels

TITLE = "One photograph, eight kernels"


def panels(photo):
    grey = luminance(photo)
    gabor = kernels.gabor(0.16, 0.6).imag

    def colour(k):
        return convolve(photo, k.astype(np.float32), "same", axes=(0, 1), boundary="mirror")

    return [
        ("photograph", photo),
        ("gaussian", filters.gaussian(photo, 4.0, axes=(0, 1), dtype=np.float32)),
        ("sharpen", colour(kernels.sharpen(1.5))),
        ("emboss", colour(kernels.emboss())),
        ("sobel", filters.sobel(grey, 1)),
        ("sobel magnitude", np.minimum(filters.sobel(grey) * 0.6, 255)),
        ("gaussian laplace", filters.gaussian_laplace(grey, 1.5)),
        ("gabor", convolve(grey, gabor.astype(np.float32), "same", boundary="mirror")),
    ]


def figure(small=False):
    photo = data.astronaut()[0:300, 55:355]
    photo = photo[::3, ::3] if small else photo
    canvas = Figure(figsize=(10.4, 5.35), facecolor=PAPER)
    grid = canvas.add_gridspec(
        2, 4, left=0.006, right=0.994, top=0.988, bottom=0.012, wspace=0.018, hspace=0.03
    )
    for cell, (name, image) in enumerate(panels(photo)):
        axes = canvas.add_subplot(grid[cell // 4, cell % 4])
        if name in ("sobel", "gaussian laplace", "gabor"):
            limit = robust_limit(image, 98.5)
            axes.imshow(image, cmap=SIGNED, vmin=-limit, vmax=limit)
        else:
            axes.imshow(np.clip(image / 255.0, 0, 1), cmap="gray", vmin=0, vmax=1)
        bare(axes)
        axes.text(0.03, 0.04, name, transform=axes.transAxes, color=INK, size=11, weight="bold",
                  bbox={"facecolor": PAPER, "alpha": 0.72, "edgecolor": "none", "pad": 3})  # fmt: skip
    return canvas


if __name__ == "__main__":
    figure().savefig("banner.png", dpi=110)
