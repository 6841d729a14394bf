"""Row 7: the Fourier picture of a photograph, and the direction of text, read from its spectrum."""

import numpy as np
from _figure import ACCENT, INK, bare, caption, new_figure, show
from skimage import data, transform

from faltung import fourier

TITLE = "Which way does the text run?"
ANGLES = (0, 37, -62)


def show_spectrum(axes, picture, title, note, darkest):
    """Decibels, zero frequency in the centre."""
    axes.imshow(picture, cmap="magma", vmin=darkest, vmax=0, interpolation="antialiased")
    bare(axes)
    caption(axes, title, note)


def draw_direction(axes, shape, angle, colour, start, stop):
    """A line through the middle, `angle` degrees counter-clockwise from a row, left out within `start` of it."""
    y, x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    along, up = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    for ends in (np.array([start, stop]), np.array([-start, -stop])):
        axes.plot(x + ends * along, y - ends * up, color=colour, linewidth=1.8)
    axes.set(xlim=(-0.5, shape[1] - 0.5), ylim=(shape[0] - 0.5, -0.5))


def square(image, side):
    """The middle of a picture, filled up with its median where the picture is smaller."""
    paper = np.full((side, side), float(np.median(image)))
    height, width = (min(side, n) for n in image.shape)
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    y, x = (side - height) // 2, (side - width) // 2
    paper[y : y + height, x : x + width] = image[top : top + height, left : left + width]
    return paper


def figure(small=False):
    page = data.page().astype(float)
    photo = data.camera().astype(float)[:: 2 if small else 1, :: 2 if small else 1]
    canvas = new_figure(
        15.2,
        8.6,
        TITLE,
        "Above: pictures; below: their spectra in decibels, zero frequency in the centre, by fourier.log_spectrum. "
        "Lines of text make a row of dots across their direction.\n"
        "fourier.orientation adds up the energy on every ray: the greatest sum lies across the lines, and its contrast "
        "to all other rays is the confidence.",
    )
    grid = canvas.add_gridspec(
        2, 4, left=0.012, right=0.988, top=0.835, bottom=0.015, wspace=0.03, hspace=0.16
    )

    axes = canvas.add_subplot(grid[0, 0])
    show(axes, photo, "A photograph", "skimage.data.camera")
    show_spectrum(
        canvas.add_subplot(grid[1, 0]),
        fourier.log_spectrum(photo, border="periodic"),
        "Its spectrum",
        "the oblique rays are the legs of the tripod",
        -100,
    )
    for column, angle in enumerate(ANGLES, start=1):
        turned = transform.rotate(
            page, angle, resize=True, cval=float(np.median(page)), preserve_range=True
        )
        image = square(turned, 400)
        found = fourier.orientation(image)
        axes = canvas.add_subplot(grid[0, column])
        show(axes, image, f"Text, turned by {angle}°".replace("-", "−"), "skimage.data.page")
        draw_direction(axes, image.shape, found.angle, ACCENT, 0, 165)
        told = f"found: {found.angle:.1f}°, confidence {found.confidence:.2f}".replace("-", "−")
        axes.text(0.03, 0.035, told, transform=axes.transAxes, color=INK, size=11, weight="bold",
                  bbox={"facecolor": "#101418", "alpha": 0.8, "edgecolor": "none", "pad": 4})  # fmt: skip
        middle = slice(100, 300)  # frequencies up to a quarter
        picture = fourier.log_spectrum(image - image.mean())[middle, middle]
        axes = canvas.add_subplot(grid[1, column])
        show_spectrum(
            axes, picture, "Its spectrum, the middle half", "the mark points across the text", -45
        )
        draw_direction(axes, picture.shape, found.angle + 90, "#59c2ff", 62, 96)
    return canvas


if __name__ == "__main__":
    figure().savefig("fourier_picture.png", dpi=110)
