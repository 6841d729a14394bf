"""SciPy's and NumPy's own tests, run on `faltung.compat` in a process of their own: see scipy_plugin.py."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from excused import EXCUSED, SKIPPED

HERE = Path(__file__).parent
# modules, what of them is run, the least number of cases, the least share of calls served by the core
SUITES = {
    "signal": (
        ["scipy.signal.tests.test_signaltools", "scipy.signal.tests.test_upfirdn"],
        None,
        12_220,
        0.9,
    ),
    "savgol": (["scipy.signal.tests.test_savitzky_golay"], None, 15, 0.9),
    "ndimage": (["scipy.ndimage.tests.test_filters"], None, 2_478, 0.9),
    # 15 calls, two of them on objects of type Decimal
    "numpy": (["numpy._core.tests.test_numeric"], "TestConvolve or TestCorrelate", 10, 13 / 15),
}


@functools.cache
def run(suite, place):
    """Runs a suite in `place`; what was counted."""
    modules, chosen, *_ = SUITES[suite]
    home = place / suite
    home.mkdir()
    (home / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    counted = home / "counted.json"
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "-p", "no:cacheprovider"),
            *("-p", "scipy_plugin", *(["-k", chosen] if chosen else []), "--pyargs", *modules),
        ],
        cwd=home,
        env=os.environ | {"PYTHONPATH": path, "FALTUNG_CONFORMANCE": str(counted)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    tail = run.stdout[-4000:] + run.stderr[-2000:]
    assert run.returncode == 0, tail
    outcomes = {
        what: int(n) for n, what in re.findall(r"(\d+) ([a-z]+)", run.stdout.splitlines()[-1])
    }
    counts = json.loads(counted.read_text(encoding="utf-8"))
    served, passed_on = (sum(counts[kind].values()) for kind in ("served", "passed_on"))
    return outcomes, served, passed_on, counts["skipped"], tail


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    version = importlib.metadata.version("scipy")
    if not version.startswith("1.17."):
        pytest.skip(f"faltung.compat follows SciPy 1.17; this is {version}")
    return tmp_path_factory.mktemp("theirs")


@pytest.mark.parametrize("suite", SUITES)
def test_their_tests_pass_on_our_functions(suite, place, tally):
    *_, cases, share = SUITES[suite]
    outcomes, served, passed_on, skipped, tail = run(suite, place)
    home = "numpy" if suite == "numpy" else f"scipy, {suite}"
    tally(home, "passed", outcomes["passed"])
    for reason in [excuse for name, excuse in EXCUSED.items() if f".{suite}." in name]:
        tally(home, f"excused ({reason})")
    for reason in skipped.values():
        tally(home, f"skipped ({reason})")
    tally(home, "calls served", served)
    tally(home, "calls passed on", passed_on)
    assert outcomes["passed"] + 5 >= cases, tail  # a few are excused, or skipped by SciPy itself
    assert set(skipped) <= set(SKIPPED), skipped
    assert served / (served + passed_on) >= share, tail


def test_nine_calls_in_ten_are_served(place):
    served, passed_on = (sum(run(suite, place)[i] for suite in SUITES) for i in (1, 2))
    assert served / (served + passed_on) >= 0.9
