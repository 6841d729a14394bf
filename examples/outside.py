"""Row 9: what lies outside the photograph, and three ways to hold it together with a transform."""

import numpy as np
from _figure import (
    ACCENT,
    FAINT,
    INK,
    SERIES,
    bare,
    caption,
    luminance,
    medians,
    milliseconds,
    new_figure,
    show,
)
from matplotlib.patches import Rectangle
from skimage import data

import faltung
from faltung import kernels

TITLE = "What lies outside"
BOUNDARIES = {
    "zero": "nothing: zeros",
    "constant": "one value, cval",
    "edge": "the nearest pixel, for ever",
    "symmetric": "mirrored; the edge twice",
    "mirror": "mirrored; the edge once",
    "wrap": "the other side: a torus",
}


def framed(axes, shape, margin):
    axes.add_patch(
        Rectangle(
            (margin - 0.5, margin - 0.5),
            shape[1],
            shape[0],
            fill=False,
            color=ACCENT,
            linewidth=1.4,
        )
    )


def figure(small=False):
    photo = luminance(data.coffee())[20:340, 100:420]
    photo = photo[::2, ::2] if small else photo
    margin = len(photo) // 3
    still = kernels.identity(size=2 * margin + 1).astype(np.float32)  # it only looks around
    canvas = new_figure(
        15.2,
        8.6,
        TITLE,
        "Above: the photograph as the library continues it, drawn by itself: convolved with an identity of "
        f"{2 * margin + 1} × {2 * margin + 1} in mode full. Any boundary goes with any method.\n"
        "Below: a transform of the array takes it for a torus. Zeros around it keep opposite sides apart; for wrap "
        "only the kernel is padded, and wrapped; overlap-save pads nothing, and cuts the array into tiles.",
    )
    grid = canvas.add_gridspec(
        2, 12, left=0.012, right=0.988, top=0.83, bottom=0.015, wspace=0.3, hspace=0.2, height_ratios=[1, 1.35]
    )  # fmt: skip
    for cell, (boundary, note) in enumerate(BOUNDARIES.items()):
        cval = 90 if boundary == "constant" else 0
        outside = faltung.convolve(photo, still, "full", boundary=boundary, cval=cval)
        axes = canvas.add_subplot(grid[0, 2 * cell : 2 * cell + 2])
        show(axes, outside, f'boundary="{boundary}"', note)
        framed(axes, photo.shape, margin)

    k = kernels.normalize(kernels.disk(12 if not small else 6)).astype(np.float32)
    times = take_times(photo, k)
    draw_padded(canvas.add_subplot(grid[1, 0:3]), photo, k, times)
    draw_wrapped(canvas.add_subplot(grid[1, 3:6]), photo, k, times)
    draw_tiles(canvas.add_subplot(grid[1, 6:9]), photo, k, times)
    answers = [
        faltung.convolve(photo, k, "same", method, boundary="wrap")
        for method in ("fft", "overlap_save", "direct")
    ]
    apart = max(float(np.abs(a - answers[-1]).max()) for a in answers)
    show(
        canvas.add_subplot(grid[1, 9:12]),
        answers[0],
        "One answer",
        f"of all methods to within {apart:.0e} grey levels",
    )
    return canvas


def take_times(photo, k):
    calls = {
        "zero": lambda: faltung.convolve(photo, k, "same", "fft"),
        "wrap": lambda: faltung.convolve(photo, k, "same", "fft", boundary="wrap"),
        "tiles": lambda: faltung.convolve(photo, k, "same", "overlap_save"),
    }
    return {name: milliseconds(ms) for name, ms in medians(calls, 5).items()}


def draw_padded(axes, photo, k, times):
    """Zeros to the right and below, as many as the kernel reaches."""
    reach = len(k) - 1
    show(
        axes,
        np.pad(photo, ((0, reach), (0, reach))),
        "fft: padded with zeros",
        f"{times['zero']}; one transform of all",
    )
    axes.add_patch(
        Rectangle(
            (-0.5, -0.5), photo.shape[1], photo.shape[0], fill=False, color=ACCENT, linewidth=1.4
        )
    )


def draw_wrapped(axes, photo, k, times):
    """The kernel alone is padded, to the array's size, its middle on the first pixel."""
    padded = np.zeros(photo.shape)
    padded[: len(k), : len(k)] = k
    padded = np.roll(padded, (-(len(k) // 2),) * 2, (0, 1))
    axes.imshow(padded, cmap="inferno", interpolation="nearest")
    bare(axes)
    caption(
        axes,
        "fft, wrap: only the kernel is padded",
        f"{times['wrap']}; it reaches round to the corners",
    )


def draw_tiles(axes, photo, k, times):
    """Tiles read a little more than they write, and share it with their neighbours."""
    show(axes, 0.45 * photo, "overlap_save: tiles", f"{times['tiles']}; each reads its rim as well")
    side = len(photo) // 4
    reach = len(k) // 2
    for row in range(4):
        for column in range(4):
            axes.add_patch(
                Rectangle(
                    (column * side, row * side), side, side, fill=False, color=FAINT, linewidth=0.7
                )
            )
    for (row, column), colour in (((1, 1), SERIES[1]), ((1, 2), SERIES[2])):
        x, y = column * side, row * side
        axes.add_patch(Rectangle((x, y), side, side, color=colour, alpha=0.35, linewidth=0))
        axes.add_patch(
            Rectangle(
                (x - reach, y - reach),
                side + 2 * reach,
                side + 2 * reach,
                fill=False,
                color=colour,
                linewidth=1.6,
            )
        )
    axes.text(
        0.5,
        0.06,
        "filled: written; framed: read",
        transform=axes.transAxes,
        color=INK,
        size=9,
        ha="center",
    )


if __name__ == "__main__":
    figure().savefig("outside.png", dpi=110)
