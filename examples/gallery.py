"""Draw every figure of the gallery and a contact sheet.

python examples/gallery.py                     into examples/output/
python examples/gallery.py --output somewhere
python examples/gallery.py --only classic_kernels --only banner
python examples/gallery.py --small             quickly: small pictures, one timing round
python examples/gallery.py --readme docs/images/gallery.png      also the README's picture, made small
"""

import argparse
import importlib
import math
import sys
import time
from pathlib import Path

import numpy as np
from _figure import FAINT, PAPER, new_figure
from matplotlib.image import imread
from PIL import Image

HERE = Path(__file__).resolve().parent
FIGURES = [
    "colour_channels",
    "classic_kernels",
    "feature_bank",
    "learned_digits",
    "garment_search",
    "convolution_theorem",
    "fourier_picture",
    "kept_frequencies",
    "outside",
    "derivatives",
    "salt_water",
    "by_chance",
    "find_face",
    "find_song",
    "time_series",
    "white_noise",
    "even_spread",
    "banner",
]


def draw(name, output, small=False):
    """Draw one figure into a PNG file and return its path."""
    path = Path(output) / f"{name}.png"
    module = importlib.import_module(name)
    module.figure(small=small).savefig(path, dpi=60 if small else 110, facecolor=PAPER)
    return path


def shrink(picture, path):
    """A PNG of 256 colours: a third of the bytes."""
    with Image.open(picture) as image:
        image.convert("RGB").quantize(256, dither=Image.Dither.FLOYDSTEINBERG).save(
            path, optimize=True
        )


def contact_sheet(paths):
    columns = min(4, len(paths))
    rows = math.ceil(len(paths) / columns)
    height = 0.9 + 3.15 * rows
    sheet = new_figure(4.9 * columns, height, "Faltung: the gallery", "python examples/gallery.py")
    grid = sheet.add_gridspec(
        rows, columns, left=0.012, right=0.988, bottom=0.012, top=1 - 1.1 / height, hspace=0.1, wspace=0.03
    )  # fmt: skip
    for cell, path in enumerate(paths):
        axes = sheet.add_subplot(grid[cell // columns, cell % columns])
        axes.imshow(np.asarray(imread(path)), interpolation="antialiased")
        axes.set_axis_off()
        axes.set_title(f"{path.stem}.py", color=FAINT, size=9, loc="left")
    return sheet


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--output", type=Path, default=HERE / "output")
    parser.add_argument(
        "--only", action="append", choices=FIGURES, metavar="NAME", help=", ".join(FIGURES)
    )
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--readme", type=Path, help="where to write the README's picture")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    names = options.only or FIGURES
    paths = []
    for name in names:
        start = time.perf_counter()
        paths.append(draw(name, options.output, options.small))
        print(f"{paths[-1]}  ({time.perf_counter() - start:.1f} s)")
    sheet = options.output / "contact_sheet.png"
    contact_sheet(paths).savefig(sheet, dpi=60 if options.small else 110, facecolor=PAPER)
    print(sheet)
    if options.readme:
        shrink(draw("banner", options.output), options.readme)
        print(options.readme)
    return 0


if __name__ == "__main__":
    sys.exit(main())
