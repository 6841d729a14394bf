"""Row 15: moving averages, autoregression and ARIMA as convolutions; a model fitted, and a forecast."""

import numpy as np
from _figure import ACCENT, FAINT, INK, SERIES, caption, chart, new_figure

from faltung import series

TITLE = "Averages, echoes, forecasts"
PHI, BIAS = (1.5, -0.7), 0.8
MONTHS, AHEAD = 180, 36


def monthly(rng):
    """Fifteen years: a trend, a season, and what an autoregression makes of chance."""
    t = np.arange(MONTHS + AHEAD)
    season = 4 * np.sin(2 * np.pi * t / 12) + 2 * np.cos(4 * np.pi * t / 12)
    return 20 + 0.09 * t + season + series.autoregressive(0.8 * rng.standard_normal(len(t)), [0.7])


def forecast(known, order, paths, rng):
    """Differences over a year take trend and season out; a model of what is left is driven on by chance."""
    changes = series.difference(known, lag=12)
    model = series.yule_walker(changes, order)
    noise = np.sqrt(model.variance) * rng.standard_normal((paths, AHEAD))
    noise[0] = 0  # the expectation
    more = series.autoregressive(
        noise, model.coefficients, constant=model.constant, past=changes[-order:]
    )
    start = np.broadcast_to(known[-12:], (paths, 12))
    return series.integrate(more, start, lag=12)[:, 12:], model


def figure(small=False):
    rng = np.random.default_rng(3)
    canvas = new_figure(
        15.2,
        8.9,
        TITLE,
        "A moving average convolves a series with a few weights; an autoregression with an endless kernel, by feeding "
        "its own past back. What drives it is white noise,\nand a bias that sets its mean. Differences take out trend "
        "and season, and a fitted model goes on from there: ARIMA.",
    )
    grid = canvas.add_gridspec(
        2, 3, left=0.035, right=0.985, top=0.84, bottom=0.06, wspace=0.13, hspace=0.3
    )
    draw_averages(canvas.add_subplot(grid[0, 0]), rng)
    draw_layer(canvas.add_subplot(grid[0, 1]), rng)
    draw_spectrum(canvas.add_subplot(grid[0, 2]), rng, 2**12 if small else 2**16)
    wide = grid[1, :].subgridspec(1, 2, width_ratios=[2.6, 1], wspace=0.1)
    draw_forecast(canvas.add_subplot(wide[0]), canvas.add_subplot(wide[1]), rng)
    return canvas


def draw_averages(axes, rng):
    t = np.arange(150)
    truth = np.where((t > 40) & (t < 95), 1.0, 0.0) + 0.5 * np.exp(-(((t - 120) / 6) ** 2))
    x = truth + 0.18 * rng.standard_normal(len(t))
    axes.plot(t, x, color=FAINT, linewidth=0.7)
    axes.plot(
        t,
        series.moving_average(x, 15),
        color=SERIES[0],
        linewidth=1.8,
        label="causal: it lags behind",
    )
    axes.plot(
        t,
        series.moving_average(x, 15, centred=True),
        color=SERIES[1],
        linewidth=1.8,
        label="centred",
    )
    chart(axes)
    axes.set_ylim(-0.5, 2.1)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8.5, loc="upper left")
    caption(axes, "Moving averages of 15 values")


def draw_layer(axes, rng):
    noise = 0.5 * rng.standard_normal(160)
    y = series.autoregressive(noise, PHI, constant=BIAS)
    mean = BIAS / (1 - sum(PHI))
    axes.plot(noise - 3, color=FAINT, linewidth=0.8)
    axes.plot(y, color=SERIES[2], linewidth=1.6)
    axes.axhline(mean, color=INK, linewidth=0.8, linestyle=(0, (4, 4)))
    axes.text(1, 8.6, f"dashed: the mean, C / (1 − Σφ) = {mean:.1f}", color=INK, size=8.5)
    axes.text(1, -1.9, "white noise (moved down by 3)", color=FAINT, size=8.5)
    chart(axes)
    impulse = np.zeros(30)
    impulse[0] = 1
    inset = axes.inset_axes([0.66, 0.7, 0.33, 0.24])
    inset.vlines(np.arange(30), 0, series.autoregressive(impulse, PHI), color=ACCENT, linewidth=1.3)
    chart(inset)
    inset.set(xticks=[], yticks=[], facecolor="#101418")
    inset.set_title("impulse response", color=FAINT, size=7.5, loc="left", pad=2)
    axes.set_ylim(-5, 13.5)
    caption(axes, f"An echo of noise with a bias: φ = {PHI[0]}, −{-PHI[1]}, C = {BIAS}")


