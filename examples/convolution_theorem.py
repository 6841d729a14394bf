"""Row 6: in the Fourier domain a convolution is a product, in one, two and three dimensions."""

import numpy as np
import scipy.signal
from _figure import (
    ACCENT,
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
)
from skimage import data

import faltung
from faltung import kernels

TITLE = "The convolution theorem"
COLUMNS = (0, 1, 2, 3, 5)  # the fifth is room for the names of the methods
METHODS = ("direct", "separable", "overlap_save", "fft", "auto")


def sound(samples):
    """Three notes of a plucked string, one after the other, in a little noise."""
    t = np.arange(samples) / samples
    notes = np.zeros(samples)
    for start, pitch in ((0.05, 60), (0.35, 90), (0.65, 40)):
        since = np.clip(t - start, 0, None)
        notes += (t >= start) * np.exp(-9 * since) * np.sin(2 * np.pi * pitch * since)
    return (notes + 0.25 * np.random.default_rng(0).standard_normal(samples)).astype(np.float32)


def film(frames, height, width):
    """A camera moves over a photograph: frame, row, column."""
    scene = luminance(data.coffee())
    steps = np.linspace(0, 1, frames)
    corners = [
        (int((400 - height) * s), int((600 - width) * (0.5 - 0.5 * np.cos(np.pi * s))))
        for s in steps
    ]
    return np.stack([scene[y : y + height, x : x + width] for y, x in corners])


