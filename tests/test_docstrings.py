"""The examples in docstrings run, and print what they say."""

import doctest
import importlib
import pkgutil

import pytest

import faltung

MODULES = [
    module.name
    for module in pkgutil.walk_packages(faltung.__path__, "faltung.")
    if not module.name.rsplit(".", 1)[-1].startswith("_")
]


@pytest.mark.parametrize(
    "name",
    [
        "faltung._api",
        "faltung._config",
        *MODULES,
        "faltung.compat._patch",
        "faltung.compat._routing",
    ],
)
def test_examples(name):
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    assert doctest.testmod(importlib.import_module(name), optionflags=flags).failed == 0
