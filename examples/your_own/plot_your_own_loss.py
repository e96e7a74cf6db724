"""
Your own loss: the Mueller-Brown surface
========================================

Any function of a parameter vector can be searched. This surface of two variables is
the classical test of chemical physics for methods that find saddles. It is a sum of
four exponentials of quadratic functions. The library knows nothing about its critical
points beforehand.
"""

# %%
# The loss
# --------
#
# A loss needs its value and its gradient. Both take a batch of points, with the
# parameters along the last axis, and treat every row by itself.

import warnings

import matplotlib.pyplot as plt
import numpy as np

from skcrit import FunctionLoss, GradNormFinder, NewtonMRFinder, NotConvergedWarning
from skcrit.utils.testing import check_loss

# [begin: loss]
A = np.array([-200.0, -100.0, -170.0, 15.0])
a = np.array([-1.0, -1.0, -6.5, 0.7])
b = np.array([0.0, 0.0, 11.0, 0.6])
c = np.array([-10.0, -10.0, -6.5, 0.7])
x0 = np.array([1.0, 0.0, -0.5, -1.0])
y0 = np.array([0.0, 0.5, 1.5, 1.0])


def bumps(theta):
    """Return the four bumps at each point, and the distances to their centres."""
    dx, dy = theta[..., :1] - x0, theta[..., 1:] - y0
    return A * np.exp(a * dx**2 + b * dx * dy + c * dy**2), dx, dy


def value(theta):
    """Evaluate the potential: (..., 2) to (...,)."""
    return bumps(theta)[0].sum(axis=-1)


def gradient(theta):
    """Evaluate the gradient: (..., 2) to (..., 2)."""
    bump, dx, dy = bumps(theta)
    along_x = bump * (2 * a * dx + b * dy)
    along_y = bump * (b * dx + 2 * c * dy)
    return np.stack([along_x.sum(axis=-1), along_y.sum(axis=-1)], axis=-1)


loss = FunctionLoss(value, gradient, n_params=2).fit()
# [end: loss]

# %%
# ``check_loss`` compares value, gradient and Hessian products with each other and
# raises an error that lists all faults. Here it is silent.

check_loss(loss)

# %%
# Search
# ------
#
# Searches begin on a grid over the region of interest. A number as tolerance is
# absolute: this gradient is of the order of 100, and 1e-12 is strict enough for it.

x, y = np.meshgrid(np.linspace(-1.5, 1.2, 12), np.linspace(-0.3, 2.0, 12))
starts = np.column_stack([x.ravel(), y.ravel()])

# [begin: search]
finder = NewtonMRFinder(n_starts=len(starts), init=starts, tol=1e-12, random_state=0)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)  # see below
    finder.fit(loss)
# [end: search]

for number, point in enumerate(finder.critical_points_):
    kind = ("minimum", "saddle")[finder.morse_indices_[number]]
    height, count = finder.critical_losses_[number], finder.counts_[number]
    print(f"{kind} at {point.round(3)}, height {height:.2f}, found {count} times")

# %%
# There are three minima and two saddles between them. The surface rises to infinity
# on all sides, so that by Morse theory the numbers of minima, saddles and maxima
# satisfy minima - saddles + maxima = 1: here 3 - 2 + 0.

index = finder.morse_indices_
# sphinx_gallery_start_ignore
assert np.sum(index == 0) == 3 and np.sum(index == 1) == 2
assert sum((-1) ** index) == 1
np.testing.assert_allclose(finder.critical_losses_[0], -146.6995, atol=1e-4)
# sphinx_gallery_end_ignore

# %%
# Ends that are not critical
# --------------------------
#
# Four fifths of the searches found a critical point. Another method
# shows more clearly what the others met. Levenberg-Marquardt without the fall-back
# descends in the gradient norm from the same starts, in short steps. It finds the same
# five points, and it stops at four more places. There the gradient is large, but it
# lies along a direction in which the Hessian has no curvature, so that no small step
# can reduce it: these places are gradient-flat. They have a status of their own and are
# not counted.

descent = GradNormFinder(
    n_starts=len(starts), init=starts, tol=1e-12, minimizer="lm", fallback=False
)
with warnings.catch_warnings():
    warnings.simplefilter("ignore", NotConvergedWarning)
    descent.fit(loss)
# sphinx_gallery_start_ignore
assert descent.morse_indices_.tolist() == finder.morse_indices_.tolist()
# sphinx_gallery_end_ignore
flat = descent.results_["status"] == "GRADIENT_FLAT"
places = np.unique(descent.final_params_[flat].round(2), axis=0)
# sphinx_gallery_start_ignore
assert np.array_equal(flat, ~descent.converged_) and len(places) == 4
assert descent.results_["squared_grad_norm"][flat].min() > 100
# sphinx_gallery_end_ignore
print(f"gradient-flat: {places.tolist()}")
print(f"converged: Newton-MR {finder.converged_.sum()}, the other {(~flat).sum()}")

# %%
# The map
# -------
#
# Contours every 25 units of height; it is black above 200.

grid_x, grid_y = np.meshgrid(np.linspace(-1.8, 1.3, 200), np.linspace(-0.6, 2.2, 200))
heights = value(np.stack([grid_x, grid_y], axis=-1))
figure, ax = plt.subplots(figsize=(6.5, 5.2), layout="constrained")
levels = np.arange(-150, 201, 25)
mesh = ax.contourf(grid_x, grid_y, heights, levels=levels, cmap="Greys", extend="max")
ax.contour(grid_x, grid_y, heights, levels=levels, colors="0.5", linewidths=0.3)
figure.colorbar(mesh, label="Potential (arbitrary units)", ticks=levels[::2])
# Colours of Okabe and Ito (2008), which colour-blind readers can distinguish.
for points, marker, colour, label in (
    (finder.critical_points_[index == 0], "o", "#0072B2", "minimum"),
    (finder.critical_points_[index == 1], "D", "#D55E00", "saddle"),
    (places, "X", "#E69F00", "gradient-flat, not critical"),
):
    # A light rim sets the marks off from any ground.
    style = {"marker": marker, "color": colour, "edgecolors": "white"}
    ax.scatter(*points.T, s=80, zorder=3, label=label, **style)
ax.set(xlabel="x", ylabel="y", title="Critical points of the Mueller-Brown surface")
figure.legend(loc="outside upper center", ncols=3)
plt.show()

# %%
# * K. Mueller and L. D. Brown. "Location of saddle points and minimum energy
#   paths by a constrained simplex optimization procedure". Theoretica Chimica Acta
#   53, 75-93, 1979, doi:10.1007/BF00547608.
