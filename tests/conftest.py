"""What every test may ask for: a level of instructions, a method, seeded numbers; and a cache directory of its own."""

from __future__ import annotations

import os
import tempfile

# before the library is imported: no test reads or writes what the user has measured
_cache = tempfile.TemporaryDirectory(prefix="faltung-tests-")
os.environ["XDG_CACHE_HOME"] = _cache.name

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
