"""One page for each figure of the gallery, written before Sphinx reads: title, picture, source.

Pictures come from the folder that FALTUNG_GALLERY names, where `examples/gallery.py --output` has
drawn them; what is not there is drawn here. So no figure is drawn twice.
"""

import ast
import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"

PAGE = """# {title}

{about}

```{{image}} pictures/{name}.png
:alt: {title}
:class: figure-of-gallery
```

```{{literalinclude}} {source}
:language: python
:caption: examples/{name}.py
```
"""

CARD = """:::{{grid-item-card}} {title}
:img-top: pictures/{name}.png
:link: {name}
:link-type: doc

{about}
:::
"""

INDEX = """# Gallery

What convolution is good for, on photographs and on synthesised sound; each figure is a short script.
`python examples/gallery.py` draws them all.

::::{{grid}} 1 1 2 2
:gutter: 3

{cards}
::::

```{{toctree}}
:hidden:

{names}
```
"""


def constant(tree, name):
    """The value of a module's assignment, without running the module."""
    for node in tree.body:
        if isinstance(node, ast.Assign) and getattr(node.targets[0], "id", None) == name:
            return ast.literal_eval(node.value)
    raise LookupError(name)


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def pictures(folder, names):
    """Puts name.png for each name into `folder`: those that are drawn already, and the others."""
    drawn = os.environ.get("FALTUNG_GALLERY")
    missing = []
    for name in names:
        source = Path(drawn or "") / f"{name}.png"
        if drawn and source.is_file():
            (folder / source.name).write_bytes(source.read_bytes())
        else:
            missing += ["--only", name]
    if missing:
        subprocess.run(
            [sys.executable, EXAMPLES / "gallery.py", "--output", folder, *missing],
            env=os.environ | {"MPLBACKEND": "Agg"},
            check=True,
        )


def write_pages(app):
    folder = Path(app.srcdir) / "gallery"
    (folder / "pictures").mkdir(parents=True, exist_ok=True)
    names = constant(parsed(EXAMPLES / "gallery.py"), "FIGURES")
    pictures(folder / "pictures", names)
    cards = []
    for name in names:
        tree = parsed(EXAMPLES / f"{name}.py")
        words = {
            "name": name,
            "title": constant(tree, "TITLE"),
            "about": ast.get_docstring(tree).split(": ", 1)[-1].strip(),
            "source": os.path.relpath(EXAMPLES / f"{name}.py", folder),
        }
        words["about"] = words["about"][0].upper() + words["about"][1:]
        (folder / f"{name}.md").write_text(PAGE.format(**words), encoding="utf-8")
        cards.append(CARD.format(**words))
    index = INDEX.format(cards="\n".join(cards), names="\n".join(names))
    (folder / "index.md").write_text(index, encoding="utf-8")


def setup(app):
    app.connect("builder-inited", write_pages)
    return {"parallel_read_safe": True}
