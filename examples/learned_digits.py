"""Row 4: a small net learns handwritten digits, with NumPy and faltung.nn alone."""

import time

import numpy as np
from _figure import ACCENT, FAINT, INK, PAPER, SERIES, SIGNED, bare, caption, chart, new_figure
from _net import Adam, Conv, Dense, MaxPool, Net, Relu, Reshape, batches, progress, softmax_loss
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from threadpoolctl import threadpool_limits

import faltung

TITLE = "A net learns to read digits"


def digits():
    """Images in [0, 1] of 8 × 8 with their labels: a part to learn from, and one that is held out."""
    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(np.float32).reshape(-1, 1, 8, 8)
    return train_test_split(images, labels, test_size=0.2, random_state=1, stratify=labels)


def build(rng):
    return Net(
        Conv(rng, 1, 16, 5, padding=2), Relu(),
        Conv(rng, 16, 32, 3, padding=1), Relu(), MaxPool(2),
        Conv(rng, 32, 64, 3, padding=1), Relu(), MaxPool(2),
        Reshape(64 * 4),
        Dense(rng, 64 * 4, 64), Relu(), Dense(rng, 64, 10),
    )  # fmt: skip


def jitter(rng, images):
    """Each image moved by up to one pixel: a net should not mind."""
    padded = np.pad(images, ((0, 0), (0, 0), (1, 1), (1, 1)))
    moved = np.empty_like(images)
    for i, (y, x) in enumerate(rng.integers(0, 3, (len(images), 2))):
        moved[i] = padded[i, :, y : y + 8, x : x + 8]
    return moved


def train(rng, images, labels, held, held_labels, epochs):
    net = build(rng)
    adam = Adam(net, 3e-3, epochs * len(batches(rng, len(images), 64)))
    losses, accuracies, start = [], [], time.perf_counter()
    for epoch in range(epochs):
        for batch in batches(rng, len(images), 64):
            loss, grad = softmax_loss(net.forward(jitter(rng, images[batch])), labels[batch])
            net.backward(grad.astype(np.float32))
            adam.update()
            losses.append(loss)
        accuracies.append(float((net.forward(held).argmax(1) == held_labels).mean()))
        progress(epoch + 1, epochs, start, f"held out {accuracies[-1]:.1%}")
    return net, losses, accuracies, time.perf_counter() - start


def figure(small=False):
    rng = np.random.default_rng(0)
    images, held, labels, held_labels = digits()
    # for a batch of 64 small images, waking a second thread takes longer than it saves
    with faltung.set_workers(1), threadpool_limits(1):
        net, losses, accuracies, seconds = train(
            rng, images, labels, held, held_labels, 2 if small else 30
        )
    guesses = net.forward(held).argmax(1)
    right = float((guesses == held_labels).mean())

    canvas = new_figure(
        14.2,
        9.6,
        TITLE,
        f"{len(images)} digits of scikit-learn to learn from, {len(held)} held out. Three convolution layers, two "
        f"poolings, two fully connected ones: {right:.1%} of the held-out digits are read\n"
        f"right after {seconds:.0f} s of training with nn.conv, nn.conv_backward, nn.max_pool and NumPy.",
    )
    outer = canvas.add_gridspec(
        2, 3, left=0.045, right=0.985, top=0.855, bottom=0.04, wspace=0.12, hspace=0.24,
        width_ratios=[1.15, 1, 1], height_ratios=[1, 1.12],
    )  # fmt: skip
    draw_learning(canvas.add_subplot(outer[0, 0]), losses, accuracies)
    draw_kernels(canvas, outer[0, 1], net.layers[0].parameters["w"][:, 0])
    draw_mistakes(canvas, outer[0, 2], held, held_labels, guesses)
    draw_maps(canvas, outer[1, :], net, held, held_labels)
    return canvas


