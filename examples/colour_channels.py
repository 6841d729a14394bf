"""Row 1: one kernel slides over a colour photograph, and each channel gives a feature map."""

import numpy as np
import scipy.ndimage as ndi
from _figure import ACCENT, FAINT, INK, PAPER, bare, beside, caption, new_figure, show, show_signed
from matplotlib.patches import Rectangle
from skimage import data

import faltung

TITLE = "A kernel, a photograph, three feature maps"
SPOT = (103, 245)  # row and column of the pixel whose sum is written out


def figure(small=False):
    photo = data.astronaut()
    weights = faltung.kernels.edge()
    k = faltung.kernels.normalize(weights, by="size").astype(np.float32)

    def ours():
        return faltung.convolve(photo, k, "same", axes=(0, 1), boundary="mirror")

    def theirs():
        return ndi.convolve(photo, k[:, :, None], output=np.float32, mode="mirror")

    maps = ours()
    took = beside(ours, theirs, "scipy.ndimage", rounds=1 if small else 9)

    canvas = new_figure(
        13,
        9.95,
        TITLE,
        "Lay the kernel on a patch, multiply, sum, divide by the kernel's size m = 9; then move on by one pixel. "
        "Red, green and blue are filtered alike, in one call:\n"
        'faltung.convolve(photo, k, "same", axes=(0, 1), boundary="mirror")     '
        f"512 × 512 × 3, uint8 to float32:  {took}",
    )
    grid = canvas.add_gridspec(
        2, 3, left=0.02, right=0.98, top=0.865, bottom=0.015, wspace=0.03, hspace=0.12
    )

    row, column = SPOT
    axes = canvas.add_subplot(grid[0, 0])
    show(axes, photo, "The photograph: 0..255 in three channels")
    axes.add_patch(
        Rectangle((column - 8, row - 8), 16, 16, fill=False, color=ACCENT, linewidth=1.8)
    )

    patch = photo[row - 1 : row + 2, column - 1 : column + 2, 0]
    work = grid[0, 1:].subgridspec(2, 2, height_ratios=[3.1, 1], hspace=0.05, wspace=0.02)
    red = [[(v / 255, 0.08, 0.08) for v in line] for line in patch]
    table(canvas.add_subplot(work[0, 0]), patch, "Red, in the marked square", "{:.0f}", red)
    warm_and_cold = [["#5a2a10" if w > 0 else "#123052" for w in line] for line in weights]
    table(
        canvas.add_subplot(work[0, 1]),
        weights,
        "The kernel, before it is divided",
        "{:+.0f}",
        warm_and_cold,
    )
    write_sum(canvas.add_subplot(work[1, :]), patch, weights, maps[row, column, 0])

    for channel, name in enumerate(("red", "green", "blue")):
        axes = canvas.add_subplot(grid[1, channel])
        show_signed(axes, maps[..., channel], f"Feature map of {name}", limit=16)
    return canvas


def table(axes, values, title, form, colours):
    """A 3 × 3 array as numbers in coloured squares."""
    for (y, x), value in np.ndenumerate(values):
        axes.add_patch(Rectangle((x - 0.47, y - 0.47), 0.94, 0.94, color=colours[y][x]))
        text = form.format(value).replace("-", "−")
        axes.text(x, y, text, color=INK, size=17, ha="center", va="center")
    axes.set(xlim=(-0.5, 2.5), ylim=(2.5, -0.5), aspect="equal", facecolor=PAPER)
    bare(axes)
    caption(axes, title)


def write_sum(axes, patch, weights, result):
    around = " − ".join(
        str(p) for p, w in zip(patch.ravel(), weights.ravel(), strict=True) if w < 0
    )
    total = int((weights * patch).sum())
    told = f"= {total} ÷ 9 = {result:.1f}".replace("-", "−")
    axes.text(
        0.5, 0.80, f"8·{patch[1, 1]} − {around}", color=INK, size=14, ha="center", va="center"
    )
    axes.text(0.5, 0.42, told, color=ACCENT, size=24, weight="bold", ha="center", va="center")
    axes.text(
        0.5,
        0.10,
        "one pixel of the first map below",
        color=FAINT,
        size=10,
        ha="center",
        va="center",
    )
    axes.set(xlim=(0, 1), ylim=(0, 1), facecolor=PAPER)
    bare(axes)


if __name__ == "__main__":
    figure().savefig("colour_channels.png", dpi=110)
