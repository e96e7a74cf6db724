"""The order of the examples in the gallery."""

# From the first steps to special questions; what is not listed follows by name.
ORDER = (
    "plot_first_steps.py",
    "plot_all_critical_points.py",
    "plot_at_a_minimum.py",
    "plot_tolerance_for_my_data.py",
    "plot_landscape_graph.py",
    "plot_disconnectivity.py",
    "plot_saddle_dynamics.py",
    "plot_sampling_bias.py",
    "plot_grid_search.py",
    "plot_penalty_path.py",
    "plot_dask_cluster.py",
    "plot_tolerance_study.py",
    "plot_digits.py",
    "plot_gradient_flat.py",
    "plot_scaled_valleys.py",
    "plot_tanh_network.py",
    "plot_your_own_loss.py",
    "plot_torch_network.py",
    "plot_your_own_finder.py",
)


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
