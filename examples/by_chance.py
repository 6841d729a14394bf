"""Row 13: for each pixel choose a neighbour by chance, and average many such pictures."""

import numpy as np
from _figure import (
    FAINT,
    INK,
    SERIES,
    caption,
    chart,
    luminance,
    medians,
    milliseconds,
    new_figure,
    show,
    show_signed,
    swatch,
)
from skimage import data

import faltung
from faltung import kernels, stochastic

TITLE = "Convolution by chance"
DRAWS = (1, 4, 64)


def numpy_way(x, p, samples, rng):
    """The same draws with NumPy alone: a choice among nine for each pixel and draw, then a look-up."""
    around = np.pad(x, 1, "reflect")
    y, z = np.indices(x.shape)
    total = np.zeros(x.shape)
    for _ in range(samples):
        dy, dz = np.divmod(rng.choice(9, x.shape, p=p.ravel()), 3)
        total += around[y + 2 - dy, z + 2 - dz]
    return total / samples


def figure(small=False):
    photo = luminance(data.chelsea()[20:280, 60:400])
    photo = photo[::2, ::2] if small else photo
    rng = np.random.default_rng(2026)
    wide = kernels.gaussian(4.0)
    sobel = kernels.sobel(1)
    exact = faltung.convolve(photo, wide, "same", boundary="mirror")
    canvas = new_figure(
        15.2,
        8.3,
        TITLE,
        "A kernel of probabilities: each pixel takes the value of one neighbour, drawn with the kernel's probability. "
        "The mean of many such readings is the convolution; the error falls as one over their root.\n"
        "Weights below zero are drawn by their magnitude and subtracted.   "
        'stochastic.convolve(photo, kernel, samples, rng, boundary="mirror")',
    )
    grid = canvas.add_gridspec(
        2, 4, left=0.012, right=0.988, top=0.835, bottom=0.065, wspace=0.03, hspace=0.16
    )
    for column, samples in enumerate(DRAWS):
        drawn = stochastic.convolve(photo, wide, samples, rng, boundary="mirror")
        axes = canvas.add_subplot(grid[0, column])
        plural = "s" if samples > 1 else " for each pixel"
        show(axes, drawn, f"{samples} draw{plural}", "gaussian(4): 33 × 33 neighbours")
        swatch(axes, wide, size=0.13)
    show(canvas.add_subplot(grid[0, 3]), exact, "The convolution", "faltung.convolve")

    lower = grid[1, :2].subgridspec(1, 2, wspace=0.03)
    edges = faltung.convolve(photo, sobel, "same", boundary="mirror")
    limit = float(np.percentile(np.abs(edges), 99.5))
    for cell, samples in enumerate((16, 1024)):
        drawn = stochastic.convolve(photo, sobel, samples, rng, boundary="mirror")
        axes = canvas.add_subplot(lower[cell])
        show_signed(axes, drawn, f"sobel(1), {samples} draws", "signed weights", limit)
        swatch(axes, sobel, size=0.13)
    curves = grid[1, 2:].subgridspec(1, 2, wspace=0.24, width_ratios=[1.25, 1])
    draw_law(canvas.add_subplot(curves[0]), photo, wide, exact)
    draw_times(canvas.add_subplot(curves[1]), photo, small)
    return canvas


def draw_law(axes, photo, p, exact):
    counts = 4 ** np.arange(7)
    errors = []
    for n in counts:
        drawn = stochastic.convolve(photo, p, int(n), 1, boundary="mirror")
        errors.append(np.sqrt(np.mean((drawn - exact) ** 2)))
    second = faltung.convolve(photo**2, p, "same", boundary="mirror")
    spread = np.sqrt(np.mean(second - exact**2))
    axes.loglog(counts, spread / np.sqrt(counts), color=FAINT, linewidth=1, label="its formula")
    axes.loglog(counts, errors, "o", color=SERIES[0], markersize=5, label="measured")
    chart(axes)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8.5)
    axes.set_xlabel("draws for each pixel", color=FAINT, size=8.5)
    caption(axes, "Error in grey levels, root mean square")


def draw_times(axes, photo, small):
    p = kernels.softmax(kernels.gaussian(1.0, radius=1))
    rng = np.random.default_rng(0)
    samples = 4 if small else 16
    ms = medians(
        {
            "Faltung": lambda: stochastic.convolve(photo, p, samples, rng, boundary="mirror"),
            "NumPy": lambda: numpy_way(photo, p, samples, rng),
        },
        3,
    )
    for bar, (name, each) in enumerate(ms.items()):
        axes.barh(bar, each, color=SERIES[bar], height=0.55)
        axes.text(each * 1.15, bar, f"{name}: {milliseconds(each)}", color=INK, size=9, va="center")
    axes.set(
        xscale="log",
        yticks=[],
        ylim=(1.6, -0.6),
        xlim=(min(ms.values()) / 3, max(ms.values()) * 40),
    )
    chart(axes)
    axes.set_xlabel("milliseconds", color=FAINT, size=8.5)
    ratio = ms["NumPy"] / ms["Faltung"]
    caption(axes, f"3 × 3, {samples} draws: {ratio:.0f} times faster")


if __name__ == "__main__":
    figure().savefig("by_chance.png", dpi=110)
