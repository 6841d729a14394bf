"""Row 14: three seconds of a song are found in ten minutes of it, recorded with noise."""

import time

import numpy as np
from _figure import ACCENT, FAINT, SERIES, caption, chart, new_figure

import faltung

TITLE = "Which three seconds were that?"
CHORDS = (
    (57, 60, 64),
    (53, 57, 60),
    (48, 52, 55),
    (55, 59, 62),
)  # A minor, F, C, G: notes of a keyboard
SCALE = np.array([0, 2, 3, 5, 7, 8, 10])


def play(song, rate, start, seconds, key, loudness):
    """Adds one plucked note with four overtones; `key` 69 is 440 Hz."""
    begin = int(start * rate)
    t = np.arange(min(int(seconds * rate), len(song) - begin), dtype=np.float32) / rate
    pitch = 440 * 2 ** ((key - 69) / 12)
    sound = sum(np.sin(2 * np.pi * pitch * n * t) / n**1.6 for n in (1, 2, 3, 4))
    song[begin : begin + len(t)] += (
        loudness * sound * np.exp(-t * (3 / seconds)) * np.minimum(t * 200, 1)
    )


def compose(seconds, rate, rng):
    """Four chords over and over, and a melody that never repeats itself quite."""
    song = np.zeros(int(seconds * rate), np.float32)
    beat = 0.25
    key = 69
    for step in range(int(seconds / beat)):
        chord = CHORDS[step // 8 % 4]
        if step % 8 == 0:
            for note in chord:
                play(song, rate, step * beat, 2.0, note - 12, 0.16)
        if rng.random() < 0.8:
            key = int(np.clip(key + rng.integers(-4, 5), 62, 86))
            key = 57 + 12 * ((key - 57) // 12) + SCALE[np.abs(SCALE - (key - 57) % 12).argmin()]
            play(song, rate, step * beat, beat * rng.integers(1, 4), key, 0.3)
    return song


def spectrogram(song, width, bins=256):
    """Decibels of `width` windows of 2 * bins samples, low frequencies first."""
    starts = np.linspace(0, len(song) - 2 * bins, width).astype(int)
    frames = song[starts[:, None] + np.arange(2 * bins)] * np.hanning(2 * bins)
    power = np.abs(np.fft.rfft(frames))[:, :bins].T ** 2
    return 10 * np.log10(power + 1e-6 * power.max())


def figure(small=False):
    rate, seconds, length = (4000, 40, 1.0) if small else (44100, 600, 3.0)
    rng = np.random.default_rng(11)
    song = compose(seconds, rate, rng)
    start = int((seconds * 0.6180339) * rate)
    n = int(length * rate)
    clean = song[start : start + n]
    noise = 1.5 * clean.std() * rng.standard_normal(n, dtype=np.float32)
    snippet = (0.3 * clean + 0.3 * noise).astype(np.float32)

    began = time.perf_counter()
    scores = faltung.match_template(song, snippet)
    took = time.perf_counter() - began
    found = int(scores.argmax())
    apart = np.abs(np.arange(len(scores)) - found) > rate // 100
    second = float(scores[apart].max())

    canvas = new_figure(
        15.2,
        9.2,
        TITLE,
        f"{seconds} seconds of synthesised music at {rate} Hz: {len(song) / 1e6:.2f} million samples. The snippet: {n} "
        "samples, at a third of the loudness, with noise half as loud again as the music.\n"
        f"faltung.match_template(song, snippet): {took:.2f} s for {len(scores) / 1e6:.1f} million positions, "
        f"each a correlation with {n} samples. Found at {found / rate:.4f} s, off by {abs(found - start)} samples.",
    )
    grid = canvas.add_gridspec(
        3, 3, left=0.035, right=0.985, top=0.84, bottom=0.06, wspace=0.12, hspace=0.42, height_ratios=[1, 1.25, 1.1]
    )  # fmt: skip
    minutes = (0, len(song) / rate)
    axes = canvas.add_subplot(grid[0, :])
    axes.imshow(spectrogram(song, 1600)[:48], aspect="auto", origin="lower", cmap="magma",
                extent=(*minutes, 0, 48 / 256 * rate / 2000), vmin=-40)  # fmt: skip
    chart(axes)
    axes.axvspan(start / rate, (start + n) / rate, color=SERIES[1], alpha=0.6)
    caption(axes, "The song: kilohertz over seconds. Marked: where the snippet was taken")

    axes = canvas.add_subplot(grid[1, :])
    draw_envelope(axes, scores, rate)
    axes.plot(found / rate, scores[found], "o", color=ACCENT, markersize=8)
    axes.annotate(
        f"{scores[found]:.3f} at {found / rate:.3f} s", (found / rate, scores[found]), xytext=(10, -4),
        textcoords="offset points", color=ACCENT, size=12, weight="bold",
    )  # fmt: skip
    axes.axhline(second, color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
    axes.text(0, second + 0.015, f"second best: {second:.3f}", color=FAINT, size=9)
    axes.set(xlim=minutes, ylim=(-0.35, 0.68))
    caption(axes, "Normalised correlation at every position: its range over a pixel")

    part = slice(n // 3, n // 3 + rate // 20)
    ms = np.arange(part.stop - part.start) / rate * 1000
    axes = canvas.add_subplot(grid[2, 0])
    axes.plot(ms, clean[part], color=SERIES[2], linewidth=1.2)
    chart(axes)
    caption(axes, "50 ms of the song")
    axes = canvas.add_subplot(grid[2, 1])
    axes.plot(ms, snippet[part], color=SERIES[3], linewidth=0.8)
    chart(axes)
    caption(axes, "The same in the snippet")
    axes = canvas.add_subplot(grid[2, 2])
    reach = rate // 40
    near = slice(max(found - reach, 0), found + reach)
    axes.plot(
        (np.arange(near.start, near.start + len(scores[near])) - found) / rate * 1000,
        scores[near],
        color=ACCENT,
        linewidth=1.2,
    )
    chart(axes)
    caption(axes, "The peak, in milliseconds")
    return canvas


def draw_envelope(axes, scores, rate, columns=1600):
    """Least and greatest value in each of so many parts."""
    usable = scores[: len(scores) // columns * columns].reshape(columns, -1)
    t = (np.arange(columns) + 0.5) * usable.shape[1] / rate
    axes.fill_between(t, usable.min(1), usable.max(1), color=SERIES[1], linewidth=0)
    chart(axes)


if __name__ == "__main__":
    figure().savefig("find_song.png", dpi=110)
