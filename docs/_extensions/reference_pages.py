"""The reference: a page for what `faltung` itself exports, and one for each public module."""

import importlib
import inspect
import pkgutil
import re
from pathlib import Path

import faltung

INDEX = """Reference
=========

{table}

.. toctree::
   :hidden:

   {names}
"""


def heading(text):
    return f"{text}\n{'=' * len(text)}\n\n"


def modules():
    """Names of public modules, those that hold others left out where they export nothing."""
    for found in pkgutil.walk_packages(faltung.__path__, "faltung."):
        hidden = any(part.startswith("_") for part in found.name.split("."))
        if not hidden and getattr(importlib.import_module(found.name), "__all__", None):
            yield found.name


def own_page():
    page = heading("faltung") + ".. automodule:: faltung\n   :no-members:\n\n"
    for name in faltung.__all__:
        thing = getattr(faltung, name)
        if inspect.isclass(thing):
            page += f".. autoclass:: faltung.{name}\n   :members:\n\n"
        elif callable(thing):
            page += f".. autofunction:: faltung.{name}\n\n"
    return page


def module_page(name):
    page = heading(name)
    return page + f".. automodule:: {name}\n   :members:\n   :imported-members:\n"


def summary(name):
    return (importlib.import_module(name).__doc__ or "").strip().split("\n")[0]


def write_pages(app):
    folder = Path(app.srcdir) / "reference"
    folder.mkdir(exist_ok=True)
    pages = {"faltung": own_page()} | {name: module_page(name) for name in sorted(modules())}
    for name, page in pages.items():
        (folder / f"{name}.rst").write_text(page, encoding="utf-8")
    rows = "\n".join(f":doc:`{name}`\n    {summary(name)}\n" for name in pages)
    index = INDEX.format(table=rows, names="\n   ".join(pages))
    (folder / "index.rst").write_text(index, encoding="utf-8")


def escape_stars(_app, _what, _name, _object, _options, lines):
    """The star of a shape, as in (N, C, *spatial), starts no emphasis."""
    lines[:] = [re.sub(r"(?<=, )\*(?=\w+[,)])", r"\\*", line) for line in lines]


def setup(app):
    app.connect("builder-inited", write_pages)
    app.connect("autodoc-process-docstring", escape_stars, priority=100)  # before numpydoc
    return {"parallel_read_safe": True}
