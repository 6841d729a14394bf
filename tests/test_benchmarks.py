"""The asv suites import, and every benchmark runs once with its smallest parameters."""

import importlib.util
import inspect
import itertools
import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SUITES = ROOT / "benchmarks" / "benchmarks"
KINDS = ("time_", "timeraw_", "mem_", "peakmem_", "track_")


def load(path: Path):
    name = f"faltung_benchmarks_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        sys.path.insert(0, str(path.parent))
        try:
            spec.loader.exec_module(module)
        finally:
            sys.path.remove(str(path.parent))
    return sys.modules[name]


def suites() -> list[Path]:
    return sorted(path for path in SUITES.glob("*.py") if not path.stem.startswith("_"))


def benchmarks():
    for path in suites():
        for name, owner in inspect.getmembers(load(path), inspect.isclass):
            if name.startswith("_"):
                continue
            for method in sorted(dir(owner)):
                if method.startswith(KINDS):
                    yield pytest.param(owner, method, id=f"{path.stem}-{name}-{method}")


def grid_of(owner) -> list[tuple]:
    """Every combination of parameters, the first one of each list first; small ones come first in ours."""
    params = list(getattr(owner, "params", []))
    if params and not isinstance(params[0], list | tuple):
        params = [params]
    return list(itertools.product(*params))


def test_there_are_suites():
    assert suites()


@pytest.mark.parametrize(("owner", "method"), list(benchmarks()))
def test_runs_once(owner, method):
    tried = 0
    for combination in grid_of(owner):
        suite = owner()
        try:
            getattr(suite, "setup", lambda *_: None)(*combination)
        except NotImplementedError:
            continue  # asv's word for: this combination does not exist
        try:
            getattr(suite, method)(*combination)
        finally:
            getattr(suite, "teardown", lambda *_: None)(*combination)
        tried += 1
        break
    assert tried, "every combination declined"


def test_parameters_have_names():
    for case in benchmarks():
        owner = case.values[0]
        params = list(getattr(owner, "params", []))
        if params and not isinstance(params[0], list | tuple):
            params = [params]
        assert len(getattr(owner, "param_names", [])) == len(params), owner.__name__


def test_the_configuration_builds_this_package():
    text = (ROOT / "benchmarks" / "asv.conf.json").read_text(encoding="utf-8")
    config = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert config["project"] == "faltung"
    assert (ROOT / "benchmarks" / config["repo"]).resolve() == ROOT
    assert (ROOT / "benchmarks" / config.get("benchmark_dir", "benchmarks")).resolve() == SUITES
