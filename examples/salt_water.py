"""Row 11: salt in 256 × 256 cells of water; the state at any time is the first one convolved with a propagator."""

import numpy as np
from _figure import FAINT, INK, SERIES, bare, caption, chart, medians, milliseconds, new_figure

from faltung import diffusion

TITLE = "Salt water"
TIMES = (0, 12, 120, 1500)
D = 1.0


def basin(side):
    """Salt along a wall, in a ring and in scattered grains, in fresh water."""
    y, x = np.indices((side, side)) / side
    state = np.zeros((side, side))
    state[:, : side // 12] = 1
    distance = np.hypot(x - 0.62, y - 0.42)
    state[(distance > 0.16) & (distance < 0.21)] = 1
    rng = np.random.default_rng(4)
    for cy, cx, r in zip(
        rng.uniform(0.1, 0.95, 26),
        rng.uniform(0.2, 0.97, 26),
        rng.uniform(0.004, 0.03, 26),
        strict=True,
    ):
        state[np.hypot(x - cx, y - cy) < r] = 1
    return state


def step_by_step(state, t, steps):
    """The usual way: explicit steps of second differences between walls."""
    dt = t / steps
    for _ in range(steps):
        around = np.pad(state, 1, "edge")
        pairs = around[2:, 1:-1] + around[:-2, 1:-1] + around[1:-1, 2:] + around[1:-1, :-2]
        state = state + dt * D * (pairs - 4 * state)
    return state


def figure(small=False):
    side = 96 if small else 256
    state = basin(side)
    t = TIMES[2]
    ms = medians({"one": lambda: diffusion.diffuse(state, t, D)}, 3)["one"]
    steps = 5 * t
    theirs = medians({"many": lambda: step_by_step(state, t, steps)}, 1)["many"]
    off = np.abs(step_by_step(state, t, steps) - diffusion.diffuse(state, t, D)).max()
    canvas = new_figure(
        15.2,
        8.35,
        TITLE,
        f"{side} × {side} cells between walls, D = 1 cell² per unit of time. diffusion.diffuse(state, t) convolves "
        "with the propagator, whatever t is; walls mirror, and nothing is lost.\n"
        f"To t = {t} it takes {milliseconds(ms)}; {steps} explicit steps of second differences in NumPy take "
        f"{milliseconds(theirs)} and still differ by {off:.0e}.",
    )
    grid = canvas.add_gridspec(
        2, 4, left=0.03, right=0.985, top=0.835, bottom=0.06, wspace=0.06, hspace=0.2, height_ratios=[1.35, 1]
    )  # fmt: skip
    states = {time: diffusion.diffuse(state, time, D) for time in TIMES}
    for column, (time, after) in enumerate(states.items()):
        axes = canvas.add_subplot(grid[0, column])
        axes.imshow(
            after, cmap="cividis", vmin=0, vmax=max(0.35, after.max()), interpolation="nearest"
        )
        bare(axes)
        drift = after.sum() / state.sum() - 1
        caption(axes, f"t = {time}", f"salt: {after.sum():.6f}, drift {drift:.0e}")
        axes.axhline(0.42 * side, color=INK, linewidth=0.7, linestyle=(0, (4, 4)))

    lower = grid[1, :].subgridspec(1, 3, wspace=0.12)
    axes = canvas.add_subplot(lower[0])
    for (time, after), colour in zip(states.items(), SERIES, strict=False):
        axes.plot(after[int(0.42 * side)], color=colour, linewidth=1.5, label=f"t = {time}")
    chart(axes)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8, loc="upper center", ncols=2)
    axes.set_ylim(-0.05, 1.3)
    caption(axes, "Concentration along the dashed row")

    axes = canvas.add_subplot(lower[1])
    for time, style in ((0.1, "o-"), (2.0, "o-")):
        for kind, colour in zip(("lattice", "sampled", "band_limited"), SERIES, strict=False):
            p = diffusion.propagator(time, D, 1, kind=kind, radius=6)
            axes.plot(np.arange(-6, 7), p, style, color=colour, markersize=4, linewidth=1.3,
                      alpha=1 if time < 1 else 0.7, label=kind if time < 1 else None)  # fmt: skip
    axes.text(0.9, 0.62, "t = 0.1", color=INK, size=9)
    axes.text(2.2, 0.2, "t = 2: all but alike", color=INK, size=9)
    chart(axes)
    axes.legend(frameon=False, labelcolor=FAINT, fontsize=8)
    caption(axes, "Three propagators, in cells from the middle")

    axes = canvas.add_subplot(lower[2])
    counts = np.unique(np.geomspace(5, 400, 9).astype(int)) if not small else np.array([5, 20, 80])
    exact = diffusion.diffuse(state, 1.0, D)
    errors = [np.abs(step_by_step(state, 1.0, n) - exact).max() for n in counts]
    axes.loglog(counts, errors, "o-", color=SERIES[3], linewidth=1.8, markersize=4)
    chart(axes)
    axes.set_xlabel("explicit steps to t = 1", color=FAINT, size=8.5)
    caption(axes, "How far a finite-difference solver is off")
    return canvas


if __name__ == "__main__":
    figure().savefig("salt_water.png", dpi=110)
