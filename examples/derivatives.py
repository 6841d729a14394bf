"""Row 10: differentiation in the Fourier domain, beside finite differences and the Gaussian derivative."""

import numpy as np
from _figure import FAINT, SERIES, caption, chart, new_figure, show_signed
from skimage import data

from faltung import convolve, filters, fourier

TITLE = "Three ways to differentiate"
SIGMA = 2.0
NAMES = ("spectral", "central difference", f"Gaussian, σ = {SIGMA:g}")


def slopes(x, axis=-1):
    """Ours by name: the derivative of periodic samples along one axis."""
    central = convolve(x, np.array([0.5, 0, -0.5], x.dtype), "same", axes=axis, boundary="wrap")
    order = [1 if a == axis % x.ndim else 0 for a in range(x.ndim)]
    sigma = [SIGMA if a == axis % x.ndim else 0 for a in range(x.ndim)]
    smooth = filters.gaussian(x, sigma, order=order, boundary="wrap", truncate=6)
    return dict(zip(NAMES, (fourier.derivative(x, axis), central, smooth), strict=True))


def figure(small=False):
    photo = data.camera()[60:390].astype(np.float32)
    photo = photo[::2, ::2] if small else photo
    canvas = new_figure(
        15.2,
        8.3,
        TITLE,
        "In the Fourier domain a derivative is a product with 2πif: exact for every wave, and loudest for the finest "
        "noise. A central difference is a kernel of three taps that misses fast waves;\n"
        "the Gaussian derivative gives them up on purpose, and noise with them.",
    )
    grid = canvas.add_gridspec(
        2, 3, left=0.035, right=0.985, top=0.84, bottom=0.015, wspace=0.09, hspace=0.3,
        height_ratios=[1, 1.32],
    )  # fmt: skip
    draw_response(canvas.add_subplot(grid[0, 0]))
    draw_convergence(canvas.add_subplot(grid[0, 1]))
    draw_noise(canvas.add_subplot(grid[0, 2]))
    periodic = fourier.periodic_part(photo)
    for column, (name, slope) in enumerate(slopes(periodic).items()):
        axes = canvas.add_subplot(grid[1, column])
        show_signed(
            axes,
            slope,
            f"{name[0].upper()}{name[1:]}",
            "along the rows of skimage.data.camera, borders smoothed",
            60,
        )
    return canvas


def draw_response(axes):
    """What each makes of a wave, by what it makes of an impulse."""
    impulse = np.zeros(256)
    impulse[0] = 1
    frequencies = np.fft.rfftfreq(256)
    for (name, slope), colour in zip(slopes(impulse).items(), SERIES, strict=False):
        gain = np.fft.rfft(slope).imag
        axes.plot(frequencies[:-1], gain[:-1], color=colour, linewidth=2, label=name)
    chart(axes)
    axes.set_xlabel("periods per sample", color=FAINT, size=8.5)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8.5)
    caption(axes, "Gain: the slope of a wave of height 1")


def draw_convergence(axes):
    """Error on a smooth periodic function against the number of samples."""
    counts = np.array([8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256])
    errors = {name: [] for name in NAMES[:2]}
    for n in counts:
        t = 2 * np.pi * np.arange(n) / n
        x, true = np.exp(np.sin(t)), np.cos(t) * np.exp(np.sin(t))
        spectral, central, _ = slopes(x).values()
        errors[NAMES[0]].append(np.abs(spectral / t[1] - true).max())
        errors[NAMES[1]].append(np.abs(central / t[1] - true).max())
    for (name, error), colour in zip(errors.items(), SERIES, strict=False):
        axes.loglog(counts, error, "o-", color=colour, linewidth=1.8, markersize=4, label=name)
    chart(axes)
    axes.set_xlabel("samples", color=FAINT, size=8.5)
    caption(axes, "Largest error on exp(sin t): spectral accuracy")


def draw_noise(axes):
    """Slopes of a wave in noise of a fiftieth of its height."""
    n = 160
    t = np.arange(n)
    wave = np.sin(2 * np.pi * 3 * t / n) + 0.02 * np.random.default_rng(0).standard_normal(n)
    for (name, slope), colour in zip(slopes(wave).items(), SERIES, strict=False):
        axes.plot(slope, color=colour, linewidth=0.9 if name == NAMES[0] else 1.6, label=name)
    chart(axes)
    caption(axes, "The slope of a wave with 2 % of noise")


if __name__ == "__main__":
    figure().savefig("derivatives.png", dpi=110)
