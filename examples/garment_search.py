"""Row 5: find garments of the same kind, whatever their colour: by a learned code, by pixels, by outlines."""

import time

import numpy as np
from _figure import ACCENT, FAINT, INK, PAPER, SERIES, bare, caption, chart, luminance, new_figure
from _net import Adam, Conv, ConvTranspose, Dense, Net, Relu, Reshape, batches, progress
from matplotlib.path import Path
from threadpoolctl import threadpool_limits

from faltung import filters

TITLE = "Garments by their shape"
KINDS = ["T-shirt", "pullover", "vest", "dress", "skirt", "trousers", "shorts", "coat"]
SIDE = 48


def half_outline(rng, kind):
    """The right half of a garment, from the neck down, as (x, y) in [0, 1]; the left one mirrors it."""
    u = rng.uniform
    neck, shoulder, waist = u(0.07, 0.12), u(0.21, 0.26), u(0.16, 0.23)
    if kind in ("T-shirt", "pullover", "coat"):
        hem = {"T-shirt": u(0.66, 0.76), "pullover": u(0.66, 0.78), "coat": u(0.88, 0.95)}[kind]
        long = kind != "T-shirt"
        reach, down = (u(0.33, 0.4), u(0.62, 0.72)) if long else (u(0.36, 0.44), u(0.3, 0.38))
        cuff = u(0.06, 0.09)
        skirts = waist + (u(0.05, 0.12) if kind == "coat" else u(0.0, 0.04))
        return [(0, 0.15), (neck, 0.1), (shoulder, 0.15), (reach + cuff, down - 0.03),
                (reach - cuff * 0.3, down + 0.02), (waist + 0.02, 0.33), (waist, 0.5),
                (skirts, hem), (0, hem)]  # fmt: skip
    if kind == "vest":
        hem = u(0.68, 0.8)
        return [(0, u(0.24, 0.34)), (neck, 0.1), (neck + 0.06, 0.1), (waist - 0.02, 0.3), (waist + 0.02, 0.36),
                (waist + u(0, 0.03), hem), (0, hem)]  # fmt: skip
    if kind == "dress":
        hem, flare = u(0.84, 0.94), u(0.28, 0.42)
        narrow = u(0.1, 0.15)
        return [(0, u(0.18, 0.26)), (neck, 0.08), (neck + 0.06, 0.08), (waist, 0.26), (narrow, 0.45),
                (flare, hem), (0, hem)]  # fmt: skip
    if kind == "skirt":
        top, hem = u(0.22, 0.3), u(0.66, 0.86)
        return [(0, top), (u(0.12, 0.17), top), (u(0.25, 0.4), hem), (0, hem)]
    hem = u(0.84, 0.94) if kind == "trousers" else u(0.46, 0.6)
    top, hip, leg = u(0.1, 0.16), u(0.17, 0.23), u(0.09, 0.14)
    fork = top + u(0.22, 0.28)
    outer = hip + u(0.0, 0.05)
    return [
        (0, top),
        (hip - 0.02, top),
        (hip, fork - 0.05),
        (outer, hem),
        (max(outer - leg, 0.04), hem),
        (0, fork),
    ]


def silhouette(rng, kind):
    """Which pixels a garment of this kind covers, slightly turned and moved."""
    half = np.array(half_outline(rng, kind))
    points = np.concatenate([half, half[::-1] * [-1, 1]])
    angle, size = rng.uniform(-0.1, 0.1), rng.uniform(0.9, 1.02)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    points = (points - [0, 0.5]) @ turn.T + [0.5, 0.5] + rng.uniform(-0.03, 0.03, 2)
    pixels = (np.stack(np.meshgrid(*[np.arange(2 * SIDE)] * 2), -1).reshape(-1, 2) + 0.5) / (
        2 * SIDE
    )
    inside = Path(points).contains_points(pixels).reshape(SIDE, 2, SIDE, 2)
    return inside.mean((1, 3)).astype(np.float32)


def texture(rng):
    """A cloth in [0, 1] RGB: plain, striped, checked or dotted, in two random colours."""
    base, second = rng.uniform(0.05, 0.95, (2, 3))
    y, x = np.mgrid[:SIDE, :SIDE]
    angle, period = rng.uniform(0, np.pi), rng.uniform(5, 12)
    u = (x * np.cos(angle) + y * np.sin(angle)) / period
    v = (y * np.cos(angle) - x * np.sin(angle)) / period
    pattern = rng.integers(4)
    if pattern == 0:
        share = np.zeros((SIDE, SIDE))
    elif pattern == 1:
        share = (u % 1 < 0.5) * 1.0
    elif pattern == 2:
        share = ((u % 1 < 0.5) * 1.0 + (v % 1 < 0.5)) / 2
    else:
        share = ((u % 1 - 0.5) ** 2 + (v % 1 - 0.5) ** 2 < 0.09) * 1.0
    cloth = base + (second - base) * 0.7 * share[..., None]
    return cloth * rng.uniform(0.92, 1.08, (SIDE, SIDE, 1))


