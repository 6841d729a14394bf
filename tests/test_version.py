"""One version, wherever it is asked for."""

import importlib.metadata
import re
import tomllib
from pathlib import Path

import faltung

ROOT = Path(__file__).resolve().parents[1]


def project() -> dict:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_the_package_the_extension_the_metadata_and_the_project_agree():
    version = project()["version"]
    assert faltung.__version__ == version
    assert faltung._core.__version__ == version
    assert importlib.metadata.version("faltung") == version
    assert faltung.show_config("dict")["version"] == version


def test_the_citation_agrees():
    text = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert (
        re.search(r"^version: [\"']?([^\"'\n]+)", text, re.MULTILINE).group(1)
        == project()["version"]
    )


def test_the_changelog_has_an_entry():
    text = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## .*\b{re.escape(project()['version'])}\b", text, re.MULTILINE)


def test_the_licence_is_one():
    assert project()["license"] == "BSD-3-Clause"
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Redistribution and use in source and binary forms" in licence
    assert "Neither the name" in licence