def spectrum(x, shape):
    """Log magnitude, zero frequency in the centre; of a video the plane of all times and all columns."""
    magnitude = np.abs(
        np.fft.fftshift(np.fft.fftn(x - (x.mean() if x.size > 10_000 else 0), shape))
    )
    if magnitude.ndim == 3:
        magnitude = magnitude[:, magnitude.shape[1] // 2]
    return np.log10(magnitude + 1e-3 * magnitude.max())


def answers(x, k):
    """Each method that can serve, its answer, and its time; and what SciPy's fftconvolve takes."""
    calls = {}
    for method in METHODS:
        try:
            faltung.convolve(x, k, "same", method)
        except (ValueError, RuntimeError):  # no outer product; no FFT library
            continue
        calls[method] = lambda method=method: faltung.convolve(x, k, "same", method)
    theirs = {"scipy": lambda: scipy.signal.fftconvolve(x, k, "same")}
    return {name: call() for name, call in calls.items()}, calls | theirs


def compare(axes, x, k, rounds):
    """Bars of time; beside each the distance from the direct answer."""
    results, calls = answers(x, k)
    ms = medians(calls, rounds)
    truth = scipy.signal.fftconvolve(x.astype(np.float64), k.astype(np.float64), "same")
    scale = np.abs(truth).max()
    names = list(calls)
    chart(axes)
    colours = [SERIES[1] if n == "scipy" else ACCENT if n == "auto" else "#8a6a3a" for n in names]
    axes.barh(range(len(names)), [ms[n] for n in names], color=colours, height=0.72)
    axes.set_xscale("log")
    low, high = min(ms.values()), max(ms.values())
    axes.set(yticks=range(len(names)), ylim=(len(names) - 0.5, -0.5), xlim=(low / 3, high * 40))
    axes.set_yticklabels(
        ["scipy fftconvolve" if n == "scipy" else n for n in names], color=INK, size=9
    )
    for place, name in enumerate(names):
        told = milliseconds(ms[name])
        if name in results:
            told += f"   error {np.abs(results[name] - truth).max() / scale:.0e}"
        axes.text(ms[name] * 1.25, place, told, color=FAINT, size=8.5, va="center")
    caption(axes, "Every method, one answer", "time; largest error against float64")
    return results["auto"]


def curve(axes, y, title, note="", colour=ACCENT, x=None):
    chart(axes)
    x = np.arange(len(y)) if x is None else x
    axes.plot(x, y, color=colour, linewidth=0.9)
    axes.set_yticks([])
    axes.margins(x=0)
    caption(axes, title, note)


def row_of_a_sound(canvas, cells, samples, rounds):
    x = sound(samples)
    k = kernels.gabor(90 / samples, sigma=samples / 90, truncate=3).real[0].astype(np.float32)
    full = len(x) + len(k) - 1
    axes = [canvas.add_subplot(cell) for cell in cells]
    y = compare(axes[4], x, k, rounds)
    curve(axes[0], x, f"1-D: a sound of {samples:,} samples", "three notes in noise")
    curve(axes[1], k, f"A kernel of {len(k):,} taps", "it listens for the second note", SERIES[1])
    frequency = np.fft.fftshift(np.fft.fftfreq(full)) * samples
    for values, colour in ((x, SERIES[0]), (k / np.abs(np.fft.fft(k)).max(), SERIES[1])):
        curve(
            axes[2],
            spectrum(values, [full]),
            "Their spectra",
            "log magnitude; multiply them",
            colour,
            frequency,
        )
    axes[2].set_xlim(-200, 200)
    curve(axes[3], y, "The convolution", "the note is alone", SERIES[2])


def pictures(canvas, cells, x, k, shown, titles, rounds):
    """A row of pictures; `shown` picks the plane of a volume."""
    axes = [canvas.add_subplot(cell) for cell in cells]
    y = compare(axes[4], x, k, rounds)
    full = [n + m - 1 for n, m in zip(x.shape, k.shape, strict=True)]
    show(axes[0], shown(x), *titles[0])
    show_signed(axes[1], k if k.ndim == 2 else k[:, k.shape[1] // 2].T, *titles[1])
    product = spectrum(x, full) + spectrum(k, full)
    note = "log magnitude, zero in the centre"
    if x.ndim == 3:
        note = "frequency in a row (across), in time (down)"
    show(axes[2], product, "The product of their spectra", note, *np.percentile(product, (1, 99.9)))
    axes[2].set_aspect("equal" if x.ndim == 2 else "auto")
    show_signed(axes[3], shown(y), *titles[2])


def frame(video):
    return video[len(video) // 2]


def figure(small=False):
    rounds = 1 if small else 5
    canvas = new_figure(
        17,
        10.6,
        TITLE,
        "Convolving means multiplying spectra. So a direct sum, one large transform, and many small ones "
        "(overlap-save) must give one answer, in any number of dimensions; they differ only in time.\n"
        'faltung.convolve(x, k, "same", method=...); "auto" predicts which one is fastest.',
    )
    grid = canvas.add_gridspec(
        3,
        6,
        left=0.025,
        right=0.985,
        top=0.86,
        bottom=0.03,
        wspace=0.1,
        hspace=0.36,
        width_ratios=[1, 1, 1, 1, 0.24, 1.05],
    )
    row_of_a_sound(canvas, [grid[0, i] for i in COLUMNS], 4_000 if small else 100_000, rounds)

    photo = luminance(data.astronaut())
    photo = photo[::4, ::4] if small else photo
    k = kernels.gabor(0.06, np.pi / 4, bandwidth=1.0).real.astype(np.float32)
    titles = [
        (f"2-D: an image, {photo.shape[0]} × {photo.shape[1]}", "data.astronaut()"),
        (f"A kernel of {k.shape[0]} × {k.shape[1]}", "it looks for stripes at 45°"),
        ("The convolution", "positive and negative"),
    ]
    pictures(canvas, [grid[1, i] for i in COLUMNS], photo, k, np.asarray, titles, rounds)

    video = film(8, 40, 60) if small else film(48, 240, 320)
    k = kernels.gaussian((2.0, 1.5, 1.5), order=(1, 0, 0), truncate=3).astype(np.float32)
    titles = [
        (
            "3-D: a video, " + " × ".join(map(str, video.shape)),
            "a camera glides over data.coffee()",
        ),
        (
            "A kernel of " + " × ".join(map(str, k.shape)),
            "change in time (across), smooth in space",
        ),
        ("The convolution, one frame", "what brightens and what darkens"),
    ]
    pictures(canvas, [grid[2, i] for i in COLUMNS], video, k, frame, titles, rounds)
    return canvas


if __name__ == "__main__":
    figure().savefig("convolution_theorem.png", dpi=110)
