"""Row 3: a bank of 32 kernels over one image gives 32 feature maps, each a little smaller."""

from functools import partial

import numpy as np
from _figure import (
    PAPER,
    SIGNED,
    bare,
    caption,
    luminance,
    medians,
    milliseconds,
    new_figure,
    robust_limit,
    show,
)
from skimage import data
from skimage.transform import resize

from faltung import nn

TITLE = "A bank of 32 kernels, 32 feature maps"


def bank():
    """32 Gabor kernels of 16 × 16: eight directions by four wavelengths, each with sum 0 and norm 1."""
    y, x = np.mgrid[:16, :16] - 7.5
    kernels = []
    for wavelength in (5.0, 7.0, 10.0, 14.0):
        for theta in np.arange(8) * np.pi / 8:
            u = x * np.cos(theta) + y * np.sin(theta)
            wave = np.sin(2 * np.pi * u / wavelength) * np.exp(-(x**2 + y**2) / (2 * 3.6**2))
            wave -= wave.mean()
            kernels.append(wave / np.linalg.norm(wave))
    return np.array(kernels, np.float32)[:, None]


def figure(small=False):
    photo = resize(luminance(data.astronaut()[:400, 40:440]) / 255, (256, 256), anti_aliasing=True)
    x = photo.astype(np.float32)[None, None]
    w = bank()
    call = partial(nn.conv, x, w)
    maps = call()[0]
    took = milliseconds(medians({"ours": call}, 1 if small else 9)["ours"])

    canvas = new_figure(
        15.4,
        7.05,
        TITLE,
        "An image of 256 × 256 and a 32 × 16 × 16 bank: nn.conv(x, w) gives 32 maps of "
        f"{maps.shape[1]} × {maps.shape[2]}, since 256 − 16 + 1 = 241, in {took}.\n"
        "Every kernel answers to edges of one direction and width; blue is below zero, orange above.",
    )
    outer = canvas.add_gridspec(
        1, 2, left=0.014, right=0.988, top=0.822, bottom=0.012, wspace=0.02, width_ratios=[1, 3.12]
    )
    left = outer[0].subgridspec(2, 1, hspace=0.11, height_ratios=[1.98, 1])
    show(canvas.add_subplot(left[0]), photo, "The image, 256 × 256", low=0, high=1)
    draw_bank(canvas, left[1], w[:, 0])
    grid = outer[1].subgridspec(4, 8, wspace=0.03, hspace=0.03)
    for i, picture in enumerate(maps):
        axes = canvas.add_subplot(grid[i // 8, i % 8])
        limit = robust_limit(picture, 99)
        axes.imshow(picture, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="antialiased")
        bare(axes)
        if i == 0:
            caption(axes, "The 32 maps, in the order of their kernels")
    return canvas


def draw_bank(canvas, cell, kernels):
    sheet = np.full((4 * 17 - 1, 8 * 17 - 1), np.nan)
    for i, k in enumerate(kernels):
        y, x = i // 8 * 17, i % 8 * 17
        sheet[y : y + 16, x : x + 16] = k / np.abs(k).max()
    axes = canvas.add_subplot(cell)
    axes.imshow(np.ma.masked_invalid(sheet), cmap=SIGNED, vmin=-1, vmax=1, interpolation="nearest")
    bare(axes)
    axes.set_facecolor(PAPER)
    caption(axes, "The bank, 32 × 16 × 16")


if __name__ == "__main__":
    figure().savefig("feature_bank.png", dpi=110)
