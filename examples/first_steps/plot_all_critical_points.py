"""
All critical points of my function
==================================

Where a surface is level, it has a critical point: at the bottom of a valley, a minimum,
and on the pass between two valleys, a saddle. The explorer begins anywhere and goes on
from every critical point that it finds, until it finds no new one.
"""

# %%
# The surface of Mueller and Brown, the classical test of searches for saddles, has two
# variables, so that its critical points can be drawn on a map. A function of your own
# takes its place with ``FunctionLoss(value, gradient, n_params=2)``.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
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
# a saddle between two minima. The points of this surface are known, so that the result
# can be checked.

points, index = explorer.critical_points_, explorer.morse_indices_
print(f"share of the known points that was found: {recovery_coverage(explorer):.2f}")

# sphinx_gallery_start_ignore
assert sorted(index.tolist()) == [0, 0, 0, 1, 1]
# sphinx_gallery_end_ignore

# %%
# On the map the colour is the height. From each saddle two ways lead down, each to a
# minimum.

x, y = np.meshgrid(np.linspace(-1.7, 1.2, 250), np.linspace(-0.4, 2.0, 250))
heights = loss.value(np.stack([x, y], axis=-1))
levels = np.arange(-150, 101, 12.5)
figure, ax = plt.subplots(figsize=(6.4, 4.4), layout="constrained")
ax.contourf(x, y, heights, levels=levels, cmap="Blues_r", extend="max")
ax.contour(x, y, heights, levels=levels, colors="0.4", linewidths=0.3)
for kind, marker, colour in (("minimum", "o", "#D55E00"), ("saddle", "D", "#F0E442")):
    chosen = points[index == ("minimum", "saddle").index(kind)]
    ax.plot(*chosen.T, marker, color=colour, markeredgecolor="k", ms=10, label=kind)
ax.set(xlabel="first parameter", ylabel="second parameter")
ax.legend(loc="upper right", fontsize=11)
plt.show()

# %%
# With so few parameters ``NewtonTrajectoryFinder`` does the same. It follows curves on
# which the gradient keeps its direction; critical points lie on them.

curves = NewtonTrajectoryFinder(n_starts=60, init="gaussian", random_state=0).fit(loss)
print(f"{curves.converged_.sum()} of 60 searches, indices {curves.morse_indices_}")

# sphinx_gallery_start_ignore
assert curves.converged_.all()
assert np.allclose(curves.critical_losses_, explorer.critical_losses_)
# sphinx_gallery_end_ignore
