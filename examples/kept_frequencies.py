"""Row 8: a disk in the frequency domain keeps the low frequencies; how little of them makes a picture."""

import numpy as np
from _figure import FAINT, INK, SERIES, caption, chart, luminance, new_figure, show
from matplotlib.patches import Circle
from skimage import data

from faltung import fourier

TITLE = "How few frequencies make a picture"
RADII = (0.02, 0.05, 0.12)


def figure(small=False):
    photo = luminance(data.astronaut()[:480, 20:500])
    if small:
        photo = photo[::3, ::3]
    side = len(photo)
    spectrum = fourier.log_spectrum(photo, border="periodic")
    canvas = new_figure(
        15.2,
        8.3,
        TITLE,
        "Left to right: all frequencies, then those within a disk around zero. Compression is the whole area over the "
        "disk's. Nearly all energy is at low frequencies, and everything fine is in the rest.\n"
        "fourier.filter_by_mask(photo, fourier.disk_mask(photo.shape, radius, softness=…))",
    )
    grid = canvas.add_gridspec(
        2, 5, left=0.012, right=0.985, top=0.835, bottom=0.075, wspace=0.05, hspace=0.2
    )
    show(
        canvas.add_subplot(grid[0, 0]),
        photo,
        "All frequencies",
        f"{side} × {side}, skimage.data.astronaut",
    )
    for column, radius in enumerate(RADII, start=1):
        mask = fourier.disk_mask(photo.shape, radius, softness=0.25 * radius)
        low = fourier.filter_by_mask(photo, mask)
        show(
            canvas.add_subplot(grid[0, column]),
            low.samples,
            f"Up to {radius:g} periods per pixel",
            f"{low.kept_area:.2%} of area (1 : {1 / low.kept_area:.0f}), {low.kept_energy:.1%} of energy",
        )
    ring = fourier.ring_mask(photo.shape, 0.05, 0.2, softness=0.02)
    band = fourier.filter_by_mask(photo, ring)
    limit = np.percentile(np.abs(band.samples), 99.5)
    show(
        canvas.add_subplot(grid[0, 4]),
        band.samples,
        "A ring, 0.05 to 0.2",
        f"{band.kept_area:.1%} of the area, {band.kept_energy:.2%} of the energy",
        -limit,
        limit,
    )

    axes = canvas.add_subplot(grid[1, 0])
    axes.imshow(spectrum, cmap="magma", vmin=-110, vmax=-10, interpolation="antialiased")
    axes.set_axis_off()
    caption(axes, "The spectrum, and the disks")
    for radius, colour in zip(RADII, SERIES, strict=False):
        axes.add_patch(
            Circle((side // 2, side // 2), radius * side, fill=False, color=colour, linewidth=1.6)
        )

    curves = grid[1, 1:].subgridspec(1, 2, width_ratios=[1, 1.15], wspace=0.16)
    draw_edges(canvas.add_subplot(curves[0]), photo)
    draw_shares(canvas.add_subplot(curves[1]), photo)
    return canvas


def draw_edges(axes, photo):
    """A sharp disk rings beside every edge; a soft one less."""
    row = len(photo) * 130 // 480
    part = slice(len(photo) * 250 // 480, len(photo) * 470 // 480)
    for softness, colour, name in ((0.0, SERIES[3], "sharp edge"), (0.1, SERIES[1], "soft edge")):
        mask = fourier.disk_mask(photo.shape, 0.05, softness=softness)
        kept = fourier.filter_by_mask(photo, mask).samples[row, part]
        axes.plot(kept, color=colour, linewidth=1.6, label=name)
    axes.plot(photo[row, part], color=FAINT, linewidth=0.7, label="photograph", zorder=0)
    chart(axes)
    axes.set_xlabel("pixel", color=FAINT, size=8.5)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8)
    caption(axes, "Grey levels of one row: a sharp disk rings beside edges")


def draw_shares(axes, photo):
    radii = np.geomspace(0.004, 0.68, 40)
    kept = [fourier.filter_by_mask(photo, fourier.disk_mask(photo.shape, r)) for r in radii]
    areas, lost = [k.kept_area for k in kept], [1 - k.kept_energy for k in kept]
    axes.loglog(areas, lost, color=INK, linewidth=2)
    for r, colour in zip(RADII, SERIES, strict=False):
        axes.axvline(fourier.disk_mask(photo.shape, r).mean(), color=colour, linewidth=1.4)
    axes.set_xlabel(
        "share of the frequencies kept; the lines are the disks on the left", color=FAINT, size=8.5
    )
    chart(axes)
    caption(axes, "Share of the energy lost")


if __name__ == "__main__":
    figure().savefig("kept_frequencies.png", dpi=110)
