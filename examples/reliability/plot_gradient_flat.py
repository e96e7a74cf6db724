"""
Gradient-flat regions: searches stop at points that are not critical
====================================================================

Methods that reduce the gradient norm can stop at a point whose gradient is not zero: if
the gradient lies in the kernel of the Hessian, no direction changes its size to first
order. Frye et al. (2021) found that such gradient-flat regions are common in the
losses of deep networks, and that points in them are easily taken for critical points.
Here is the smallest example: a loss with one critical point and one gradient-flat
point.
"""

# %%
# The loss
# --------
#
# The slope along x is ``(x + 2) ((x - 1)^2 + floor)``. It vanishes only at x = -2, but
# it has a minimum of about ``3 floor`` near x = 1. Along y the loss is a parabola.

import warnings
from collections import Counter

import matplotlib.pyplot as plt
import numpy as np

from skcrit import (
    FunctionLoss,
    GradientNormLoss,
    GradNormFinder,
    NewtonMRFinder,
    NotConvergedWarning,
)


def make_loss(floor):
    """Make the loss whose slope is small, and not zero, at x = 1."""
    bowl = np.polynomial.Polynomial([1.0 + floor, -2.0, 1.0])
    slope = np.polynomial.Polynomial([2.0, 1.0]) * bowl
    height, bend = slope.integ(), slope.deriv()

    def value(theta):
        return height(theta[..., 0]) + theta[..., 1] ** 2 / 2

    def gradient(theta):
        return np.stack([slope(theta[..., 0]), theta[..., 1]], axis=-1)

    def hvp(theta, v):
        return np.stack([bend(theta[..., 0]) * v[..., 0], v[..., 1]], axis=-1)

    return FunctionLoss(value, gradient, hvp, n_params=2).fit()


starts = np.random.default_rng(0).uniform([-3.0, -2.0], [2.5, 2.0], size=(40, 2))


