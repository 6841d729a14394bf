"""What the gallery's figures share: the look, fair scaling, and timing."""

import statistics
import time

import numpy as np
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

PAPER, INK, FAINT, ACCENT = "#101418", "#e8eaed", "#8b949e", "#ffb454"
SERIES = ["#ffb454", "#59c2ff", "#c2d94c", "#f07178", "#d2a6ff", "#95e6cb"]

# Signed results: dark at zero, cold below, warm above.
SIGNED = LinearSegmentedColormap.from_list(
    "signed",
    [
        "#d9f3ff",
        "#58bfff",
        "#1763b0",
        "#0b1d33",
        "#090b0e",
        "#38170a",
        "#b8481a",
        "#ff9d3f",
        "#fff0cf",
    ],
)


def new_figure(width, height, title, subtitle):
    figure = Figure(figsize=(width, height), facecolor=PAPER)
    figure.text(0.02, 1 - 0.18 / height, title, color=INK, size=17, weight="bold", va="top")
    figure.text(0.02, 1 - 0.52 / height, subtitle, color=FAINT, size=10, va="top", linespacing=1.4)
    return figure


def caption(axes, title, note=""):
    axes.set_title(title, color=INK, size=10.5, weight="bold", loc="left", pad=17 if note else 5)
    if note:
        axes.text(0, 1.0, note, transform=axes.transAxes, color=FAINT, size=8.5, va="bottom")


def bare(axes):
    """No ticks, no frame: the axes of a picture."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set_visible(False)


def chart(axes):
    """The axes of a curve."""
    axes.set_facecolor("#161b21")
    axes.tick_params(colors=FAINT, labelsize=8, length=2)
    for side, spine in axes.spines.items():
        spine.set_visible(side in ("left", "bottom"))
        spine.set_color("#30363d")


def show(axes, image, title, note="", low=None, high=None):
    """An unsigned picture: 0..255 unless other limits are given."""
    low, high = (0, 255) if low is None else (low, high)
    shown = np.clip((np.asarray(image, float) - low) / (high - low), 0, 1)
    axes.imshow(shown, cmap="gray", norm=Normalize(0, 1), interpolation="antialiased")
    bare(axes)
    caption(axes, title, note)


def show_signed(axes, values, title, note="", limit=None):
    """A signed result, zero in the middle of the colours; the brightest half per cent is cut off."""
    limit = limit or robust_limit(values)
    picture = axes.imshow(values, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="antialiased")
    bare(axes)
    caption(axes, title, note)
    return picture


def robust_limit(values, share=99.5):
    return float(np.percentile(np.abs(values), share)) or 1.0


def swatch(axes, k, corner=(0.80, 0.02), size=0.18):
    """A small picture of the kernel in a corner of a picture."""
    inset = axes.inset_axes([*corner, size, size * axes.bbox.width / axes.bbox.height])
    inset.imshow(
        k, cmap=SIGNED, norm=Normalize(-np.abs(k).max(), np.abs(k).max()), interpolation="nearest"
    )
    inset.set(xticks=[], yticks=[])
    for spine in inset.spines.values():
        spine.set_color(INK)
        spine.set_linewidth(0.8)


def medians(calls, rounds=7):
    """Milliseconds of each call: medians over rounds in which each runs once, after one warm-up round."""
    times = {name: [] for name in calls}
    for turn in range(rounds + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if turn:
                times[name].append((time.perf_counter() - start) * 1e3)
    return {name: statistics.median(each) for name, each in times.items()}


def beside(ours, theirs, their_name, rounds=7):
    """How long both take, as a note for a picture."""
    ms = medians({"ours": ours, "theirs": theirs}, rounds)
    return f"{milliseconds(ms['ours'])} · {their_name} {milliseconds(ms['theirs'])}"


def milliseconds(ms):
    return f"{ms:.2g} ms" if ms < 100 else f"{ms:.0f} ms"


def luminance(photo):
    """Grey levels 0..255 of an RGB photograph (the weights of ITU-R BT.709)."""
    return (photo[..., :3] @ np.array([0.2126, 0.7152, 0.0722])).astype(np.float32)
