"""Row 17: which kernel spreads information most evenly? All propagators become it in the end."""

import numpy as np
from _figure import FAINT, INK, SERIES, bare, caption, chart, luminance, new_figure, show
from skimage import data

import faltung
from faltung import kernels

TITLE = "A quiz: which of these is the Gaussian blur?"
STEPS = (1, 2, 4, 16)


def propagators(rng):
    """Name and density of seven samples by seven: what softmax makes of any kernel among them."""
    ring = kernels.disk(3) - np.pad(kernels.disk(2), 1)
    noise = rng.standard_normal((7, 7))
    return [
        ("a cross", kernels.normalize((np.indices((7, 7)) == 3).any(0).astype(float))),
        ("softmax of Sobel", kernels.softmax(np.pad(kernels.sobel(1), 2, constant_values=-np.inf))),
        ("a ring", kernels.normalize(ring)),
        ("softmax of noise", kernels.softmax(1.5 * noise)),
        ("gaussian(1.5)", kernels.gaussian(1.5, radius=3)),
    ]


def repeated(p, times):
    """The density after so many steps: p convolved with itself."""
    whole = np.ones((1, 1))
    for _ in range(times):
        whole = faltung.convolve(whole, p)
    return whole


def middle(p, side=45):
    """The middle of a large kernel."""
    cut = max((len(p) - side) // 2, 0)
    return p[cut : len(p) - cut, cut : len(p) - cut]


def distance_from_gaussian(p):
    """Half the sum of differences from the normal density of the same mean and covariance."""
    y, x = np.indices(p.shape)
    spots = np.stack([y, x], -1).astype(float)
    mean = (spots * p[..., None]).sum((0, 1))
    off = spots - mean
    covariance = np.einsum("yx,yxi,yxj->ij", p, off, off)
    density = np.exp(-0.5 * np.einsum("yxi,ij,yxj->yx", off, np.linalg.inv(covariance), off))
    return 0.5 * np.abs(p - density / density.sum()).sum()


def figure(small=False):
    photo = luminance(data.coffee())[40:360, 130:450]
    photo = photo[::2, ::2] if small else photo
    cases = propagators(np.random.default_rng(8))
    canvas = new_figure(
        15.2,
        11.6,
        TITLE,
        "Five propagators, after 1, 2, 4 and 16 steps; then the photograph, after one step and after 16. The one of "
        "them that spreads information most evenly is the Gaussian:\n"
        "from one step to the next it only grows wider, alike in all directions. And many steps of any other spread "
        "like one: the central limit theorem.",
    )
    grid = canvas.add_gridspec(
        len(cases), 8, left=0.012, right=0.985, top=0.865, bottom=0.045, wspace=0.06, hspace=0.2,
        width_ratios=[1, 1, 1, 1, 1, 1, 0.06, 1.5],
    )  # fmt: skip
    for row, (name, p) in enumerate(cases):
        for column, steps in enumerate(STEPS):
            axes = canvas.add_subplot(grid[row, column])
            axes.imshow(middle(repeated(p, steps)), cmap="inferno", interpolation="nearest", vmin=0)
            bare(axes)
            caption(axes, name if column == 0 else f"{steps} steps")
        for column, steps, title in ((4, 1, "photograph, 1 step"), (5, 16, "16 steps")):
            k = repeated(p, steps).astype(np.float32)
            blurred = faltung.convolve(photo, k, "same", boundary="mirror")
            show(canvas.add_subplot(grid[row, column]), blurred, title)
    draw_evenness(canvas.add_subplot(grid[:2, 7]), cases)
    draw_limit(canvas.add_subplot(grid[3:, 7]), cases)
    return canvas


def draw_evenness(axes, cases):
    """Entropy of the kernel: how many places it spreads one sample over, in effect."""
    for row, (name, p) in enumerate(cases):
        weights = p[p > 0]
        places = 2 ** -(weights * np.log2(weights)).sum()
        axes.barh(row, places, color=SERIES[row], height=0.6)
        axes.text(places + 0.5, row, f"{name}: {places:.1f}", color=INK, size=8.5, va="center")
    axes.set(ylim=(4.6, -0.6), xlim=(0, 62), yticks=[])
    chart(axes)
    axes.set_xlabel("of 49 places", color=FAINT, size=8.5)
    caption(axes, "Places one sample reaches", "2 to the entropy of the kernel")


def draw_limit(axes, cases):
    counts = 2 ** np.arange(6)
    for (name, p), colour in zip(cases, SERIES, strict=False):
        distances = [distance_from_gaussian(repeated(p, int(n))) for n in counts]
        axes.loglog(counts, distances, "o-", color=colour, linewidth=1.6, markersize=4, label=name)
    chart(axes)
    axes.set_xlabel("steps", color=FAINT, size=8.5)
    caption(axes, "Distance from a Gaussian", "half the sum of differences")


if __name__ == "__main__":
    figure().savefig("even_spread.png", dpi=110)