def photograph(rng, shape):
    """The silhouette in a cloth of its own on a plain, bright ground."""
    ground = rng.uniform(0.8, 1.0) * np.ones(3)
    picture = ground + (texture(rng) - ground) * shape[..., None]
    return np.clip(picture, 0, 1).astype(np.float32)


def collection(rng, count):
    """`count` garments, each photographed twice, in two cloths."""
    kinds = np.arange(count) % len(KINDS)
    shapes = [silhouette(rng, KINDS[kind]) for kind in kinds]
    return kinds, *(np.stack([photograph(rng, shape) for shape in shapes]) for _ in range(2))


def outlines(photos):
    """Sobel magnitudes of the grey levels, no brighter than 1; shape (count, 1, side, side)."""
    grey = np.stack([luminance(photo) for photo in photos])
    edges = filters.sobel(grey, axes=(1, 2))
    return np.minimum(edges, 1)[:, None].astype(np.float32)


CODE = 24


def build(rng):
    """An autoencoder: 48 × 48 outlines to a code of 24 numbers, and back."""
    corner = {"stride": 2, "padding": 1}
    return Net(
        Conv(rng, 1, 12, 4, **corner), Relu(),
        Conv(rng, 12, 24, 4, **corner), Relu(),
        Conv(rng, 24, 32, 4, **corner), Relu(),
        Reshape(32 * 36), Dense(rng, 32 * 36, CODE),
        Dense(rng, CODE, 32 * 36), Relu(), Reshape(32, 6, 6),
        ConvTranspose(rng, 32, 24, 4, **corner), Relu(),
        ConvTranspose(rng, 24, 12, 4, **corner), Relu(),
        ConvTranspose(rng, 12, 1, 4, **corner),
    )  # fmt: skip


UNTIL_CODE = 8  # layers


def train(rng, first, second, epochs):
    """From the outline in one cloth to the outline in another: what they share is the shape."""
    net = build(rng)
    adam = Adam(net, 2e-3, epochs * len(batches(rng, len(first), 50)))
    losses, start = [], time.perf_counter()
    for epoch in range(epochs):
        total = []
        for batch in batches(rng, len(first), 50):
            x, target = (
                (first[batch], second[batch])
                if rng.random() < 0.5
                else (second[batch], first[batch])
            )
            error = net.forward(x) - target
            net.backward(2 * error / error.size)
            adam.update()
            total.append(float((error**2).mean()))
        losses.append(float(np.mean(total)))
        progress(epoch + 1, epochs, start, f"mean squared error {losses[-1]:.4f}")
    return net, losses, time.perf_counter() - start


def ranking(queries, shelf):
    """For each query the shelf by falling cosine similarity, both centred."""
    mean = shelf.mean(0)
    a, b = (rows - mean for rows in (queries, shelf))
    a, b = (rows / (np.linalg.norm(rows, axis=1, keepdims=True) + 1e-9) for rows in (a, b))
    return np.argsort(-(a @ b.T), axis=1)


def figure(small=False):
    with threadpool_limits(1):  # NumPy's products are small here
        return draw(small)


def draw(small):
    rng = np.random.default_rng(4)
    _, *seen = collection(rng, 160 if small else 1600)
    kinds, shelf, _ = collection(rng, 160 if small else 800)
    asked, queries, _ = collection(rng, 80 if small else 240)

    seen_outlines = [outlines(photos) for photos in seen]
    net, _, seconds = train(rng, *seen_outlines, 2 if small else 16)

    def code(photos):
        return net.forward(outlines(photos), UNTIL_CODE)

    views = {
        "raw pixels": lambda photos: photos.reshape(len(photos), -1),
        "Sobel outlines": lambda photos: outlines(photos).reshape(len(photos), -1),
        "learned code": code,
    }
    found = {name: ranking(view(queries), view(shelf)) for name, view in views.items()}
    hits = {name: kinds[order] == asked[:, None] for name, order in found.items()}
    precision = {name: float(hit[:, :10].mean()) for name, hit in hits.items()}

    told = ", ".join(f"{name} {value:.0%}" for name, value in precision.items())
    canvas = new_figure(
        15,
        9.1,
        TITLE,
        f"{len(shelf)} garments of {len(KINDS)} kinds on the shelf, in random colours and textures; {len(queries)} "
        f"queries that are not among them. A convolutional autoencoder saw {len(seen[0])} others for {seconds:.0f} s.\n"
        f"Of the ten most similar by cosine, so many are of the query's kind: {told}.",
    )
    outer = canvas.add_gridspec(
        2, 1, left=0.012, right=0.988, top=0.855, bottom=0.062, hspace=0.2, height_ratios=[2.9, 1]
    )
    draw_searches(canvas, outer[0], queries, asked, shelf, kinds, found)
    below = outer[1].subgridspec(1, 3, wspace=0.1, width_ratios=[1.1, 1.2, 1.5])
    draw_precision(canvas.add_subplot(below[0]), precision)
    draw_recall(canvas.add_subplot(below[1]), hits)
    draw_codec(canvas, below[2], net, queries, asked)
    return canvas