def search(finder, loss, **params):
    """Fit a finder to the same starts, quietly: the status says what failed."""
    finder.set_params(n_starts=len(starts), init=starts, random_state=0, **params)
    finder.set_params(fallback=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", NotConvergedWarning)
        return finder.fit(loss)


# %%
# A status instead of a point
# ---------------------------
#
# With ``floor=0.3`` the gradient at the flat point is about 0.9. Levenberg-Marquardt,
# which minimises the gradient norm, ends there from every start on that side. None of
# these ends counts as converged; their status is GRADIENT_FLAT. ``fallback=False``
# is the method alone: by default a search that is stuck continues with steps of another
# kind.

flat_loss = make_loss(floor=0.3)
descent = search(GradNormFinder(minimizer="lm"), flat_loss, tol=1e-10)
ends, status = descent.final_params_, descent.results_["status"]
is_flat = status == "GRADIENT_FLAT"
# sphinx_gallery_start_ignore
assert set(status) == {"CONVERGED", "GRADIENT_FLAT"}
assert np.allclose(ends[~is_flat], [-2, 0], atol=1e-4)
assert np.ptp(ends[is_flat, 0]) < 1e-3
assert descent.results_["squared_grad_norm"][is_flat].min() > 0.7
assert descent.n_critical_sets_ == 1
# sphinx_gallery_end_ignore
print(f"{np.sum(~is_flat)} converged, {np.sum(is_flat)} gradient-flat")

# The reason: the best step leaves practically all of the gradient.
# sphinx_gallery_start_ignore
assert descent.results_["residual_ratio"][is_flat].min() > 0.9
# sphinx_gallery_end_ignore

# %%
# Another method helps. The steps of Newton-MR are long if the Hessian is nearly
# singular, and the gradient norm may rise for a while: it jumps over the flat point.

newton = search(NewtonMRFinder(), flat_loss, tol=1e-10)
# sphinx_gallery_start_ignore
assert newton.converged_.all() and newton.n_critical_sets_ == 1
# sphinx_gallery_end_ignore

# %%
# A tolerance that is too loose
# -----------------------------
#
# With ``floor=1e-6`` the gradient at the flat point is 3e-6, and its square is below
# ``tol=1e-10``: by that tolerance alone it would be a critical point. Finders therefore
# take Newton steps from every end until only rounding errors are left. Here these
# lead away, and the status is UNCONFIRMED: the tolerance is too loose for this loss.
# ``tol=1e-20`` is not reached at this point. Only the true critical point is reported.

false_friend = make_loss(floor=1e-6)
loose = search(NewtonMRFinder(), false_friend, tol=1e-10)
strict = search(NewtonMRFinder(), false_friend, tol=1e-20)
near_flat = np.abs(loose.final_params_[:, 0] - 1) < 0.01
# sphinx_gallery_start_ignore
assert near_flat.sum() >= 20 and np.all(loose.results_["squared_grad_norm"] <= 1e-10)
assert set(loose.results_["status"][near_flat]) == {"UNCONFIRMED"}
assert set(strict.results_["status"][near_flat]) <= {"GRADIENT_FLAT", "STALLED"}
# sphinx_gallery_end_ignore
for finder in (loose, strict):
    # sphinx_gallery_start_ignore
    assert np.array_equal(finder.converged_, ~near_flat)
    assert finder.critical_points_[:, 0].round(2).tolist() == [-2.0]
    assert finder.morse_indices_.tolist() == [0]
    # sphinx_gallery_end_ignore
    print(f"tol={finder.tol:.0e}:", Counter(finder.results_["status"].tolist()))

# %%
# The figure
# ----------
#
# Left, the ends of the searches by Levenberg-Marquardt, over contours of the gradient
# norm. Right, the gradient norm on the line y = 0 for both losses, and both tolerances.

grid_x, grid_y = np.meshgrid(np.linspace(-3.2, 2.7, 200), np.linspace(-2.2, 2.2, 150))
points = np.stack([grid_x, grid_y], axis=-1)
# Half the squared gradient norm is a loss of its own.
norm = np.sqrt(2 * GradientNormLoss(flat_loss).fit().value(points))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 3.6), layout="constrained")
levels = np.geomspace(0.1, 50, 15)
left.contour(grid_x, grid_y, norm, levels=levels, colors="0.6", linewidths=0.7)
left.plot(*starts.T, ".", color="0.3", markersize=4, label="starts")
left.plot(*ends[~is_flat].T, "o", color="#0072B2", label="converged")
left.plot(*ends[is_flat].T, "X", color="#E69F00", markersize=9, label="gradient-flat")
left.set(xlabel="x", ylabel="y", title="Gradient norm, floor = 0.3")
left.set_ylim(-2.2, 2.9)
style = {"fontsize": "small", "handletextpad": 0.1, "columnspacing": 0.8}
left.legend(loc="upper center", ncols=3, **style)

# Both sharp dips need points close to them.
near = np.geomspace(1e-11, 2, 500)
x = np.sort(np.hstack([-2 - near / 2, -2 + near, 1 - near, 1 + near]))
line = np.stack([x, np.zeros_like(x)], axis=-1)
for loss, style, label in (
    (flat_loss, "-", "floor = 0.3"),
    (false_friend, "--", "floor = 1e-6"),
):
    squared = np.sum(loss.gradient(line) ** 2, axis=-1)
    right.semilogy(line[:, 0], squared, style, color="#0072B2", label=label)
for tol, style in ((1e-10, ":"), (1e-20, "-.")):
    right.axhline(tol, color="black", linestyle=style, label=f"tol = {tol:.0e}")
right.set(xlabel="x, at y = 0", ylabel="Squared gradient norm", ylim=(1e-22, 1e4))
right.legend(loc="lower right", bbox_to_anchor=(1.0, 0.12), fontsize="small")
plt.show()

# %%
# * C. G. Frye, J. Simon, N. S. Wadia, A. Ligeralde, M. R. DeWeese and K. E.
#   Bouchard. "Critical point-finding methods reveal gradient-flat regions of deep
#   network losses". Neural Computation 33(6), 1469-1497, 2021, arXiv:2003.10397.
