"""A pytest plugin that runs SciPy's and NumPy's own tests on `faltung.compat`.

Loaded with ``-p scipy_plugin``, before any test module is imported: their decorators and parameters then see our
functions. The originals stay behind `faltung.compat`, for the calls that it leaves to them.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from excused import EXCUSED
from scipy._lib._array_api import xp_capabilities_table

from faltung.compat import numpy as compat_numpy
from faltung.compat import report
from faltung.compat._patch import functions, install
from faltung.compat._routing import original

# SciPy's decorators look up by function what it can do with other array libraries
for _name, _function in functions().items():
    if original(_name) in xp_capabilities_table:
        xp_capabilities_table[_function] = xp_capabilities_table[original(_name)]
install()
for _name in compat_numpy.__all__:
    original(f"numpy.{_name}")
    setattr(np, _name, getattr(compat_numpy, _name))


_names: dict[str, str] = {}
_skipped: dict[str, str] = {}


def pytest_collection_modifyitems(items):
    for item in items:
        _names[item.nodeid] = f"{item.module.__name__}::{item.nodeid.partition('::')[2]}"
        reason = EXCUSED.get(_names[item.nodeid])
        if reason:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


def pytest_runtest_logreport(report):
    if report.skipped and not hasattr(report, "wasxfail"):
        _skipped[_names[report.nodeid]] = report.longrepr[2]


def pytest_sessionstart():
    report(reset=True)


def pytest_sessionfinish(session):
    counted = report()
    place = os.environ.get("FALTUNG_CONFORMANCE")
    if place:
        Path(place).write_text(
            json.dumps(
                {
                    "served": counted.served,
                    "passed_on": counted.passed_on,
                    "refused": counted.refused,
                    "collected": session.testscollected,
                    "failed": session.testsfailed,
                    "skipped": _skipped,
                }
            ),
            encoding="utf-8",
        )


def pytest_terminal_summary(terminalreporter):
    terminalreporter.write_sep("=", "where the calls ran")
    terminalreporter.write_line(str(report()))
