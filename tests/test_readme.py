"""What stands twice, in the README and elsewhere, agrees; the README's example runs."""

import contextlib
import io
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def test_example_runs():
    pytest.importorskip("skimage")
    code = re.search(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)[1]
    names = {}
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(compile(code, "README.md", "exec"), names)
    assert names["blurred"].shape == names["photo"].shape
    assert "predicted" in printed.getvalue()


def test_hooks_have_the_versions_of_the_lint_extra():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    hooks = (ROOT / ".pre-commit-config.yaml").read_text("utf-8")
    wanted = re.findall(r"additional_dependencies: \[(.*)\]", hooks)
    assert wanted
    assert set(wanted) <= set(project["optional-dependencies"]["lint"])
