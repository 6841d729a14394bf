"""What one call needs beside input and output: the peak of a process's memory, less both and what it held before.

    python benchmarks/extra_memory.py                      16384 x 16384 float32, several kernels
    python benchmarks/extra_memory.py --side 4096 --kernel 15

Each call runs in a process of its own (Linux: VmHWM, and VmRSS before the call). Memory of input and output is
touched before. The promise: 64 MiB per worker, and 12 times the kernel.
"""

from __future__ import annotations

import argparse
import subprocess
import sys

CHILD = """
import re, sys
import numpy as np
import faltung

def status(field):
    with open("/proc/self/status") as file:
        return int(re.search(field + r":\\s+(\\d+) kB", file.read())[1]) / 1024

side, kernel, task = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
x = np.random.default_rng(0).random((side, side), dtype="f4")
k = np.random.default_rng(1).standard_normal((kernel, kernel)).astype("f4")
if task == "match":
    out = np.ones((side - kernel + 1,) * 2, "f4")
    run = lambda: faltung.match_template(x, k, out=out)
else:
    out = np.ones_like(x)
    run = lambda: faltung.convolve(x, k, "same", out=out)
before = status("VmRSS")
with open("/proc/self/clear_refs", "w") as file:
    file.write("5")  # the high-water mark starts anew
run()
extra = status("VmHWM") - before
name = "match_template" if task == "match" else faltung.plan(k, x.shape, "same").method
print(f"| {name} | {kernel} | {extra:.0f} |")
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--side", type=int, default=16384)
    parser.add_argument("--kernel", type=int, nargs="*", default=[3, 15, 31, 101, 501])
    arguments = parser.parse_args()
    print("| method taken | kernel side | MiB beside input and output |\n|---|---|---|")
    for task, kernels in (("convolve", arguments.kernel), ("match", arguments.kernel[-2:])):
        for kernel in kernels:
            subprocess.run(
                [sys.executable, "-c", CHILD, str(arguments.side), str(kernel), task], check=True
            )


if __name__ == "__main__":
    main()
