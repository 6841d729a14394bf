"""The gallery draws every figure that it lists, small."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"
GALLERY = EXAMPLES / "gallery.py"

for package in ("matplotlib", "skimage", "scipy"):
    pytest.importorskip(package, reason="the gallery needs the extra 'examples'")


def figures() -> list[str]:
    listed = re.search(
        r"^FIGURES = \[(.*?)\]", GALLERY.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
    return re.findall(r'"(\w+)"', listed.group(1))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("gallery")
    done = subprocess.run(
        [sys.executable, str(GALLERY), "--small", "--output", str(folder)],
        env=os.environ | {"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(folder / "settings")},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_every_module_is_listed():
    modules = {path.stem for path in EXAMPLES.glob("*.py") if not path.stem.startswith("_")}
    assert modules - {"gallery"} == set(figures())


@pytest.mark.parametrize("name", figures())
def test_a_figure_says_what_it_is(name):
    # the site's page is made of these
    tree = ast.parse((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    assert ast.get_docstring(tree).endswith(".")
    titles = [
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "TITLE"
    ]
    assert ast.literal_eval(titles[0])


@pytest.mark.parametrize("name", figures())
def test_a_figure_shows_something(drawn, name):
    from matplotlib.image import imread

    picture = imread(drawn / f"{name}.png")
    assert min(picture.shape[:2]) >= 100
    assert picture[..., :3].std() > 0.02


def test_the_contact_sheet(drawn):
    others = {path.stem for path in drawn.glob("*.png")} - set(figures())
    assert others, "no contact sheet was written"
