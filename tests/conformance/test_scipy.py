"""SciPy's and NumPy's own tests, run on `faltung.compat` in a process of their own: see scipy_plugin.py."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

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
    # few calls, some of them on objects
    "numpy": (["numpy._core.tests.test_numeric"], "TestConvolve or TestCorrelate", 10, 0.75),
}


@pytest.mark.parametrize("suite", SUITES)
def test_their_tests_pass_on_our_functions(suite, tmp_path):
    modules, chosen, cases, share = SUITES[suite]
    version = importlib.metadata.version("scipy")
    if not version.startswith("1.17."):
        pytest.skip(f"faltung.compat follows SciPy 1.17; this is {version}")
    (tmp_path / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    counted = tmp_path / "counted.json"
    path = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    run = subprocess.run(
        [
            *(sys.executable, "-m", "pytest", "-q", "-c", "pytest.ini", "-p", "no:cacheprovider"),
            *("-p", "scipy_plugin", *(["-k", chosen] if chosen else []), "--pyargs", *modules),
        ],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": path, "FALTUNG_CONFORMANCE": str(counted)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    tail = run.stdout[-4000:] + run.stderr[-2000:]
    assert run.returncode == 0, tail
    passed = int(re.findall(r"(\d+) passed", run.stdout)[-1])
    assert passed + 5 >= cases, tail  # a few are excused, or skipped by SciPy itself
    counts = json.loads(counted.read_text(encoding="utf-8"))
    served, passed_on = (sum(counts[kind].values()) for kind in ("served", "passed_on"))
    assert served / (served + passed_on) >= share, tail
