"""Sphinx configuration: Markdown pages, the API from docstrings, examples that run."""

import os
import re
import sys
import urllib.request
from importlib.util import find_spec
from pathlib import Path

import skcrit

sys.path.insert(0, str(Path(__file__).parent))
import gallery  # beside this file, as "links" is

# Examples use two workers; more BLAS threads than cores would only slow them down.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

project = "skcrit"
author = "The skcrit developers"
copyright = author
release = version = skcrit.__version__

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.intersphinx",
    "sphinx.ext.mathjax",
    "sphinx-mathjax-offline",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
    "gallery",
    "links",
]
templates_path = ["templates"]
# Written by programs, and included in other pages.
exclude_patterns = [
    "_build",
    "templates",
    "newton_mr_small_problems.md",
    "many_machines_measured.md",
    "starts_measured.md",
]
# The scripts of the studies are no examples, and both are called run.py.
suppress_warnings = ["sphinx_gallery.duplicate_filename"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_typehints = "none"
# "fit", not "NewtonMRFinder.fit", in the contents of a page.
toc_object_entries_show_parents = "hide"
numpydoc_show_class_members = False
numpydoc_xref_param_type = False

# Prompts and output are not copied.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

# MathJax 3, whose files the extension "sphinx-mathjax-offline" copies beside the pages.
mathjax3_config = {"tex": {"tags": "ams"}}


def reachable(address):
    """Find out whether a site answers, so that a build without a network passes too."""
    try:
        with urllib.request.urlopen(address, timeout=5):
            return True
    except OSError:
        return False


SITES = {
    "python": "https://docs.python.org/3/",
    "numpy": "https://numpy.org/doc/stable/",
    "scipy": "https://docs.scipy.org/doc/scipy/",
    "sklearn": "https://scikit-learn.org/stable/",
}
# One that answers stands for all: waiting for four that do not takes too long.
intersphinx_mapping = (
    {name: (site, None) for name, site in SITES.items()}
    if reachable(SITES["python"] + "objects.inv")
    else {}
)

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # Without PyTorch its example is shown, and not run.
    "filename_pattern": "/plot_" if find_spec("torch") else "/plot_(?!torch)",
    # Scripts of the studies in the folders below are no gallery examples.
    "ignore_pattern": r"/(?!plot_)[^/]*\.py$",
    "subsection_order": [f"../examples/{section}" for section in gallery.SECTIONS],
    "within_subsection_order": "gallery.ReadingOrder",
    "nested_sections": True,
    "image_scrapers": ("gallery.scrape",),
    "thumbnail_size": gallery.SIZE,
    "first_notebook_cell": gallery.first_cell(),
    "binder": gallery.binder(),
    "abort_on_example_error": True,
    # Its pages would load scripts from elsewhere.
    "write_computation_times": False,
    "show_memory": False,
    "download_all_examples": False,
    # Which class is used in which example: its page shows them.
    "backreferences_dir": "generated/backreferences",
    "doc_module": ("skcrit",),
    "inspect_global_variables": False,
    "plot_gallery": "True",
}

html_theme = "pydata_sphinx_theme"
html_title = "skcrit"
html_show_sourcelink = False
html_static_path = ["static"]
html_css_files = ["skcrit.css"]
# Only pages that have neighbours in their section have a bar on the left.
html_sidebars = {
    "index": [],
    "auto_examples/**": [],
    "genindex": [],
    "search": [],
}
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": True,
    "header_links_before_dropdown": 6,
    # The figures of the paper need the whole width for their legends to be read.
    "secondary_sidebar_items": {
        "**": ["page-toc"],
        "index": [],
        "paper": [],
        "paper/report": [],
    },
    "footer_start": ["copyright"],
    "footer_end": ["theme-version"],
}
if gallery.repository():
    html_theme_options["icon_links"] = [
        {
            "name": "Repository",
            "url": gallery.repository(),
            "icon": "fa-solid fa-code-branch",
        }
    ]


def escape_names(app, what, name, obj, options, lines):
    """Keep ``n_iter_`` in the type of a parameter from being read as a link."""
    for number, line in enumerate(lines):
        if re.match(r"\s*[\w*, ]+ : ", line):
            lines[number] = re.sub(r"(?<=\w)_(?=[,) ])", r"\\_", line)


def setup(app):
    """Connect the hook, before numpydoc's own of priority 500."""
    app.connect("autodoc-process-docstring", escape_names, priority=400)
