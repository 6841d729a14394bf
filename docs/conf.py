"""The site: python -m sphinx docs build/site. Builds without a network."""

import sys
from importlib.metadata import version as installed
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "_extensions"))

project = "Faltung"
author = "The Faltung developers"
copyright = "2026, The Faltung developers, BSD-3-Clause"  # noqa: A001  Sphinx's name
release = version = installed("faltung")

extensions = [
    "sphinx.ext.autodoc",
    "numpydoc",
    "myst_parser",
    "sphinx_design",
    "gallery_pages",
    "mathml_formulas",
    "reference_pages",
]
exclude_patterns = ["_build"]
suppress_warnings = [
    "myst.xref_missing"
]  # links to files beside docs/, which are for the repository
default_role = "py:obj"
highlight_language = "default"

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

autodoc_typehints = "none"  # numpydoc's sections say it
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

html_math_renderer = "mathml"
html_theme = "pydata_sphinx_theme"
html_title = "Faltung"
html_static_path = ["_static"]
html_css_files = ["faltung.css"]
html_show_sourcelink = False
html_theme_options = {
    "logo": {"text": "Faltung"},
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
}
# no list of sections where there is but one page
html_sidebars = {page: [] for page in ("index", "semantics", "architecture", "adding", "gallery/*")}
