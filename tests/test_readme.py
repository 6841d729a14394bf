"""The README's example runs, and what it says about the version and the commands is so."""

import contextlib
import importlib.metadata
import io
import re
import tomllib
from pathlib import Path

import pytest

import faltung

ROOT = Path(__file__).resolve().parent.parent


def test_example_runs():
    pytest.importorskip("skimage")
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)
    assert names["blurred"].shape == names["photo"].shape
    assert "predicted" in printed.getvalue()


def test_one_version():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    citation = re.search(
        r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text("utf-8"), re.MULTILINE
    )
    assert project["version"] == citation[1]
    assert project["version"] == faltung.__version__ == importlib.metadata.version("faltung")


def test_hooks_have_the_versions_of_the_lint_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    wanted = re.findall(r"additional_dependencies: \[(.*)\]", hooks)
    assert wanted
    assert set(wanted) <= set(project["optional-dependencies"]["lint"])