def draw_spectrum(axes, rng, n):
    y = series.autoregressive(rng.standard_normal(n), PHI, constant=BIAS)
    model = series.yule_walker(y, 2)
    f = np.linspace(0, 0.5, 300)
    pieces = (y - y.mean()).reshape(-1, 256) * np.hanning(256)
    power = np.mean(np.abs(np.fft.rfft(pieces)) ** 2, 0) / np.sum(np.hanning(256) ** 2)
    axes.semilogy(np.fft.rfftfreq(256), power, ".", color=FAINT, markersize=4, label="measured")
    turns = np.exp(-2j * np.pi * np.outer(f, np.arange(1, 3)))
    fitted = model.variance / np.abs(1 - turns @ model.coefficients) ** 2
    found = ", ".join(f"{c:.3f}" for c in model.coefficients).replace("-", "−")
    axes.semilogy(f, fitted, color=SERIES[0], linewidth=1.8, label=f"yule_walker: φ = {found}")
    chart(axes)
    axes.set_xlabel("periods per step", color=FAINT, size=8.5)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8.5)
    caption(axes, f"Its spectrum, and the model fitted to {n} values")


def draw_forecast(axes, beside, rng):
    truth = monthly(rng)
    known, t = truth[:MONTHS], np.arange(MONTHS + AHEAD) / 12
    paths, model = forecast(known, 13, 400, rng)
    low, high = np.percentile(paths, (5, 95), axis=0)
    after = t[MONTHS:]
    axes.fill_between(
        after,
        low,
        high,
        color=SERIES[0],
        alpha=0.25,
        linewidth=0,
        label="nine in ten of 400 futures",
    )
    axes.plot(after, paths[0], color=SERIES[0], linewidth=1.8, label="expected")
    axes.plot(after, truth[MONTHS:], color=INK, linewidth=0.9, label="what came")
    axes.plot(t[:MONTHS], known, color=SERIES[1], linewidth=1.2, label="known")
    axes.plot(t[:MONTHS], series.moving_average(known, np.r_[0.5, np.ones(11), 0.5], centred=True),
              color=FAINT, linewidth=1.4, label="centred average over a year")  # fmt: skip
    chart(axes)
    axes.set_xlabel("years", color=FAINT, size=8.5)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8.5, ncols=5, loc="upper left")
    axes.set_ylim(min(known.min(), low.min()) - 1, high.max() + 5)
    caption(
        axes,
        "Three years ahead: differenced over a year, fitted, driven on by chance, summed up again",
    )

    changes = series.difference(known, lag=12)
    kept = sum(c * changes[12 - i : len(changes) - 1 - i] for i, c in enumerate(model.coefficients))
    residuals = changes[13:] - model.constant - kept
    for values, colour, name in (
        (changes, SERIES[1], "of the changes"),
        (residuals, SERIES[3], "of what the model leaves"),
    ):
        r = series.autocovariance(values, 24)
        beside.plot(r / r[0], "o-", color=colour, linewidth=1.3, markersize=3, label=name)
    beside.axhline(0, color=FAINT, linewidth=0.6)
    chart(beside)
    beside.set_xlabel("months later", color=FAINT, size=8.5)
    beside.legend(frameon=False, labelcolor=FAINT, fontsize=8.5)
    caption(beside, "Autocorrelation")


if __name__ == "__main__":
    figure().savefig("time_series.png", dpi=110)
