"""Row 16: data made white by turning them onto their own axes; on a photograph, a convolution."""

import numpy as np
from _figure import (
    FAINT,
    INK,
    SERIES,
    bare,
    caption,
    chart,
    luminance,
    new_figure,
    show,
    show_signed,
    swatch,
)
from skimage import data

import faltung
from faltung import fourier, series

TITLE = "Making data white"
SIDE = 15  # of a patch


def cloud(rng):
    """Two features that vary together."""
    return rng.standard_normal((700, 2)) @ np.array([[2.2, 1.3], [0.0, 0.55]]) + [3, 2]


def scatter(axes, points, title, note):
    across = points @ [1.0, -1.0]
    axes.scatter(*points.T, c=across, cmap="cool", s=5, alpha=0.8, linewidths=0)
    axes.axhline(0, color=FAINT, linewidth=0.5)
    axes.axvline(0, color=FAINT, linewidth=0.5)
    chart(axes)
    axes.set(aspect="equal", xlim=(-4.6, 8.6) if title == "As measured" else (-4, 4),
             ylim=(-4.6, 8.6) if title == "As measured" else (-4, 4))  # fmt: skip
    caption(axes, title, note)


def mosaic(bank, columns):
    """Kernels side by side, each to its own scale."""
    bank = bank / np.abs(bank).max((1, 2), keepdims=True)
    framed = np.pad(bank, ((0, 0), (1, 1), (1, 1)))
    rows = len(bank) // columns
    side = framed.shape[1]
    return (
        framed[: rows * columns]
        .reshape(rows, columns, side, side)
        .swapaxes(1, 2)
        .reshape(rows * side, -1)
    )


def radial(picture):
    """Mean power at each distance from zero frequency, in decibels."""
    y, x = np.indices(picture.shape)
    distance = np.hypot(
        (y - picture.shape[0] // 2) / picture.shape[0],
        (x - picture.shape[1] // 2) / picture.shape[1],
    )
    ring = (distance * 120).astype(int)
    power = np.bincount(ring.ravel(), (10 ** (picture / 10)).ravel()) / np.bincount(ring.ravel())
    return np.arange(60) / 120, 10 * np.log10(power[:60])


def figure(small=False):
    rng = np.random.default_rng(5)
    points = cloud(rng)
    photo = luminance(data.camera()[..., None].repeat(3, 2))
    photo = photo[::2, ::2] if small else photo
    canvas = new_figure(
        15.2,
        9.0,
        TITLE,
        "White data have mean zero, variance one, and no two features that vary together. PCA turns them onto the "
        "eigenvectors of their covariance, the longest first, and may drop the short ones;\nZCA turns them back, and "
        "moves them least. Learned from the patches of a photograph, a row of the ZCA matrix is a kernel that makes "
        "every picture of this kind white.",
    )
    grid = canvas.add_gridspec(
        2, 4, left=0.03, right=0.985, top=0.835, bottom=0.045, wspace=0.1, hspace=0.25
    )
    scatter(canvas.add_subplot(grid[0, 0]), points, "As measured", "two features, 700 observations")
    scatter(
        canvas.add_subplot(grid[0, 1]),
        series.standardize(points),
        "Centred and scaled",
        "series.standardize: still a slanted cloud",
    )
    for column, method in enumerate(("pca", "zca"), start=2):
        white = series.whiten(points, method)
        covariance = np.cov(white(points), rowvar=False, bias=True)[0, 1]
        scatter(canvas.add_subplot(grid[0, column]), white(points), f"Whitened by {method.upper()}",
                f"covariance {abs(covariance):.0e}; colours show who is who")  # fmt: skip

    rows = series.patches(photo, (SIDE, SIDE), step=3)
    learned = series.whiten(rows, "pca")
    axes = canvas.add_subplot(grid[1, 0])
    axes.imshow(
        mosaic(learned.matrix.reshape(-1, SIDE, SIDE)[:36], 6), cmap="gray", vmin=-1, vmax=1
    )
    bare(axes)
    share = learned.variances[:36].sum() / learned.variances.sum()
    caption(
        axes,
        "The first 36 axes of patches",
        f"{SIDE} × {SIDE}; they hold {share:.1%} of the variance",
    )

    zca = series.whiten(rows, "zca", epsilon=20.0)
    k = zca.kernels((SIDE, SIDE))[SIDE * SIDE // 2].astype(
        np.float32
    )  # what the middle pixel becomes
    white = faltung.convolve(photo - photo.mean(), k, "same", boundary="mirror")
    show(canvas.add_subplot(grid[1, 1]), photo, "A photograph", "skimage.data.camera")
    axes = canvas.add_subplot(grid[1, 2])
    show_signed(
        axes, white, "Whitened by one convolution", "the middle row of ZCA, in the corner", 3
    )
    swatch(axes, k, size=0.22)

    axes = canvas.add_subplot(grid[1, 3])
    for picture, colour, name in ((photo, SERIES[1], "photograph"), (white, SERIES[0], "whitened")):
        spectrum = fourier.log_spectrum(picture - picture.mean(), floor=-160)
        f, level = radial(spectrum)
        axes.plot(f[1:], level[1:] - level[6], color=colour, linewidth=1.8, label=name)
    chart(axes)
    axes.set(ylim=(-32, 18))
    axes.set_xlabel("periods per pixel", color=FAINT, size=8.5)
    axes.legend(frameon=False, labelcolor=INK, fontsize=8.5, loc="upper right")
    caption(axes, "Power in decibels: white is flat")
    return canvas


if __name__ == "__main__":
    figure().savefig("white_noise.png", dpi=110)
