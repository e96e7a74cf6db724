"""What all figures share: axes to draw on, and colours."""

__all__ = ["FAILURE", "GREY", "LEGEND", "SUCCESS", "axes_of"]

# Two colours of Okabe & Ito (2008), told apart by every eye and, one dark and one
# light, in grey. A marker always says the same as the colour.
SUCCESS = "#0072B2"
FAILURE = "#E69F00"
GREY = "0.75"

# Small enough for a figure of one column.
LEGEND = {
    "fontsize": "x-small",
    "framealpha": 0.9,
    "handlelength": 1.4,
    "handletextpad": 0.5,
    "borderpad": 0.3,
    "labelspacing": 0.3,
}


def axes_of(display, ax):
    """Return the axes to draw on, and note them and their figure on the display.

    Parameters
    ----------
    display : object
        Display that draws.
    ax : matplotlib.axes.Axes or None
        Axes given by the user; None makes a figure.

    Returns
    -------
    ax : matplotlib.axes.Axes
        Axes to draw on.

    Raises
    ------
    ImportError
        If Matplotlib is not installed.
    """
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(display).__name__}.plot needs Matplotlib: install it, or "
                "skcrit[plot]."
            ) from error
        _, ax = plt.subplots(layout="constrained")
    display.ax_, display.figure_ = ax, ax.figure
    return ax
