"""The gallery: the order of its examples, their thumbnails and their notebooks."""

import os
import pickle
import re
import textwrap
import tomllib
from pathlib import Path

# The sections, and in each the examples from the first steps to special questions. The
# number is the panel of the first figure that is the thumbnail: all panels together
# would be too small to be read.
SECTIONS = {
    "first_steps": {
        "plot_first_steps": 1,
        "plot_all_critical_points": 0,
        "plot_at_a_minimum": 0,
        "plot_tolerance_for_my_data": 0,
    },
    "landscapes": {
        "plot_landscape_graph": 0,
        "plot_disconnectivity": 0,
        "plot_saddle_dynamics": 1,
        "plot_tanh_network": 0,
    },
    "reliability": {
        "plot_tolerance_study": 0,
        "plot_digits": 0,
        "plot_gradient_flat": 0,
        "plot_scaled_valleys": 0,
        "plot_sampling_bias": 0,
    },
    "your_own": {
        "plot_your_own_loss": 0,
        "plot_torch_network": 0,
        "plot_your_own_finder": 0,
        "plot_grid_search": 0,
        "plot_penalty_path": 0,
        "plot_dask_cluster": 0,
    },
}
PANELS = {name: panel for part in SECTIONS.values() for name, panel in part.items()}
ORDER = [f"{name}.py" for name in PANELS]

ROOT = Path(__file__).resolve().parents[1]
# The panels that are drawn: later figures of an example do not replace the first.
DRAWN = set()

# Width and height of a thumbnail, in pixels.
SIZE = (480, 336)

# The first cell of a notebook. Binder has skcrit, see .binder.
FROM_ADDRESS = """\
# Binder has skcrit already. Elsewhere, such as in Colab, it comes from its repository.
from importlib.util import find_spec

if find_spec("skcrit") is None:
    %pip install --quiet "skcrit[plot,dask] @ git+{address}"
"""
FROM_CLONE = """\
# Binder has skcrit already. Elsewhere this installs it from the clone of the repository
# that the notebook lies in.
from importlib.util import find_spec
from pathlib import Path

if find_spec("skcrit") is None:
    folders = [Path.cwd(), *Path.cwd().parents]
    root = next(path for path in folders if (path / "pyproject.toml").exists())
    %pip install --quiet "{root}[plot,dask]"
"""


class ReadingOrder:
    """Sort file names of examples by the order in which to read them.

    Parameters
    ----------
    src_dir : str
        Folder of the examples; sphinx-gallery hands it over.
    """

    def __init__(self, src_dir):
        self.src_dir = src_dir

    def __call__(self, filename):
        """Return the sort key of a file.

        Parameters
        ----------
        filename : str
            Name of the example.

        Returns
        -------
        key : tuple of (int, str)
            Its place, then its name.
        """
        place = ORDER.index(filename) if filename in ORDER else len(ORDER)
        return place, filename

    def __repr__(self):
        return f"<{type(self).__name__}>"


def repository():
    """Return the address of the repository, which pyproject.toml alone defines.

    Returns
    -------
    address : str or None
        "Repository" of [project.urls], on GitHub otherwise that of the build; None if
        neither is known.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    address = project.get("urls", {}).get("Repository")
    if address is None and "GITHUB_REPOSITORY" in os.environ:
        server = os.environ["GITHUB_SERVER_URL"]
        address = f"{server}/{os.environ['GITHUB_REPOSITORY']}"
    return address


def first_cell():
    """Return the first cell of every notebook, which installs skcrit if it is missing.

    Returns
    -------
    source : str
        Its code, which installs from the repository's address if that is known.
    """
    address = repository()
    return FROM_ADDRESS.format(address=address) if address else FROM_CLONE


def binder():
    """Return where Binder finds the notebooks.

    Returns
    -------
    settings : dict
        What sphinx-gallery calls "binder"; empty unless the repository is on GitHub.
    """
    pattern = r"https://github\.com/([\w.-]+)/([\w.-]+?)(?:\.git)?/?"
    match = re.fullmatch(pattern, repository() or "")
    needed = ROOT / ".binder" / "requirements.txt"
    if match is None or not needed.exists():
        return {}
    return {
        "org": match[1],
        "repo": match[2],
        "branch": "main",
        "binderhub_url": "https://mybinder.org",
        "dependencies": os.path.relpath(needed, ROOT / "doc"),
        "use_jupyter_lab": True,
        # Where .binder/postBuild writes them.
        "notebooks_dir": "notebooks",
    }


def scrape(block, block_vars, gallery_conf):
    """Save the figures of a block, and one panel of the first as a file of its own.

    Parameters
    ----------
    block : tuple
        What sphinx-gallery runs.
    block_vars : dict
        Its variables.
    gallery_conf : dict
        The configuration of the gallery.

    Returns
    -------
    rst : str
        The figures, for the page.
    """
    from matplotlib import pyplot as plt
    from sphinx_gallery.scrapers import matplotlib_scraper

    source = Path(block_vars["src_file"])
    target = Path(block_vars["target_file"]).parent / "images" / f"{source.stem}.png"
    if plt.get_fignums() and target not in DRAWN:
        DRAWN.add(target)
        target.parent.mkdir(parents=True, exist_ok=True)
        figure = plt.figure(plt.get_fignums()[0])
        draw_panel(figure, PANELS.get(source.stem, 0), target)
    return matplotlib_scraper(block, block_vars, gallery_conf)


def draw_panel(figure, panel, target):
    """Save one panel of a figure, which stays as it is.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        The figure.
    panel : int
        Number of the panel among its axes.
    target : path-like
        The file.
    """
    from matplotlib import pyplot as plt

    copy = pickle.loads(pickle.dumps(figure))
    try:
        ax = copy.axes[panel]
        _enlarge(ax)
        copy.canvas.draw()
        box = ax.get_tightbbox().transformed(copy.dpi_scale_trans.inverted())
        copy.savefig(target, bbox_inches=box.padded(0.06), dpi=150)
    finally:
        # pyplot takes in what is unpickled, and the page would show it too.
        plt.close(copy)


def _enlarge(ax):
    """Leave out what is too small for a thumbnail, and make the rest larger."""
    for other in ax.figure.axes:
        other.set_visible(other is ax)
    ax.set_title("")
    ax.figure.suptitle("")
    for extra in [*ax.texts, *ax.figure.legends, ax.get_legend()]:
        if extra is not None:
            extra.set_visible(False)
    for axis in (ax.xaxis, ax.yaxis):
        axis.label.set_fontsize(17)
        # A label longer than its axis would make the panel smaller.
        axis.label.set_text(textwrap.fill(axis.label.get_text(), 26))
        axis.set_tick_params(labelsize=15)
    # Where ticks are depends on the size of their labels.
    ax.figure.canvas.draw()
    for axis in (ax.xaxis, ax.yaxis):
        labels = axis.get_ticklabels()
        for place, label in enumerate(labels):
            label.set_visible(place % (1 + len(labels) // 6) == 0)


def use_panels(app):
    """Make the thumbnails of the chosen panels, in place of those of whole figures.

    Parameters
    ----------
    app : sphinx.application.Sphinx
        The build, whose gallery is written.
    """
    from sphinx_gallery.utils import scale_image

    folder = Path(app.srcdir) / "auto_examples"
    for panel in folder.glob("*/images/plot_*.png"):
        thumbnail = panel.parent / "thumb" / f"sphx_glr_{panel.stem}_thumb.png"
        scale_image(str(panel), str(thumbnail), *SIZE)


def setup(app):
    """Run after sphinx-gallery has written its files."""
    app.connect("builder-inited", use_panels, priority=900)