COLOURS = dict(
    zip(
        ["raw pixels", "Sobel outlines", "learned code"],
        [SERIES[3], SERIES[1], ACCENT],
        strict=True,
    )
)


def draw_searches(canvas, cell, queries, asked, shelf, kinds, found):
    """Three queries; under each the seven best of every way to search."""
    grid = cell.subgridspec(1, 3, wspace=0.05)
    shown = [
        int(np.flatnonzero(asked == KINDS.index(kind))[1])
        for kind in ("dress", "trousers", "pullover")
    ]
    for column, query in enumerate(shown):
        inner = grid[column].subgridspec(
            4, 6, wspace=0.06, hspace=0.2, height_ratios=[1.15, 1, 1, 1]
        )
        axes = canvas.add_subplot(inner[0, 0:2])
        axes.imshow(queries[query], interpolation="antialiased")
        bare(axes)
        axes.set_anchor("W")
        caption(axes, f"Asked for: a {KINDS[asked[query]]}".replace("a trousers", "trousers"))
        for row, (name, order) in enumerate(found.items(), start=1):
            for place in range(6):
                which = order[query, place]
                axes = canvas.add_subplot(inner[row, place])
                axes.imshow(shelf[which], interpolation="antialiased")
                bare(axes)
                good = kinds[which] == asked[query]
                for spine in axes.spines.values():
                    spine.set(visible=True, color="#3fb950" if good else "#f85149", linewidth=2.2)
                if place == 0:
                    axes.set_title(f"by {name}", color=COLOURS[name], size=9.5, loc="left", pad=4)


def draw_precision(axes, precision):
    chart(axes)
    names = list(precision)
    values = [100 * precision[name] for name in names]
    axes.barh(names, values, color=[COLOURS[name] for name in names], height=0.62)
    for y, value in enumerate(values):
        axes.text(
            value - 2,
            y,
            f"{value:.0f} %",
            color=PAPER,
            size=12,
            weight="bold",
            ha="right",
            va="center",
        )
    axes.axvline(100 / len(KINDS), color=FAINT, linewidth=0.9, linestyle=(0, (4, 4)))
    axes.text(100 / len(KINDS) + 1, 2.45, "by chance", color=FAINT, size=8, va="bottom")
    axes.set(xlim=(0, 100), ylim=(2.6, -0.6), xticks=[])
    axes.tick_params(axis="y", labelsize=10, labelcolor=INK)
    caption(axes, "Precision of the first ten")
    box = axes.get_position()
    axes.set_position([box.x0 + 0.075, box.y0, box.width - 0.075, box.height])


def draw_recall(axes, hits):
    chart(axes)
    for name, hit in hits.items():
        upto = np.arange(1, 1 + min(100, hit.shape[1]))
        share = 100 * (np.cumsum(hit, axis=1)[:, : len(upto)] / upto).mean(0)
        axes.plot(upto, share, color=COLOURS[name], linewidth=2)
    axes.set(ylim=(0, 102), xlim=(1, 100), yticks=[0, 50, 100])
    axes.set_yticklabels(["0", "50 %", "100 %"])
    axes.set_xlabel("garments looked at", color=FAINT, size=9)
    caption(axes, "Precision among the first n")


def draw_codec(canvas, cell, net, queries, asked):
    grid = cell.subgridspec(2, 6, wspace=0.06, hspace=0.06)
    shown = [int(np.flatnonzero(asked == kind)[2]) for kind in (0, 2, 3, 5, 6, 7)]
    x = outlines(queries[shown])
    y = net.forward(x)
    for column in range(6):
        for row, picture in enumerate((x, y)):
            axes = canvas.add_subplot(grid[row, column])
            axes.imshow(
                picture[column, 0], cmap="magma", vmin=0, vmax=1, interpolation="antialiased"
            )
            bare(axes)
            if row == column == 0:
                caption(axes, f"Outlines, and what is left of them in {CODE} numbers")


if __name__ == "__main__":
    figure().savefig("garment_search.png", dpi=110)
