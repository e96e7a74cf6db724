"""Names beside points, if there is room."""

from __future__ import annotations

from typing import Any

import numpy as np

from skcrit._typing import BoolArray, FloatArray, IntArray
from skcrit.inspection._axes import ink
from skcrit.utils._arguments import shown

# Distances from point to name that are tried, in points, nearest first. Beyond the
# second a line shows which point is meant.
_DISTANCES = (3, 7, 13, 21, 31, 43, 57, 73, 91)
_LEADER = 7

# Directions that are tried, in degrees, in the order of preference.
_ANGLES = (0, 180, 45, 225, 135, 315, 90, 270, 22, 202, 158, 338, 68, 248, 112, 292)

# Clear space around every name, in points.
_PAD = 1.0


def checked_names(names: list[str], n_things: int, what: str) -> Any:
    """Return names as a list of texts, one for each thing, or raise ValueError."""
    try:
        texts = [None] if isinstance(names, str | bytes) else list(names)
    except TypeError:
        texts = [None]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError(f"names must be a list of texts, got {shown(names)}.")
    if len(texts) != n_things:
        raise ValueError(
            f"names must have one entry for each of the {n_things} {what}, got "
            f"{len(texts)}: {shown(names)}."
        )
    return texts


def place_names(ax: Any, points: FloatArray, names: Any, radius: Any) -> dict[int, Any]:
    """Write names beside points so that they cover neither each other nor points."""
    # Greedy: points in the thick of others choose first, and every name takes the free
    # place that is nearest; if nothing is free within reach, it is left out. Limits and
    # place of the axes are final. Returns the annotations by row.
    from matplotlib.text import Text

    scale = ax.figure.dpi / 72  # pixels per point
    pixels = ax.transData.transform(points)
    marks = np.hstack([pixels - radius * scale, pixels + radius * scale])
    frame = ax.get_window_extent()
    taken, texts = marks, {}
    for row in _crowded_first(pixels):
        text = _annotation(ax, points[row], names[row])
        box = Text.get_window_extent(text)  # the annotation's has the line, too
        boxes, offsets = _places(pixels[row], box.width, box.height, radius, scale)
        inside = np.all(boxes[:, :2] >= frame.min, axis=1)
        inside &= np.all(boxes[:, 2:] <= frame.max, axis=1)
        free = np.flatnonzero(inside & ~_overlap(boxes, taken))
        if len(free) == 0:
            text.remove()
            continue
        best = free[0]
        text.set_position(offsets[best])
        if np.hypot(*offsets[best]) - radius <= _LEADER + box.width / scale / 2:
            text.arrow_patch.set_visible(False)
        taken = np.vstack([taken, boxes[best]])
        texts[int(row)] = text
    return dict(sorted(texts.items()))


def _annotation(ax: Any, point: FloatArray, name: str) -> Any:
    """Make a name, still on its point, with a line to it."""
    return ax.annotate(
        name,
        point,
        xytext=(0, 0),
        textcoords="offset points",
        ha="center",
        va="center",
        fontsize="small",
        zorder=3,
        bbox={"facecolor": ink(ax, 1), "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
        arrowprops={"arrowstyle": "-", "color": ink(ax, 0.3), "linewidth": 0.4},
    )


def _crowded_first(pixels: FloatArray) -> IntArray:
    """Order points by the distance to their neighbours, close ones first."""
    distance = np.linalg.norm(pixels[:, None] - pixels, axis=-1)
    nearest = np.sort(distance, axis=1)[:, 1:4]
    closeness = nearest.mean(axis=1) if nearest.size else np.zeros(len(pixels))
    return np.argsort(closeness, kind="stable")


def _places(
    pixel: FloatArray, width: float, height: float, radius: float, scale: float
) -> tuple[FloatArray, FloatArray]:
    """List boxes around a point, and their centres in points from it."""
    angle = np.radians(np.tile(_ANGLES, len(_DISTANCES)))
    gap = np.repeat(_DISTANCES, len(_ANGLES)) + radius
    unit = np.column_stack([np.cos(angle), np.sin(angle)])
    half = np.array([width, height]) / scale / 2
    # The box touches the circle of that distance at its nearest side or corner.
    offsets = unit * gap[:, None] + np.sign(unit.round(9)) * half
    pad = half + _PAD
    low = pixel + (offsets - pad) * scale
    high = pixel + (offsets + pad) * scale
    return np.hstack([low, high]), offsets


def _overlap(boxes: FloatArray, taken: FloatArray) -> BoolArray:
    """Return which boxes overlap any of the others."""
    low = np.maximum(boxes[:, None, :2], taken[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], taken[None, :, 2:])
    return np.any(np.all(low < high, axis=-1), axis=1)
