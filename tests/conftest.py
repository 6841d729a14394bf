"""What every test may ask for: a level of instructions, a method, seeded numbers; and a cache directory of its own."""

from __future__ import annotations

import os
import sys
import tempfile

# before the library is imported: no test reads or writes what the user has measured
_cache = tempfile.TemporaryDirectory(prefix="faltung-tests-")
os.environ["XDG_CACHE_HOME"] = _cache.name

import device_arrays  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402
from cases import METHODS  # noqa: E402
from hypothesis import settings  # noqa: E402

import faltung  # noqa: E402

# `pytest --hypothesis-profile=wide` looks for longer, and at something new every time
settings.register_profile("ci", max_examples=60, derandomize=True, deadline=None, database=None)
settings.register_profile("wide", max_examples=3000, deadline=None)
settings.load_profile("ci")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(20260101)


@pytest.fixture(params=faltung._core.levels())
def level(request):
    """Every instruction-set level that this machine supports, forced in turn."""
    previous = faltung._core.force_level(request.param)
    yield request.param
    faltung._core.force_level(previous)


@pytest.fixture(params=METHODS)
def method(request) -> str:
    return request.param


@pytest.fixture(params=["own", "library"])
def tile_engine(request):
    """Both engines behind overlap-save's tiles, where the library has a choice."""
    faltung._core.force_tile_engine(request.param)
    yield request.param
    faltung._core.force_tile_engine(None)


@pytest.fixture(autouse=True)
def _device(request):
    """Tests marked `gpu` skip without a device; FALTUNG_REQUIRE_GPU=1 makes that a failure."""
    if request.node.get_closest_marker("gpu") and not faltung.cuda.is_available():
        reason = faltung.cuda.info()["reason"]
        if os.environ.get("FALTUNG_REQUIRE_GPU") == "1":
            pytest.fail(f"FALTUNG_REQUIRE_GPU=1, but: {reason}")
        pytest.skip(reason)


@pytest.fixture
def cp(monkeypatch):
    """CuPy; on the stand-in for a device, arrays of ours that say they are CuPy's."""
    if device_arrays.are_needed():
        monkeypatch.setitem(sys.modules, "cupy", device_arrays)
    return pytest.importorskip("cupy")
