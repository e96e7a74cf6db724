"""
All critical points of my function
==================================

A critical point is a point at which a surface is level: a minimum at the bottom of a
valley, or a saddle on the pass between two valleys. The explorer begins anywhere and
continues from every critical point that it finds, until it finds no new one.
"""

# %%
# The surface of Mueller and Brown, the classical test of searches for saddles, has two
# variables, so that its critical points can be drawn on a map. For a function of your
# own, replace it by ``FunctionLoss(value, gradient, n_params=2)``.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    AutoStarts,
    KnownPoints,
    LandscapeExplorer,
    NewtonTrajectoryFinder,
    NotConvergedWarning,
    SaddleDynamicsFinder,
)
from skcrit.metrics import recovery_coverage
from skcrit.proving_grounds import make_mueller_brown

loss = make_mueller_brown()
explorer = LandscapeExplorer(
    finder=SaddleDynamicsFinder(), max_searches=40, random_state=0
)
with warnings.catch_warnings():
    # A few searches spend their budget; results_ has the status of each.
    warnings.simplefilter("ignore", NotConvergedWarning)
    explorer.fit(loss)
print(explorer.summary())

# %%
# The Morse index counts the directions in which the surface falls: 0 at a minimum, 1 at
# a saddle between two minima. The minima of this surface are known, so that the result
# can be checked.

points, index = explorer.critical_points_, explorer.morse_indices_
minima = [[-0.5582236, 1.4417258], [0.6234994, 0.0280378], [-0.0500108, 0.4666941]]
known = KnownPoints(minima, [0, 0, 0], loss=loss)
share = recovery_coverage(explorer, truth=known)
print(f"share of the known minima that was found: {share:.2f}")

# sphinx_gallery_start_ignore
assert sorted(index.tolist()) == [0, 0, 0, 1, 1]
assert recovery_coverage(explorer) == share == 1.0
# sphinx_gallery_end_ignore

# %%
# The colour of the map is the height. From each saddle two paths lead down, each to a
# minimum.

x, y = np.meshgrid(np.linspace(-1.7, 1.2, 250), np.linspace(-0.4, 2.0, 250))
heights = loss.value(np.stack([x, y], axis=-1))
levels = np.arange(-150, 101, 12.5)
figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
ax.contourf(x, y, heights, levels=levels, cmap="Blues_r", extend="max")
ax.contour(x, y, heights, levels, colors="0.4", linewidths=0.3, linestyles="solid")
for kind, marker, colour in (("minimum", "o", "#D55E00"), ("saddle", "D", "#F0E442")):
    chosen = points[index == ("minimum", "saddle").index(kind)]
    ax.plot(*chosen.T, marker, color=colour, markeredgecolor="k", ms=10, label=kind)
ax.set(xlabel="first parameter", ylabel="second parameter")
ax.legend(loc="upper right", fontsize=11)
plt.show()

# %%
# For so few parameters ``NewtonTrajectoryFinder`` is an alternative. It follows curves
# on which the gradient keeps its direction; critical points lie on these curves. The
# starts are drawn by ``AutoStarts``, the default of all finders except the explorer:
# for this loss, at two sizes around the middle of the map.

curves = NewtonTrajectoryFinder(n_starts=60, init=AutoStarts(), random_state=0)
curves.fit(loss)
print(f"{curves.converged_.sum()} of 60 searches, indices {curves.morse_indices_}")

# sphinx_gallery_start_ignore
assert curves.converged_.all()
assert np.allclose(curves.critical_losses_, explorer.critical_losses_)
# sphinx_gallery_end_ignore
