"""Row 14: a face is found in a photograph, after the light has changed and noise has come in."""

import numpy as np
from _figure import (
    ACCENT,
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

TITLE = "Where is the face?"
FACE = (slice(62, 192), slice(168, 278))


def in_other_light(photo, noise, rng):
    """Darker and flatter, brighter to the right, with noise of that many grey levels."""
    light = np.linspace(0.25, 0.6, photo.shape[1])
    return (30 + light * photo + noise * rng.standard_normal(photo.shape)).astype(np.float32)


def frame(axes, place, shape, colour, text=""):
    axes.add_patch(
        Rectangle((place[1], place[0]), shape[1], shape[0], fill=False, color=colour, linewidth=2)
    )
    if text:
        axes.text(place[1], place[0] - 6, text, color=colour, size=10, weight="bold")


def heat(axes, values, title, note, low, high):
    axes.imshow(values, cmap="inferno", vmin=low, vmax=high, interpolation="antialiased")
    bare(axes)
    caption(axes, title, note)


def mark(axes, place):
    axes.plot(
        place[1],
        place[0],
        "o",
        markersize=15,
        markerfacecolor="none",
        markeredgecolor=SERIES[1],
        markeredgewidth=2,
    )


def best(scores):
    return np.unravel_index(np.nanargmax(scores), scores.shape)


def figure(small=False):
    photo = luminance(data.astronaut())
    face = FACE
    if small:
        photo, face = photo[::2, ::2], tuple(slice(s.start // 2, s.stop // 2) for s in FACE)
    template = photo[face].copy()
    true = (face[0].start, face[1].start)
    rng = np.random.default_rng(7)
    changed = in_other_light(photo, 25, rng)

    plain = faltung.correlate(changed, template, "valid")
    scores = faltung.match_template(changed, template)
    ms = medians({"ours": lambda: faltung.match_template(changed, template)}, 5)["ours"]
    peaks = faltung.match_template(changed, template, peaks=3)

    canvas = new_figure(
        15.2,
        9.4,
        TITLE,
        "Correlation is convolution with the kernel turned upside down. Plain, it answers to brightness: the greatest "
        "sum is wherever the picture is bright.\n"
        "Normalised by mean and contrast of every window it answers to the pattern "
        f"alone.   faltung.match_template(photo, face, peaks=3): {milliseconds(ms)} for "
        f"{photo.shape[0]} × {photo.shape[1]}, face {template.shape[0]} × {template.shape[1]}.",
    )
    grid = canvas.add_gridspec(
        2, 4, left=0.012, right=0.988, top=0.85, bottom=0.012, wspace=0.03, hspace=0.15
    )
    axes = canvas.add_subplot(grid[0, 0])
    show(axes, photo, "The photograph", "skimage.data.astronaut; framed: the template")
    frame(axes, true, template.shape, ACCENT)
    axes = canvas.add_subplot(grid[0, 1])
    show(axes, changed, "In other light, with noise", "darker to the left; noise of 25 grey levels")
    place, score = peaks.positions[0], peaks.scores[0]
    frame(axes, place, template.shape, ACCENT, f"found, score {score:.2f}")
    axes = canvas.add_subplot(grid[0, 2])
    heat(
        axes,
        plain,
        "Plain correlation",
        "the circle marks its maximum: not the face",
        plain.min(),
        plain.max(),
    )
    mark(axes, best(plain))
    axes = canvas.add_subplot(grid[0, 3])
    heat(axes, scores, "Normalised correlation", "one point stands out", -0.2, 0.75)
    mark(axes, best(scores))

    for column, noise in enumerate((50, 100, 200, 400)):
        image = in_other_light(photo, noise, rng)
        (place,), (score,) = faltung.match_template(image, template, peaks=1)
        right = np.abs(place - true).max() <= 2
        axes = canvas.add_subplot(grid[1, column])
        low, high = np.percentile(image, (1, 99))
        verdict = "found" if right else "not found"
        show(
            axes,
            image,
            f"Noise of {noise} grey levels",
            f"best score {score:.2f}: {verdict}",
            low,
            high,
        )
        frame(axes, place, template.shape, ACCENT if right else INK, verdict)
    return canvas


if __name__ == "__main__":
    figure().savefig("find_face.png", dpi=110)
