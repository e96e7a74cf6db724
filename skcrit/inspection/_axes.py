"""Axes, labels that fit them, and colours, for all figures."""

from __future__ import annotations

from textwrap import fill
from typing import Any

from skcrit.utils._arguments import shown

# Two colours of Okabe & Ito (2008), distinct to every eye and, one dark and one
# light, in grey. A marker always says the same as the colour.
SUCCESS = "#0072B2"
FAILURE = "#E69F00"
GREY = "0.65"

# Small enough for a figure of one column, and legible there.
LEGEND: dict[str, Any] = {
    "fontsize": "small",
    "framealpha": 0.9,
    "handlelength": 1.4,
    "handletextpad": 0.5,
    "borderpad": 0.3,
    "labelspacing": 0.3,
}

# Mean width of a character, in units of the font size: rather too much than too little.
_CHARACTER = 0.6

_JOINT = "\N{NO-BREAK SPACE}"


def axes_of(display: Any, ax: Any) -> Any:
    """Return the axes to draw on, and note them and their figure on the display."""
    if ax is None:
        try:
            import matplotlib.pyplot as plt
        except ImportError as error:
            raise ImportError(
                f"{type(display).__name__}.plot needs Matplotlib: install it, or "
                "skcrit[plot]."
            ) from error
        _, ax = plt.subplots(layout="constrained")
    if not (hasattr(ax, "figure") and hasattr(ax, "plot")):
        raise TypeError(f"ax must be axes of Matplotlib or None, got {shown(ax)}.")
    display.ax_, display.figure_ = ax, ax.figure
    return ax


def ink(ax: Any, paleness: float = 0.0) -> Any:
    """Return the colour of the words on an axis, or a paler one; 1 is the paper's."""
    from matplotlib.colors import to_rgb

    color = to_rgb(ax.xaxis.label.get_color())
    # Axes can be transparent, so that the paper is known only from what is written.
    paper = 0.0 if sum(color) > 1.5 else 1.0
    return tuple(c + paleness * (paper - c) for c in color)


def font_points(size: Any) -> float:
    """Return a size of the font in points, of a name such as "small" too."""
    from matplotlib.font_manager import FontProperties

    return float(FontProperties(size=size).get_size_in_points())


def together(words: str) -> str:
    """Join words, so that a text is not wrapped between them."""
    return words.replace(" ", _JOINT)


def wrap(text: str, length: float, size: float) -> str:
    """Break a text into lines of a length, for a size of the font, both in points."""
    room = max(int(length / (_CHARACTER * size)), 10)
    lines = fill(text, room, break_long_words=False, break_on_hyphens=False)
    return lines.replace(_JOINT, " ")


def name_axes(ax: Any, x: str, y: str) -> None:
    """Name both axes, in several lines if one would leave the figure."""
    box = ax.get_window_extent()
    for axis, text, length in ((ax.xaxis, x, box.width), (ax.yaxis, y, box.height)):
        points = length * 72 / ax.figure.dpi
        axis.set_label_text(wrap(text, points, axis.label.get_size()))