def draw_learning(axes, losses, accuracies):
    chart(axes)
    per_epoch = len(losses) / len(accuracies)
    x = np.arange(1, len(losses) + 1) / per_epoch
    axes.semilogy(x, losses, color=SERIES[1], linewidth=0.8, alpha=0.9)
    axes.set_xlabel("passes over the digits", color=FAINT, size=9)
    axes.text(
        0.97,
        0.93,
        "loss of each batch",
        color=SERIES[1],
        size=9,
        ha="right",
        transform=axes.transAxes,
    )
    beside = axes.twinx()
    chart(beside)
    beside.set_facecolor("none")
    wrong = 100 * (1 - np.array(accuracies))
    passes = np.arange(1, len(accuracies) + 1)
    beside.plot(passes, wrong, color=ACCENT, linewidth=2, marker="o", markersize=3)
    beside.set(yscale="log")
    beside.set_ylim(0.3, 100)
    beside.yaxis.set_ticks([0.5, 1, 2, 5, 10, 50], ["0.5 %", "1 %", "2 %", "5 %", "10 %", "50 %"])
    beside.yaxis.set_ticks([], minor=True)
    beside.axhline(2, color=FAINT, linewidth=0.8, linestyle=(0, (4, 4)))
    axes.text(
        0.97,
        0.85,
        "held out, read wrong",
        color=ACCENT,
        size=9,
        ha="right",
        transform=axes.transAxes,
    )
    caption(axes, "Learning")


def draw_kernels(canvas, cell, kernels):
    axes = canvas.add_subplot(cell)
    limit = np.abs(kernels).max()
    sheet = np.ma.masked_invalid(mosaic(kernels, 4, scale=False))
    axes.imshow(sheet, cmap=SIGNED, vmin=-limit, vmax=limit, interpolation="nearest")
    bare(axes)
    axes.set_facecolor(PAPER)
    axes.set_anchor("NW")
    caption(axes, "The 16 kernels of the first layer, learned")


def draw_mistakes(canvas, cell, held, labels, guesses):
    wrong = np.flatnonzero(guesses != labels)[:8]
    if len(wrong) == 0:
        return
    grid = cell.subgridspec(2, min(4, len(wrong)), wspace=0.08, hspace=0.3)
    for i, which in enumerate(wrong):
        axes = canvas.add_subplot(grid[divmod(i, grid.ncols)])
        axes.imshow(held[which, 0], cmap="gray", interpolation="nearest")
        bare(axes)
        told = f"a {labels[which]}, read as {guesses[which]}"
        axes.set_xlabel(told, color=INK, size=8.5)
        if i == 0:
            every = (guesses != labels).sum() <= len(wrong)
            caption(axes, "All that it reads wrong" if every else "Some that it reads wrong")


def draw_maps(canvas, cell, net, held, labels):
    """Three digits on their way through the layers."""
    shown = [int(np.flatnonzero(labels == digit)[0]) for digit in (3, 5, 8)]
    x = held[shown]
    stages = [("The first layer: 16 maps of 8 × 8", net.forward(x, 2), 8),
              ("The second, pooled: 32 maps of 4 × 4", net.forward(x, 5), 11),
              ("The third, pooled: 64 maps of 2 × 2", net.forward(x, 8), 16)]  # fmt: skip
    grid = cell.subgridspec(3, 6, wspace=0.06, hspace=0.12, width_ratios=[1, 4, 4.2, 4.2, 0.1, 1.3])
    scores = net.forward(x)
    for row in range(3):
        axes = canvas.add_subplot(grid[row, 0])
        axes.imshow(x[row, 0], cmap="gray", interpolation="nearest")
        bare(axes)
        if row == 0:
            caption(axes, "A digit")
        for column, (name, maps, across) in enumerate(stages, start=1):
            axes = canvas.add_subplot(grid[row, column])
            sheet = np.ma.masked_invalid(mosaic(maps[row], across))
            axes.imshow(sheet, cmap="magma", interpolation="nearest", aspect="auto")
            bare(axes)
            axes.set_facecolor(PAPER)
            if row == 0:
                caption(axes, name)
        axes = canvas.add_subplot(grid[row, 5])
        chances = np.exp(scores[row] - scores[row].max())
        chances /= chances.sum()
        best = int(chances.argmax())
        axes.barh(range(10), chances, color=[ACCENT if i == best else FAINT for i in range(10)])
        axes.set(xlim=(0, 1), xticks=[], yticks=range(10), ylim=(9.5, -0.5))
        chart(axes)
        if row == 0:
            caption(axes, "Read as")


def mosaic(maps, across, scale=True):
    """Maps side by side with a gap of NaN between, each to its own brightness if `scale`."""
    count, height, width = maps.shape
    rows = -(-count // across)
    sheet = np.full((rows * (height + 1) - 1, across * (width + 1) - 1), np.nan)
    for i, picture in enumerate(maps):
        y, x = i // across * (height + 1), i % across * (width + 1)
        sheet[y : y + height, x : x + width] = picture / (picture.max() or 1) if scale else picture
    return sheet


if __name__ == "__main__":
    figure().savefig("learned_digits.png", dpi=110)
