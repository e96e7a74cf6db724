"""Sphinx configuration: Markdown pages, the API from docstrings, examples that run."""

import os
import re
import sys
from importlib.util import find_spec
from pathlib import Path

import skcrit

sys.path.insert(0, str(Path(__file__).parent))  # for gallery_order

# Examples use two workers; more BLAS threads than cores would only slow them down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

project = "skcrit"
author = "The skcrit developers"
copyright = author
release = version = skcrit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_gallery.gen_gallery",
]
templates_path = ["templates"]
exclude_patterns = ["_build", "templates"]
# The scripts of the studies are no examples, and both are called run.py.
suppress_warnings = ["sphinx_gallery.duplicate_filename"]

myst_enable_extensions = ["dollarmath", "amsmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Without PyTorch its example is shown, and not run.
    "filename_pattern": "/plot_" if find_spec("torch") else "/plot_(?!torch)",
    # Scripts of the studies in the folders below are no gallery examples.
    "ignore_pattern": r"/(?!plot_)[^/]*\.py$",
    "within_subsection_order": "gallery_order.ReadingOrder",
    "abort_on_example_error": True,
    "min_reported_time": 0,
    "show_memory": False,
    "download_all_examples": False,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "skcrit"
html_show_sourcelink = False
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}


def escape_names(app, what, name, obj, options, lines):
    """Keep ``n_iter_`` in the type of a parameter from being read as a link."""
    for number, line in enumerate(lines):
        if re.match(r"\s*[\w*, ]+ : ", line):
            lines[number] = re.sub(r"(?<=\w)_(?=[,) ])", r"\\_", line)


def setup(app):
    """Connect the hook, before numpydoc's own of priority 500."""
    app.connect("autodoc-process-docstring", escape_names, priority=400)
